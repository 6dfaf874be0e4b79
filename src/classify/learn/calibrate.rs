//! From margins to probabilities that mean what they say, and how far they are from that.

/// Each label's probability: the softmax of the margins times `sharpness`.
pub fn probabilities(margins: &[f32], sharpness: f32) -> Vec<f32> {
    let most = margins.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let raised: Vec<f32> = margins.iter().map(|margin| ((margin - most) * sharpness).exp()).collect();
    let sum: f32 = raised.iter().sum();
    raised.iter().map(|value| value / sum).collect()
}

/// The sharpness under which the right labels are likeliest (temperature scaling; Guo, Pleiss, Sun, Weinberger, ICML
/// 2017). `margins` must be of texts that were not learned from.
pub fn sharpness(margins: &[Vec<f32>], right: &[usize]) -> f32 {
    let loss = |sharpness: f32| -> f64 {
        let of = |(margins, right): (&Vec<f32>, &usize)| {
            -f64::from(probabilities(margins, sharpness)[*right].max(1e-9)).ln()
        };
        margins.iter().zip(right).map(of).sum()
    };
    // The loss has one valley: a golden-section search.
    let (mut low, mut high) = (0.1f32, 40.0f32);
    for _ in 0..48 {
        let third = (high - low) * 0.381_966;
        if loss(low + third) < loss(high - third) {
            high -= third;
        } else {
            low += third;
        }
    }
    (low + high) / 2.0
}

/// The expected calibration error over ten bins of equal width: how far, on average, "0.8 sure" is from being right
/// eight times of ten.
pub fn expected_error(answers: &[(f32, bool)]) -> f64 {
    let mut bins = [(0usize, 0.0f64, 0usize); 10];
    for (sure, right) in answers {
        let bin = &mut bins[((sure * 10.0) as usize).min(9)];
        bin.0 += 1;
        bin.1 += f64::from(*sure);
        bin.2 += usize::from(*right);
    }
    let gaps = bins.iter().map(|(_, sure, right)| (sure - *right as f64).abs());
    gaps.sum::<f64>() / answers.len().max(1) as f64
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use rand::rngs::SmallRng;
    use rand::{Rng, SeedableRng};

    proptest! {
        #[test]
        fn probabilities_are_such(margins in prop::collection::vec(-50f32..50.0, 1..9), sharpness in 0.1f32..40.0) {
            let told = probabilities(&margins, sharpness);
            prop_assert!(told.iter().all(|p| (0.0..=1.0).contains(p)), "{told:?}");
            prop_assert!((told.iter().sum::<f32>() - 1.0).abs() < 1e-3);
        }

        /// Labels are drawn with the probabilities that a true sharpness gives; it is found again.
        #[test]
        fn the_sharpness_behind_the_labels_is_found(seed in any::<u64>(), truth in 1f32..8.0) {
            let mut rng = SmallRng::seed_from_u64(seed);
            let margins: Vec<Vec<f32>> = (0..2000).map(|_| (0..4).map(|_| rng.random_range(-1.0..1.0)).collect()).collect();
            let right: Vec<usize> = margins.iter().map(|margins| {
                let mut at = rng.random_range(0.0..1.0);
                probabilities(margins, truth).iter().position(|p| { at -= p; at < 0.0 }).unwrap_or(3)
            }).collect();
            let found = sharpness(&margins, &right);
            prop_assert!((found / truth).ln().abs() < 0.25, "{found} for {truth}");
            let answers: Vec<(f32, bool)> = margins.iter().zip(&right).map(|(margins, right)| {
                let told = probabilities(margins, found);
                let best = super::super::model::best(&told);
                (told[best], best == *right)
            }).collect();
            prop_assert!(expected_error(&answers) < 0.06, "{}", expected_error(&answers));
        }
    }

    #[test]
    fn an_error_by_hand() {
        // Two answers of 0.9, one right: off by 0.4. One of 0.55, right: off by 0.45.
        let error = expected_error(&[(0.9, true), (0.9, false), (0.55, true)]);
        assert!((error - (0.8 + 0.45) / 3.0).abs() < 1e-6, "{error}");
        assert_eq!(expected_error(&[]), 0.0);
    }
}
