//! What the call writes down, through its clerk: utterances, the incident that concerns it, the matter of its ticket.

use super::Call;
use crate::call::session::Input;
use crate::call::task::clerk::{Done, Job};
use crate::call::task::incident;
use crate::filing::{Heard, How, Matter};
use crate::store::SegmentRow;

impl Call<'_> {
    pub(super) fn clerk_done(&mut self, done: Done) -> Option<Input> {
        match done {
            Done::Filed(Ok(number)) => {
                metrics::counter!("jiesu_tickets_total").increment(1);
                tracing::info!(call = %self.invitation.id, ticket = number, "filed");
                self.desk.outbox.notify_one();
                Some(Input::Filed { number })
            }
            Done::Filed(Err(_)) => Some(Input::FileFailed),
            Done::Status(report) => Some(Input::Status(report)),
            Done::Closed => {
                self.over = true;
                None
            }
        }
    }

    pub(super) fn keep(&mut self, index: usize) {
        let utterance = &self.session.record().utterances[index];
        self.clerk.write(Job::Segment(SegmentRow {
            call: self.invitation.id,
            index: index as u32,
            file: utterance.file.clone(),
            duration: utterance.duration,
            speech: utterance.speech,
            text: utterance.text.clone(),
            error: utterance.error.clone(),
        }));
    }

    /// What the caller says may tell that a known incident concerns them; then the flow knows it before it goes on.
    pub(super) fn look_for_incident(&mut self, text: &str) {
        if self.known.is_some() {
            return;
        }
        let open = self.desk.incidents();
        let Some(row) = incident::of_words(&open, &self.invitation.programme.places, text) else { return };
        self.known = Some(row.clone());
        let input = Input::Known(incident::spoken(row));
        self.diary.input(self.answered.elapsed(), &input);
        self.session.input(input);
    }

    pub(super) fn matter(&self) -> Matter {
        let record = self.session.record();
        Matter {
            call: self.invitation.id,
            line: self.invitation.chosen.line.clone(),
            caller: self.invitation.caller.clone(),
            began: self.invitation.began,
            topic: record.hints.topic.clone().or_else(|| self.invitation.chosen.topic.clone()),
            category: record.hints.category.clone(),
            kind: record.hints.kind.clone(),
            urgency: record.hints.urgency.clone(),
            place: record.hints.place.clone(),
            elsewhere: record.hints.elsewhere.clone(),
            keys: record.keys.clone(),
            heard: record
                .utterances
                .iter()
                .enumerate()
                .map(|(index, u)| Heard {
                    index: index as u32,
                    file: u.file.clone(),
                    duration: u.duration,
                    text: u.text.clone(),
                })
                .collect(),
            how: if record.confirmed { How::Confirmed } else { How::HungUp },
        }
    }
}
