//! One call to a duty telephone: what is said, what is pressed, what is written before it is confirmed.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use tokio::time::Instant;

use crate::call::Desk;
use crate::call::originate::{Behalf, NoCall, Outbound};
use crate::call::task::reach::{self, Bearing};
use crate::casework::duty::{self, Config, Input, Talk, Verdict, Wish};
use crate::casework::units::Office;
use crate::ivr::{Delivery, Say};
use crate::media::{Command, Event as Heard, ListenLimits, Prompt};
use crate::sip;
use crate::store::{Error, Ticket};
use crate::ticket::case::{By, Case, Event, Kind, Via};
use crate::tts::numbers::PAUSE;

use super::dispatch::is_urgent;

/// Why it is returned: as long as this, and so much silence ends it.
const REASON: ListenLimits = ListenLimits {
    no_input: Duration::from_secs(10),
    silence: Duration::from_secs(3),
    max: Duration::from_secs(60),
    end_keys: "#",
};
/// After `talk` the last words may still be said.
const FAREWELL: Duration = Duration::from_secs(20);

/// Whom a call goes to, and for what.
pub(super) struct Errand {
    pub ticket: Ticket,
    pub case: Case,
    /// In charge.
    pub lead: Arc<Office>,
    /// Whose telephone it is: the lead's, or its district's.
    pub called: Arc<Office>,
    pub number: String,
    /// It is the last of a round.
    pub rests: bool,
}

/// How a call ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ended {
    Accepted,
    Returned,
    /// Somebody else had it already.
    TooLate,
    /// Answered, and nothing decided.
    HungUp,
    /// Why nobody answered: `no_answer`, `busy`, …
    Unreached(&'static str),
    /// The number is no address that can be called.
    NoAddress,
    /// It could not be written down.
    NotWritten,
    /// The daemon stops.
    Stopped,
}

impl Ended {
    pub fn code(self) -> &'static str {
        match self {
            Ended::Accepted => "accepted",
            Ended::Returned => "returned",
            Ended::TooLate => "too_late",
            Ended::HungUp => "hung_up",
            Ended::Unreached(why) => why,
            Ended::NoAddress => "no_address",
            Ended::NotWritten => "not_written",
            Ended::Stopped => "stopped",
        }
    }
}

impl Errand {
    /// Calls, speaks, hears. What is decided is written here.
    pub async fn run(&self, desk: &Desk, config: &Config, recordings: &Path) -> Ended {
        let bearing = Bearing { caller: Some(&config.from), withheld: false, ring: config.ring };
        let destination = match reach::destination(desk, &bearing, &self.number) {
            Ok(destination) => destination,
            Err(what) => {
                tracing::error!(unit = self.called.code, number = self.number, what, "a duty number cannot be called");
                return Ended::NoAddress;
            }
        };
        // While it rings what will be said is made ready.
        let behalf = Behalf::default();
        let made = async { tokio::join!(desk.originator.call_for(&destination, &behalf), self.spoken(desk)) };
        let (answered, spoken) = tokio::select! {
            made = made => made,
            () = desk.ending.cancelled() => return Ended::Stopped,
        };
        match answered {
            Ok(outbound) => self.talk(desk, config, recordings, outbound, spoken).await,
            Err(NoCall::Stopping) => Ended::Stopped,
            Err(why) => Ended::Unreached(why.unreached().as_str()),
        }
    }

    /// The ticket in words: number, place, what.
    async fn spoken(&self, desk: &Desk) -> Vec<Arc<Prompt>> {
        let ticket = &self.ticket;
        let prompt = |id: &str| Say::Prompt(id.to_owned());
        let place = ticket.place.as_ref().map(|place| match place.name == place.district {
            true => place.name.clone(),
            false => format!("{}{}", place.district, place.name),
        });
        let what = match ticket.title.trim() {
            "" => ticket.category.iter().rfind(|name| *name != crate::catalogue::OTHER).cloned().unwrap_or_default(),
            title => title.to_owned(),
        };
        let text = [place.unwrap_or_default(), what].into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>();
        let say = [
            prompt(if is_urgent(ticket) { duty::URGENT } else { duty::TICKET }),
            Say::Text(text.join("。")),
            prompt(duty::NUMBER),
            Say::Digits(ticket.number.to_string()),
            prompt(if self.may_return() { duty::CHOICES } else { duty::ACCEPT }),
            prompt(PAUSE),
            prompt(PAUSE),
        ];
        let say: Vec<Say> = say.into_iter().filter(|say| *say != Say::Text(String::new())).collect();
        desk.programme().speaker.render(&say, &Delivery::default()).await
    }

    fn may_return(&self) -> bool {
        self.case.legal().contains(&Kind::Returned)
    }

