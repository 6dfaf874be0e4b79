//! When each leg of a thread ticks: every 20 ms, at one of twenty phases a millisecond apart.
//!
//! Legs that share a phase are served in one waking. A new leg takes the least used phase, so the work is spread; a leg
//! may move to an earlier one.

use std::time::Duration;

/// Phases of a tick.
const PHASES: usize = 20;

/// When a step is due. Phases are a millisecond apart.
pub fn since_start(step: u64) -> Duration {
    Duration::from_millis(step)
}

#[derive(Debug)]
pub struct Wheel {
    phases: [Vec<usize>; PHASES],
    /// The step that is due next, counted from the start.
    at: u64,
}

impl Default for Wheel {
    fn default() -> Wheel {
        Wheel { phases: std::array::from_fn(|_| Vec::new()), at: 0 }
    }
}

impl Wheel {
    /// Adds a leg; its first tick comes within 20 ms.
    pub fn add(&mut self, leg: usize) {
        let least = (0..PHASES).min_by_key(|phase| self.phases[*phase].len()).expect("there are phases");
        self.phases[least].push(leg);
    }

    pub fn remove(&mut self, leg: usize) {
        for phase in &mut self.phases {
            phase.retain(|other| *other != leg);
        }
    }

    /// A leg that has just ticked does so `steps` (less than a tick) earlier from now on.
    pub fn advance(&mut self, leg: usize, steps: usize) {
        if let Some(phase) = self.phases.iter().position(|phase| phase.contains(&leg)) {
            self.phases[phase].retain(|other| *other != leg);
            self.phases[(phase + PHASES - steps) % PHASES].push(leg);
        }
    }

    /// The next step, counted from the start, at which some leg ticks; steps without legs are passed over.
    pub fn due(&mut self) -> Option<u64> {
        let empty = (0..PHASES as u64).find(|ahead| !self.phase(self.at + ahead).is_empty())?;
        self.at += empty;
        Some(self.at)
    }

    fn phase(&self, step: u64) -> &[usize] {
        &self.phases[(step % PHASES as u64) as usize]
    }

    /// The legs of the step that [`Wheel::due`] gave; it is then over.
    pub fn take(&mut self, legs: &mut Vec<usize>) {
        legs.clear();
        legs.extend_from_slice(self.phase(self.at));
        self.at += 1;
    }

    /// Passes over whole ticks of all legs.
    pub fn skip(&mut self, ticks: u64) {
        self.at += ticks * PHASES as u64;
    }

    /// Begins at `step`, if that is later: there were no legs until now.
    pub fn resume(&mut self, step: u64) {
        self.at = self.at.max(step);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_leg_ticks_every_20_ms_and_phases_are_even() {
        let mut wheel = Wheel::default();
        wheel.resume(7);
        (0..50).for_each(|leg| wheel.add(leg));
        let mut ticks = vec![Vec::new(); 50];
        let mut legs = Vec::new();
        while let Some(step) = wheel.due() {
            if step >= 207 {
                break;
            }
            wheel.take(&mut legs);
            assert!((2..=3).contains(&legs.len()), "{} legs at step {step}", legs.len());
            legs.iter().for_each(|leg| ticks[*leg].push(step));
        }
        for ticks in ticks {
            assert_eq!(ticks.len(), 10);
            assert!(ticks.windows(2).all(|pair| pair[1] - pair[0] == 20), "{ticks:?}");
        }
    }

    #[test]
    fn an_advanced_leg_ticks_once_earlier_and_a_removed_one_never() {
        let mut wheel = Wheel::default();
        wheel.add(1);
        let mut legs = Vec::new();
        assert_eq!(wheel.due(), Some(0));
        wheel.take(&mut legs);
        wheel.advance(1, 3);
        assert_eq!(wheel.due(), Some(17));
        wheel.take(&mut legs);
        wheel.skip(3);
        assert_eq!(wheel.due(), Some(97));
        wheel.remove(1);
        assert_eq!(wheel.due(), None);
    }
}
