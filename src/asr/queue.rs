//! The utterances that wait, in the order in which they will be heard. Pure: `now` is a parameter.
//!
//! Bounded in number. Live jobs come first, and among equals the one whose deadline is nearest. A full queue refuses,
//! but a live job never for the sake of background work: the background job that would have been heard last makes
//! room.

use std::collections::BTreeMap;
use std::time::Instant;

use super::Priority;

#[derive(Debug)]
pub struct Queue<T> {
    waiting: BTreeMap<(Priority, Instant, u64), T>,
    most: usize,
    live: usize,
    count: u64,
}

/// What came of a push.
#[derive(Debug, PartialEq, Eq)]
pub enum Pushed<T> {
    Taken,
    /// Taken; this background job had to go.
    InsteadOf(T),
    Full(T),
}

/// What the next look at the queue gives.
#[derive(Debug, PartialEq, Eq)]
pub enum Next<T> {
    /// To be heard now.
    Due(T),
    /// Its deadline passed while it waited.
    Expired(T),
}

impl<T> Queue<T> {
    /// Holds at most `most` jobs.
    pub fn new(most: usize) -> Queue<T> {
        Queue { waiting: BTreeMap::new(), most, live: 0, count: 0 }
    }

    pub fn len(&self) -> usize {
        self.waiting.len()
    }

    /// How many of them are live.
    pub fn live(&self) -> usize {
        self.live
    }

    pub fn push(&mut self, priority: Priority, deadline: Instant, job: T) -> Pushed<T> {
        let mut pushed = Pushed::Taken;
        if self.waiting.len() >= self.most {
            match self.waiting.last_entry() {
                Some(last) if priority == Priority::Live && last.key().0 == Priority::Background => {
                    pushed = Pushed::InsteadOf(last.remove());
                }
                _ => return Pushed::Full(job),
            }
        }
        self.count += 1;
        self.live += usize::from(priority == Priority::Live);
        self.waiting.insert((priority, deadline, self.count), job);
        pushed
    }

    pub fn pop(&mut self, now: Instant) -> Option<Next<T>> {
        let ((priority, deadline, _), job) = self.waiting.pop_first()?;
        self.live -= usize::from(priority == Priority::Live);
        Some(if deadline <= now { Next::Expired(job) } else { Next::Due(job) })
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;

    use super::Priority::{Background, Live};
    use super::*;

    fn drain<T>(queue: &mut Queue<T>, now: Instant) -> Vec<Next<T>> {
        std::iter::from_fn(|| queue.pop(now)).collect()
    }

    #[test]
    fn live_comes_first_and_the_nearest_deadline_among_equals() {
        let now = Instant::now();
        let at = |seconds| now + Duration::from_secs(seconds);
        let mut queue = Queue::new(8);
        for (priority, seconds, name) in
            [(Background, 1, "b1"), (Live, 9, "l9"), (Background, 2, "b2"), (Live, 3, "l3"), (Live, 9, "l9 too")]
        {
            assert_eq!(queue.push(priority, at(seconds), name), Pushed::Taken);
        }
        assert_eq!(drain(&mut queue, now), ["l3", "l9", "l9 too", "b1", "b2"].map(Next::Due));
    }

    #[test]
    fn what_waited_too_long_is_not_heard() {
        let now = Instant::now();
        let mut queue = Queue::new(2);
        queue.push(Live, now, "late");
        queue.push(Live, now + Duration::from_millis(1), "early");
        assert_eq!(drain(&mut queue, now), [Next::Expired("late"), Next::Due("early")]);
    }

    #[test]
    fn a_live_job_takes_the_place_of_background_work_only() {
        let now = Instant::now();
        let at = |seconds| now + Duration::from_secs(seconds);
        let mut queue = Queue::new(2);
        queue.push(Background, at(1), "near");
        queue.push(Background, at(9), "far");
        assert_eq!(queue.push(Background, at(2), "third"), Pushed::Full("third"));
        assert_eq!(queue.push(Live, at(5), "live"), Pushed::InsteadOf("far"));
        assert_eq!(queue.push(Live, at(6), "live 2"), Pushed::InsteadOf("near"));
        assert_eq!(queue.push(Live, at(4), "live 3"), Pushed::Full("live 3"));
        assert_eq!(queue.len(), 2);
    }

    proptest! {
        #[test]
        fn every_job_comes_out_once_and_the_bound_holds(jobs in prop::collection::vec((any::<bool>(), 0u64..50), 0..60),
                                                        most in 1usize..10) {
            let now = Instant::now();
            let mut queue = Queue::new(most);
            let mut out = Vec::new();
            for (i, (live, seconds)) in jobs.iter().enumerate() {
                let priority = if *live { Live } else { Background };
                match queue.push(priority, now + Duration::from_secs(*seconds), i) {
                    Pushed::Taken => {}
                    Pushed::InsteadOf(job) | Pushed::Full(job) => out.push(job),
                }
                prop_assert!(queue.len() <= most);
                let live = queue.waiting.keys().filter(|(priority, _, _)| *priority == Live).count();
                prop_assert_eq!(queue.live(), live);
            }
            out.extend(drain(&mut queue, now).into_iter().map(|next| match next { Next::Due(job) | Next::Expired(job) => job }));
            out.sort_unstable();
            prop_assert_eq!(out, (0..jobs.len()).collect::<Vec<_>>());
        }
    }
}
