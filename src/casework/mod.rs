//! What becomes of a ticket after it was filed: who is in charge (派单), by when, who is called, what it counts for.
//!
//! Pure parts beside each other, each a file; clock, store and calls are `task`'s.

pub mod callback;
pub mod deadlines;
pub mod dispatch;
pub mod duty;
pub mod moves;
pub mod scores;
pub mod shown;
pub mod sms;
pub mod supervise;
#[cfg(feature = "daemon")]
pub mod task;
pub mod trends;
pub mod units;

use std::fmt;
use std::sync::Arc;

use deadlines::Deadlines;

/// The limits as they run just then: the calendar may be replaced while the daemon runs.
#[derive(Clone)]
pub struct Timetable(Arc<dyn Fn() -> Deadlines + Send + Sync>);

impl Timetable {
    pub fn new(now: impl Fn() -> Deadlines + Send + Sync + 'static) -> Timetable {
        Timetable(Arc::new(now))
    }

    pub fn now(&self) -> Deadlines {
        (self.0)()
    }
}

impl fmt::Debug for Timetable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Timetable").finish_non_exhaustive()
    }
}

/// What a ticket's limits depend on. An urgency that no version knows is an ordinary one.
#[cfg(feature = "daemon")]
pub fn terms(ticket: &crate::store::Ticket) -> deadlines::Terms<'_> {
    deadlines::Terms { urgency: ticket.urgency.parse().unwrap_or_default(), category: &ticket.category }
}
