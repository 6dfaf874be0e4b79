//! Between which places the caller's words leave it open, for the question back (`ivr::interpreter`, node `place`).
//!
//! Read from all that was said so far, as the ticket will be. Where no voice could speak the question nothing is told to
//! the flow, and so nothing is asked.

use super::Call;
use crate::call::session::Input;
use crate::classify::place;
use crate::filing::whole;
use crate::ivr::Place;

impl Call<'_> {
    /// `text`: of utterance `index`, which the record does not know yet. An answer to a question says nothing new.
    pub(super) fn look_for_places(&mut self, index: usize, text: &str) {
        if self.session.choosing() || !self.invitation.programme.speaker.speaks() {
            return;
        }
        let said = self.session.record().utterances.iter().enumerate();
        let texts = said.filter_map(|(i, utterance)| if i == index { Some(text) } else { utterance.text.as_deref() });
        let all = whole(texts).unwrap_or_default();
        let open = place::open(&self.invitation.programme.places, &all, &self.earlier);
        if open.is_empty() && self.open == 0 {
            return;
        }
        self.open = open.len();
        metrics::counter!("jiesu_places_open_total").increment(1);
        let places = open.into_iter().map(|(area, district)| Place {
            code: area.code.clone(),
            name: area.name.clone(),
            district: district.name.clone(),
        });
        let input = Input::Places(places.collect());
        self.diary.input(self.answered.elapsed(), &input);
        self.session.input(input);
    }
}
