//! What may happen to a ticket, and what it then is.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// What brought the ticket about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum How {
    /// The caller heard it read back and agreed.
    Confirmed,
    /// The caller hung up, or the call failed, after something had been said or keyed.
    HungUp,
    /// The node fell over during the call; the ticket was made from what was on disk.
    Recovered,
}

impl How {
    pub fn code(self) -> &'static str {
        match self {
            How::Confirmed => "confirmed",
            How::HungUp => "hung_up",
            How::Recovered => "recovered",
        }
    }
}

impl FromStr for How {
    type Err = Unknown;

    fn from_str(text: &str) -> Result<How, Unknown> {
        let all = [How::Confirmed, How::HungUp, How::Recovered];
        all.into_iter().find(|how| how.code() == text).ok_or_else(|| Unknown(text.to_owned()))
    }
}

/// How far intake has come with it; what a unit does with it afterwards is its [`super::case`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// Committed to the store: the caller has been given a number.
    Received,
    /// At least one plugged system has taken it over.
    Sent,
}

impl State {
    pub const ALL: [State; 2] = [State::Received, State::Sent];

    /// The word of `--json`, the store and `state-….wav`.
    pub fn code(self) -> &'static str {
        match self {
            State::Received => "received",
            State::Sent => "sent",
        }
    }

    /// The word for people.
    pub fn label(self) -> &'static str {
        match self {
            State::Received => "已受理",
            State::Sent => "已转办",
        }
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}

/// A word of the store that this version does not know.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("\"{0}\" is not known to this version")]
pub struct Unknown(pub(super) String);

impl FromStr for State {
    type Err = Unknown;

    fn from_str(text: &str) -> Result<State, Unknown> {
        State::ALL.into_iter().find(|state| state.code() == text).ok_or_else(|| Unknown(text.to_owned()))
    }
}

/// Whether everything that was said stands there as text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Text {
    Whole,
    /// A recording has not been recognised yet: intake will.
    Pending,
    /// Recognition was tried and given up: a person has to listen.
    GivenUp,
}

impl Text {
    pub fn code(self) -> &'static str {
        match self {
            Text::Whole => "whole",
            Text::Pending => "pending",
            Text::GivenUp => "given_up",
        }
    }
}

impl FromStr for Text {
    type Err = Unknown;

    fn from_str(text: &str) -> Result<Text, Unknown> {
        let all = [Text::Whole, Text::Pending, Text::GivenUp];
        all.into_iter().find(|t| t.code() == text).ok_or_else(|| Unknown(text.to_owned()))
    }
}

/// One line of a ticket's history. Events are only ever added.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Event {
    Filed {
        how: How,
        text: Text,
    },
    /// A recording came after the ticket was filed and has no text yet.
    MoreSaid {
        segment: u32,
    },
    /// Something more was said, or keyed, that makes it more urgent; the ticket was classified again.
    Raised {
        urgency: String,
    },
    /// What was pending is text now; the ticket was classified again.
    TextCompleted,
    /// Recognition was tried `tries` times.
    TextGivenUp {
        tries: u32,
        reason: String,
    },
    /// A better model heard it again in the background; the ticket was classified again.
    TextCorrected {
        model: String,
        /// Whose texts are others now.
        recordings: Vec<u32>,
    },
    /// A plugged system took it.
    Sent {
        backend: String,
        /// The system's own name for it, if it gave one.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reference: Option<String>,
    },
    /// A plugged system will not take it: someone has to look (`jiesu outbox list`).
    Parked {
        backend: String,
        reason: String,
    },
}

impl Event {
    pub fn code(&self) -> &'static str {
        match self {
            Event::Filed { .. } => "filed",
            Event::MoreSaid { .. } => "more_said",
            Event::Raised { .. } => "raised",
            Event::TextCompleted => "text_completed",
            Event::TextGivenUp { .. } => "text_given_up",
            Event::TextCorrected { .. } => "text_corrected",
            Event::Sent { .. } => "sent",
            Event::Parked { .. } => "parked",
        }
    }
}

/// Where a ticket stands: what its events so far add up to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Standing {
    pub state: State,
    pub text: Text,
}

/// The event cannot happen to a ticket that stands so.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("\"{event}\" cannot happen to {}; what can: {}", .standing.map_or("a call without a ticket".to_owned(), |s| format!("a ticket that is {} with its text {}", s.state, s.text.code())), .legal.join(", "))]
pub struct Illegal {
    pub event: &'static str,
    pub standing: Option<Standing>,
    /// The events that could.
    pub legal: Vec<&'static str>,
}

