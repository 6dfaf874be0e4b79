//! By when a ticket has to be dispatched, as whoever files it is told.
//!
//! Here is only the question; `casework` has the answer, which goes with the catalogue wherever that goes (as the second
//! reader of [`super::second`] does), so that filing need not know the working calendar.

use std::fmt::Debug;

use jiff::Timestamp;

use super::{Catalogue, Urgency};

/// Who knows by when a unit has to be in charge of a ticket that came `now`.
pub trait DispatchLimit: Debug + Send + Sync {
    fn dispatch_by(&self, urgency: Urgency, category: &[String; 3], now: Timestamp) -> Timestamp;
}

impl Catalogue {
    /// Who knows it; without one the store's own limit counts.
    pub fn limit(&self) -> Option<&dyn DispatchLimit> {
        self.limit.as_deref()
    }

    pub fn set_limit(&mut self, limit: std::sync::Arc<dyn DispatchLimit>) {
        self.limit = Some(limit);
    }
}
