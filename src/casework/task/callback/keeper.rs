//! Writes down what somebody says during a callback, question by question.

use jiff::Timestamp;

use crate::casework::callback::WHO;
use crate::store::Store;
use crate::ticket::Number;
use crate::ticket::case::{ANSWER, By, Event, Survey, Via};

/// The case that one callback is about.
pub struct Keeper {
    store: Store,
    number: Number,
    attempt: u32,
}

impl Keeper {
    pub fn new(store: Store, number: Number, attempt: u32) -> Keeper {
        Keeper { store, number, attempt }
    }

    /// Somebody answered. `false`: it is not on the disk.
    pub async fn answered(&self) -> bool {
        self.happens(Event::Asked { attempt: self.attempt, survey: Survey::default() }).await
    }

    /// They said something more.
    pub async fn said(&self, survey: &Survey) {
        if self.happens(Event::Asked { attempt: self.attempt, survey: survey.clone() }).await {
            // After the commit, before the next word: who reads this has been promised that it is kept.
            let (contacted, solved) = (survey.contacted, survey.solved);
            let satisfied = survey.satisfied.map(|satisfied| satisfied.code());
            tracing::info!(ticket = %self.number, contacted, solved, satisfied, "an answer is kept");
        }
    }

    /// They heard what the unit answered.
    pub async fn told(&self) {
        self.happens(Event::CallerTold { channel: "callback".to_owned(), what: ANSWER.to_owned() }).await;
    }

    async fn happens(&self, event: Event) -> bool {
        let by = match &event {
            Event::Asked { survey, .. } if *survey != Survey::default() => By::new("caller", Via::Telephone),
            _ => By::rule(WHO),
        };
        let result = self.store.case_happens(self.number, by, event, Timestamp::now()).await;
        if let Err(error) = &result {
            metrics::counter!("jiesu_store_failed_total", "row" => "callback").increment(1);
            tracing::error!(ticket = %self.number, %error, "what was said in a callback could not be written");
        }
        result.is_ok()
    }
}