impl Standing {
    /// What the ticket is after `event`. `None` before the first event: only `filed` can make a ticket.
    pub fn after(standing: Option<Standing>, event: &Event) -> Result<Standing, Illegal> {
        let illegal = || Illegal { event: event.code(), standing, legal: legal(standing) };
        let Some(now) = standing else {
            return match event {
                Event::Filed { text, .. } => Ok(Standing { state: State::Received, text: *text }),
                _ => Err(illegal()),
            };
        };
        if !legal(standing).contains(&event.code()) {
            return Err(illegal());
        }
        Ok(match event {
            Event::Filed { .. } | Event::Raised { .. } | Event::TextCorrected { .. } | Event::Parked { .. } => now,
            Event::MoreSaid { .. } => Standing { text: Text::Pending, ..now },
            Event::TextCompleted => Standing { text: Text::Whole, ..now },
            Event::TextGivenUp { .. } => Standing { text: Text::GivenUp, ..now },
            Event::Sent { .. } => match now.state {
                State::Received | State::Sent => Standing { state: State::Sent, ..now },
            },
        })
    }
}

fn legal(standing: Option<Standing>) -> Vec<&'static str> {
    match standing {
        None => vec!["filed"],
        Some(Standing { text: Text::Pending, .. }) => {
            vec!["more_said", "raised", "text_completed", "text_given_up", "sent", "parked"]
        }
        // A person (or a better recogniser) may still complete what was given up.
        Some(Standing { text: Text::GivenUp, .. }) => vec!["more_said", "raised", "text_completed", "sent", "parked"],
        Some(Standing { text: Text::Whole, .. }) => vec!["more_said", "raised", "text_corrected", "sent", "parked"],
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn filed(text: Text) -> Event {
        Event::Filed { how: How::Confirmed, text }
    }

    fn any_event() -> impl Strategy<Value = Event> {
        prop_oneof![
            Just(filed(Text::Whole)),
            Just(filed(Text::Pending)),
            Just(Event::MoreSaid { segment: 3 }),
            Just(Event::Raised { urgency: "urgent".into() }),
            Just(Event::TextCompleted),
            Just(Event::TextGivenUp { tries: 5, reason: "no words".into() }),
            Just(Event::TextCorrected { model: "large".into(), recordings: vec![0, 2] }),
            Just(Event::Sent { backend: "log".into(), reference: None }),
            Just(Event::Parked { backend: "city".into(), reason: "410 Gone".into() }),
        ]
    }

    #[test]
    fn an_illegal_move_names_the_legal_ones() {
        let whole = Standing::after(None, &filed(Text::Whole)).expect("the first event");
        let error = Standing::after(Some(whole), &Event::TextCompleted).expect_err("nothing is pending");
        assert_eq!(
            error.to_string(),
            "\"text_completed\" cannot happen to a ticket that is received with its text whole; \
             what can: more_said, raised, text_corrected, sent, parked"
        );
        let error = Standing::after(None, &Event::TextCompleted).expect_err("no ticket yet");
        assert!(error.to_string().ends_with("a call without a ticket; what can: filed"), "{error}");
    }

    #[test]
    fn words_and_back() {
        for state in State::ALL {
            assert_eq!(state.code().parse(), Ok(state));
        }
        for text in [Text::Whole, Text::Pending, Text::GivenUp] {
            assert_eq!(text.code().parse(), Ok(text));
        }
        for how in [How::Confirmed, How::HungUp, How::Recovered] {
            assert_eq!(how.code().parse(), Ok(how));
        }
        assert!("lost".parse::<State>().is_err());
    }

    proptest! {
        /// Whatever is tried in whatever order: a ticket is made once, is never unmade, and a refusal lists exactly
        /// the events that would have been taken.
        #[test]
        fn history_is_a_walk(events in proptest::collection::vec(any_event(), 0..40)) {
            let mut standing: Option<Standing> = None;
            for event in &events {
                match Standing::after(standing, event) {
                    Ok(next) => {
                        prop_assert_eq!(standing.is_none(), matches!(event, Event::Filed { .. }));
                        prop_assert!(standing.is_none_or(|s| s.state == State::Received || next.state == State::Sent));
                        standing = Some(next);
                    }
                    Err(illegal) => {
                        prop_assert!(!illegal.legal.contains(&event.code()));
                        prop_assert!(!illegal.legal.is_empty());
                    }
                }
            }
        }
    }
}
