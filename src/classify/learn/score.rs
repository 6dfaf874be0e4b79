//! How good answers are: F1, accuracy, and how it grows when the unsure ones are left out.

/// The mean of the labels' F1; a label that nobody has and nobody says does not count.
pub fn macro_f1(told: &[usize], right: &[usize], labels: usize) -> f64 {
    let of = |label: usize| {
        let hits = told.iter().zip(right).filter(|(t, r)| **t == label && **r == label).count();
        let said = told.iter().filter(|t| **t == label).count();
        let are = right.iter().filter(|r| **r == label).count();
        (said + are > 0).then(|| 2.0 * hits as f64 / (said + are) as f64)
    };
    let each: Vec<f64> = (0..labels).filter_map(of).collect();
    each.iter().sum::<f64>() / each.len().max(1) as f64
}

/// The share of right answers (with one label a text this is the micro-F1).
pub fn accuracy(told: &[usize], right: &[usize]) -> f64 {
    told.iter().zip(right).filter(|(told, right)| told == right).count() as f64 / told.len().max(1) as f64
}

/// One point of the curve of coverage and accuracy.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Covered {
    /// Only answers at least as sure count.
    pub threshold: f32,
    /// The share of texts that get an answer then.
    pub coverage: f64,
    /// The share of those that is right; 1 where there is none.
    pub accuracy: f64,
}

/// What is left and how good it is at each threshold. `answers`: how sure, and whether right.
pub fn curve(answers: &[(f32, bool)], thresholds: &[f32]) -> Vec<Covered> {
    let at = |threshold: &f32| {
        let left: Vec<bool> = answers.iter().filter(|(sure, _)| sure >= threshold).map(|(_, right)| *right).collect();
        let right = left.iter().filter(|right| **right).count();
        Covered {
            threshold: *threshold,
            coverage: left.len() as f64 / answers.len().max(1) as f64,
            accuracy: if left.is_empty() { 1.0 } else { right as f64 / left.len() as f64 },
        }
    };
    thresholds.iter().map(at).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_by_hand() {
        let (told, right) = ([0, 0, 1, 1], [0, 1, 1, 1]);
        // Label 0: 2*1/(2+1); label 1: 2*2/(2+3). Label 2 is neither said nor right.
        assert!((macro_f1(&told, &right, 3) - (2.0 / 3.0 + 0.8) / 2.0).abs() < 1e-9);
        assert_eq!(accuracy(&told, &right), 0.75);
        assert_eq!(macro_f1(&[], &[], 2), 0.0);
    }

    #[test]
    fn the_unsure_are_left_out() {
        let answers = [(0.9, true), (0.8, true), (0.4, false), (0.3, true)];
        let curve = curve(&answers, &[0.0, 0.5, 0.95]);
        assert_eq!((curve[0].coverage, curve[0].accuracy), (1.0, 0.75));
        assert_eq!((curve[1].coverage, curve[1].accuracy), (0.5, 1.0));
        assert_eq!((curve[2].coverage, curve[2].accuracy), (0.0, 1.0));
    }
}