    async fn talk(
        &self,
        desk: &Desk,
        config: &Config,
        recordings: &Path,
        mut outbound: Outbound,
        spoken: Vec<Arc<Prompt>>,
    ) -> Ended {
        let (mut talk, mut wish) = Talk::new(self.may_return());
        let (mut play, mut told, mut ended) = (0, false, Ended::HungUp);
        let mut until = Instant::now() + config.talk;
        loop {
            let command = match wish {
                Wish::HangUp => return ended,
                Wish::Go => None,
                Wish::Write(verdict) => {
                    ended = self.write(desk, &verdict).await;
                    if ended == Ended::NotWritten {
                        return ended;
                    }
                    wish = talk.take(Input::Written(ended != Ended::TooLate));
                    continue;
                }
                Wish::Tell => Some((spoken.clone(), true)),
                Wish::AskWhy => Some((self.fixed(desk, duty::WHY).await, true)),
                Wish::Farewell(id) => Some((self.fixed(desk, id).await, false)),
                Wish::Listen => {
                    let Some(file) = self.file(desk, recordings) else { return Ended::NotWritten };
                    if outbound.leg.command(Command::Listen { listen: 1, file, limits: REASON }).is_err() {
                        return ended;
                    }
                    None
                }
            };
            if let Some((prompts, barge_in)) = command {
                play += 1;
                if outbound.leg.command(Command::Play { play, prompts, barge_in }).is_err() {
                    return ended;
                }
            }
            let input = loop {
                tokio::select! {
                    event = outbound.events.recv() => match event {
                        None | Some(sip::Event::Ended { .. }) => {
                            outbound.over();
                            return ended;
                        }
                        Some(event) => outbound.reoffer(event).await,
                    },
                    event = outbound.leg.event() => match event {
                        Some(Heard::Digit(key)) => break Input::Key(key),
                        Some(Heard::PlayDone { play: done, interrupted: false }) if done == play => break Input::Said,
                        Some(Heard::Segment(segment)) => {
                            let kept = segment.error.is_none().then(|| segment.file.display().to_string());
                            break Input::Reason(kept);
                        }
                        Some(Heard::NoInput { .. }) => break Input::Reason(None),
                        Some(Heard::Inactive | Heard::Closed(_)) | None => return ended,
                        Some(_) => {}
                    },
                    () = tokio::time::sleep_until(until) => {
                        until += FAREWELL;
                        break Input::Late;
                    }
                    () = desk.ending.cancelled() => {
                        return if ended == Ended::HungUp { Ended::Stopped } else { ended };
                    }
                }
            };
            if !told && matches!(input, Input::Said | Input::Key(_)) {
                told = true;
                self.told(desk).await;
            }
            wish = talk.take(input);
        }
    }

    async fn fixed(&self, desk: &Desk, id: &str) -> Vec<Arc<Prompt>> {
        desk.programme().speaker.render(&[Say::Prompt(id.to_owned())], &Delivery::default()).await
    }

    /// Where a reason is recorded: beside the callers' recordings of the day.
    fn file(&self, desk: &Desk, recordings: &Path) -> Option<PathBuf> {
        let now = Timestamp::now();
        let folder = recordings.join(now.to_zoned_datetime(desk.zone.clone()).date().to_string());
        if let Err(error) = std::fs::create_dir_all(&folder) {
            tracing::error!(folder = %folder.display(), %error, "a reason cannot be recorded");
            return None;
        }
        Some(folder.join(format!("returned-{}-{}.wav", self.ticket.number, now.as_millisecond())))
    }

    /// The person has heard of it.
    async fn told(&self, desk: &Desk) {
        let event = Event::Told { unit: self.called.code.clone(), channel: "telephone".to_owned() };
        let told = desk.store.case_happens(self.ticket.number, self.by(), event, Timestamp::now()).await;
        if let Err(error) = told {
            tracing::warn!(ticket = %self.ticket.number, %error, "that a person was told is not written");
        }
    }

    fn by(&self) -> By {
        By::new(self.called.code.clone(), Via::Telephone)
    }

    async fn write(&self, desk: &Desk, verdict: &Verdict) -> Ended {
        let lead = self.lead.code.clone();
        let called = self.called.code.clone();
        let (events, ended) = match verdict {
            Verdict::Accepted if called == lead => (vec![Event::Accepted { unit: lead }], Ended::Accepted),
            // The district takes it for its street, which goes on working on it.
            Verdict::Accepted => {
                let others = std::iter::once(lead).chain(self.case.co.iter().cloned());
                let units = others.filter(|unit| *unit != called).collect();
                let reason = "nobody of the unit in charge answered; its district took it".to_owned();
                let moved = Event::Whistled { lead: called.clone(), units, reason };
                (vec![moved, Event::Accepted { unit: called }], Ended::Accepted)
            }
            Verdict::Returned(file) => {
                let reason = format!("recorded: {file}");
                (vec![Event::Returned { unit: lead, reason }], Ended::Returned)
            }
        };
        let events: Vec<(By, Event)> = events.into_iter().map(|event| (self.by(), event)).collect();
        match desk.store.case_happen_all(self.ticket.number, events, Timestamp::now()).await {
            Ok(_) => ended,
            Err(Error::Move(illegal)) => {
                tracing::info!(ticket = %self.ticket.number, %illegal, "a duty telephone was too late");
                Ended::TooLate
            }
            Err(error) => {
                tracing::error!(ticket = %self.ticket.number, %error, "what a person decided cannot be written");
                Ended::NotWritten
            }
        }
    }
}
