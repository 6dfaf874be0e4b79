//! How many callbacks run at once and how fast they begin; never two for one ticket, never two to one number.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use crate::ticket::Number;

/// The callbacks that run.
#[derive(Debug)]
pub struct Pace {
    at_once: usize,
    every: Duration,
    running: HashMap<Number, String>,
    last: Option<Instant>,
}

/// Why none may begin now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wait {
    /// As many run as may.
    Full,
    /// The last one began a moment ago.
    Until(Instant),
    /// This ticket's caller is being called, or the number is, about another ticket.
    Busy,
}

impl Pace {
    pub fn new(at_once: usize, every: Duration) -> Pace {
        Pace { at_once, every, running: HashMap::new(), last: None }
    }

    /// Begins one, if it may.
    pub fn begin(&mut self, ticket: Number, number: &str, now: Instant) -> Result<(), Wait> {
        if self.running.contains_key(&ticket) || self.running.values().any(|running| running == number) {
            return Err(Wait::Busy);
        }
        if self.running.len() >= self.at_once {
            return Err(Wait::Full);
        }
        if let Some(next) = self.last.map(|last| last + self.every).filter(|next| *next > now) {
            return Err(Wait::Until(next));
        }
        self.running.insert(ticket, number.to_owned());
        self.last = Some(now);
        Ok(())
    }

    pub fn ended(&mut self, ticket: Number) {
        self.running.remove(&ticket);
    }

    pub fn running(&self) -> usize {
        self.running.len()
    }
}
