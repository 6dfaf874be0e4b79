//! Linear support vector machines, one against the rest, by dual coordinate descent with the squared hinge.
//!
//! After Hsieh, Chang, Lin, Keerthi, Sundararajan: A Dual Coordinate Descent Method for Large-scale Linear SVM (ICML 2008),
//! algorithm 1; the bias is a feature that is always 1. The order of the rows is drawn from a fixed seed, so the same rows
//! give the same machine.

use rand::SeedableRng;
use rand::rngs::SmallRng;
use rand::seq::SliceRandom;

/// A row: features in ascending order with their values.
pub type Row = Vec<(u32, f32)>;

/// Passes over the rows at most.
const PASSES: usize = 60;

/// The descent ends when no row would move its share by more than this.
const STILL: f32 = 0.02;

/// One class against the rest.
#[derive(Debug, Clone, PartialEq)]
pub struct Machine {
    pub weights: Vec<f32>,
    pub bias: f32,
}

impl Machine {
    /// Learns which rows are `mine` out of `features` features; `cost` is the price of a row on the wrong side.
    pub fn learn(rows: &[Row], mine: &[bool], features: usize, cost: f32) -> Machine {
        let mut machine = Machine { weights: vec![0.0; features], bias: 0.0 };
        let mut share = vec![0.0f32; rows.len()];
        let square: Vec<f32> = rows.iter().map(|row| 1.0 + row.iter().map(|(_, v)| v * v).sum::<f32>()).collect();
        let slack = 0.5 / cost;
        let mut order: Vec<usize> = (0..rows.len()).collect();
        let mut rng = SmallRng::seed_from_u64(12345);
        for _ in 0..PASSES {
            order.shuffle(&mut rng);
            let mut most = 0.0f32;
            for &i in &order {
                let sign = if mine[i] { 1.0 } else { -1.0 };
                let gradient = sign * machine.score(&rows[i]) - 1.0 + slack * share[i];
                let projected = if share[i] == 0.0 { gradient.min(0.0) } else { gradient };
                most = most.max(projected.abs());
                if projected.abs() > 1e-6 {
                    let old = share[i];
                    share[i] = (old - gradient / (square[i] + slack)).max(0.0);
                    machine.add(&rows[i], (share[i] - old) * sign);
                }
            }
            if most < STILL {
                break;
            }
        }
        machine
    }

    pub fn score(&self, row: &Row) -> f32 {
        self.bias + row.iter().map(|(feature, value)| self.weights[*feature as usize] * value).sum::<f32>()
    }

    fn add(&mut self, row: &Row, by: f32) {
        for (feature, value) in row {
            self.weights[*feature as usize] += value * by;
        }
        self.bias += by;
    }
}
