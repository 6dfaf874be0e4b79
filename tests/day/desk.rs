//! Everybody who has to do with tickets that day: callers, offices, the desk that reviews, the clock.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};

use jiesu::casework::callback::Next;
use jiesu::casework::deadlines::Terms;
use jiesu::casework::{dispatch, supervise};
use jiesu::catalogue::Urgency;
use jiesu::ticket::Number;
use jiesu::ticket::case::{By, Case, Entry, Event, Kind, Outcome, Satisfaction, State, Survey, Via};
use jiff::civil::date;
use jiff::{SignedDuration, Timestamp, ToSpan as _};
use rand::prelude::*;

use crate::city::City;

/// What an office does with what it gets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Behaviour {
    Prompt,
    Late,
    /// Says of every other ticket that it is somebody else's.
    PassesOn,
    /// Does nothing until somebody above asks.
    Silent,
    /// As prompt, by telephone.
    Telephone,
}

/// A ticket and all that happened to it.
pub struct Ticket {
    pub number: Number,
    pub kind: String,
    pub category: [String; 3],
    pub place: Option<String>,
    pub urgency: &'static str,
    /// Whether the caller's number is known.
    pub known: bool,
    pub case: Case,
    pub log: Vec<Entry>,
    /// How often a unit was put in charge; what an earlier one had in mind is void.
    round: u32,
    refused: Vec<String>,
}

/// What somebody has in mind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Step {
    Accept,
    Return,
    Review,
    Contact,
    Pause,
    Resume,
    Extend,
    Whistle,
    Answer,
    List,
    Merge,
    Exclude,
    /// The rules look.
    Look,
    /// Somebody picks up, or nobody does.
    Rang,
}

type Due = Reverse<(Timestamp, u64, usize, u32, Step)>;

pub struct Desk<'a> {
    city: &'a City,
    rng: StdRng,
    behaviours: HashMap<String, Behaviour>,
    agenda: BinaryHeap<Due>,
    order: u64,
    midnight: Timestamp,
    pub tickets: Vec<Ticket>,
}

const REASON: &str = "drawn";

impl<'a> Desk<'a> {
    pub fn new(city: &'a City, seed: u64) -> Desk<'a> {
        let mut rng = StdRng::seed_from_u64(seed);
        // Every case is over within the year whose holidays are known.
        let day = date(2026, 1, 1).saturating_add(rng.random_range(0..240i32).days());
        let midnight =
            city.deadlines.zone.to_timestamp(day.to_datetime(jiff::civil::Time::midnight())).expect("a time");
        println!("the day is {day}");
        Desk {
            city,
            rng,
            behaviours: HashMap::new(),
            agenda: BinaryHeap::new(),
            order: 0,
            midnight,
            tickets: Vec::new(),
        }
    }

    /// The calls of the day, all filed and dispatched at once.
    pub fn receive(&mut self, calls: usize) {
        let mut minutes: Vec<i64> = (0..calls).map(|_| self.rng.random_range(0..24 * 60)).collect();
        minutes.sort_unstable();
        let kinds: Vec<String> = self.city.catalogue.kinds().iter().map(|kind| kind.name.clone()).collect();
        let day = self.city.deadlines.zone.to_datetime(self.midnight).date();
        for (i, minute) in minutes.into_iter().enumerate() {
            let now = self.midnight + SignedDuration::from_mins(minute);
            let urgency = match self.rng.random_range(0..100) {
                0..3 => "urgent",
                3..13 => "soon",
                _ => "ordinary",
            };
            let place = match self.rng.random_range(0..100) {
                0..85 => self.city.streets.choose(&mut self.rng).cloned(),
                85..95 => self.city.districts.choose(&mut self.rng).cloned(),
                _ => None,
            };
            let category = self.city.categories.choose(&mut self.rng).cloned().expect("categories");
            let kind = kinds.choose(&mut self.rng).cloned().expect("types");
            let terms = terms(urgency, &category);
            let event = Event::Received { dispatch: self.city.deadlines.dispatch(terms, now) };
            let case = Case::after(None, &event, now).expect("the first event");
            let log = vec![Entry { seq: 1, at: now, by: By::rule("filing"), event }];
            let number = Number::new(day, i as u32 + 1).expect("a number");
            let known = self.rng.random_bool(0.95);
            let (round, refused) = (0, Vec::new());
            self.tickets.push(Ticket { number, kind, category, place, urgency, known, case, log, round, refused });
            self.put_in_charge(i, now);
        }
    }

    /// Until nobody has anything in mind.
    pub fn work(&mut self) {
        while let Some(Reverse((now, _, id, round, step))) = self.agenda.pop() {
            self.step(id, round, step, now);
        }
    }

    fn behaviour(&mut self, unit: &str) -> Behaviour {
        let drawn = match self.rng.random_range(0..100) {
            0..50 => Behaviour::Prompt,
            50..65 => Behaviour::Late,
            65..80 => Behaviour::PassesOn,
            80..90 => Behaviour::Silent,
            _ => Behaviour::Telephone,
        };
        *self.behaviours.entry(unit.to_owned()).or_insert(drawn)
    }

    fn minutes(&mut self, range: std::ops::Range<i64>) -> SignedDuration {
        SignedDuration::from_mins(self.rng.random_range(range))
    }

    fn later(&mut self, id: usize, at: Timestamp, step: Step) {
        self.order += 1;
        let round = self.tickets[id].round;
        self.agenda.push(Reverse((at, self.order, id, round, step)));
    }

    /// The event happens if the case allows it; only what the desk itself decides must always be legal.
    fn tries(&mut self, id: usize, by: By, event: Event, now: Timestamp) -> bool {
        let ticket = &mut self.tickets[id];
        let Ok(case) = Case::after(Some(&ticket.case), &event, now) else { return false };
        let put = matches!(event, Event::Dispatched { .. } | Event::Whistled { .. } | Event::Reopened { .. });
        ticket.round += u32::from(put);
        ticket.log.push(Entry { seq: case.seq, at: now, by, event });
        ticket.case = case;
        if put {
            self.plan(id, now);
        }
        true
    }

    fn must(&mut self, id: usize, by: By, event: Event, now: Timestamp) {
        let kind = event.kind();
        let done = self.tries(id, by, event, now);
        assert!(done, "{kind} was refused by a case that is {}", self.tickets[id].case.state);
    }

    fn put_in_charge(&mut self, id: usize, now: Timestamp) {
        let ticket = &self.tickets[id];
        let facts = dispatch::Facts {
            kind: &ticket.kind,
            category: &ticket.category,
            place: ticket.place.as_deref(),
            refused: &ticket.refused,
        };
        let mut decision = self.city.rules().decide(&facts);
        let first = ticket.case.first.as_ref().filter(|_| ticket.case.returns > self.city.supervision.returns);
        if let Some(first) = first.and_then(|first| self.city.units.office(first)) {
            decision = decision.kept_by(first, ticket.case.returns);
        }
        let limits = self.city.deadlines.limits(terms(ticket.urgency, &ticket.category), now);
        let (why, unit) = (decision.reason(), decision.lead.code.clone());
        let (co, copies, version) = (decision.co, decision.copies, "day".to_owned());
        self.must(id, By::rule("dispatch"), Event::Dispatched { unit, co, copies, limits, why, version }, now);
        self.settle(id, now);
    }

    /// What the unit in charge has in mind.
    fn plan(&mut self, id: usize, now: Timestamp) {
        let (unit, limits) = match &self.tickets[id].case {
            Case { lead: Some(lead), limits: Some(limits), .. } => (lead.clone(), *limits),
            _ => return,
        };
        let again = self.tickets[id].case.reopened > 0;
        let behaviour = self.behaviour(&unit);
        // A second time everybody does better.
        let asked_from_above = self.tickets[id].case.escalated >= 3;
        let behaviour = if again || asked_from_above { Behaviour::Prompt } else { behaviour };
        let bound = self.tickets[id].case.bound;
        let until = |limit: Timestamp| (limit.duration_since(now).as_mins()).max(2);
        match behaviour {
            Behaviour::Silent => return,
            Behaviour::PassesOn if !bound && self.rng.random_bool(0.5) => {
                let after = self.minutes(5..480);
                return self.later(id, now + after, Step::Return);
            }
            Behaviour::Prompt | Behaviour::PassesOn | Behaviour::Telephone => {
                let accept = self.minutes(1..until(limits.accept));
                self.later(id, now + accept, Step::Accept);
                let answer = accept + self.minutes(1..until(limits.answer));
                let contact = SignedDuration::from_mins((accept.as_mins() + answer.as_mins()) / 2);
                self.later(id, now + contact, Step::Contact);
                self.later(id, now + answer, Step::Answer);
            }
            Behaviour::Late => {
                let accept = limits.accept.max(now) + self.minutes(1..1440);
                self.later(id, accept, Step::Accept);
                let answer = limits.answer.max(accept) + self.minutes(1..4320);
                self.later(id, answer, Step::Answer);
            }
        }
        let sometime = |desk: &mut Desk<'_>| desk.minutes(1..until(limits.answer));
        for (share, step) in [
            (0.15, Step::Pause),
            (0.05, Step::Extend),
            (0.03, Step::Whistle),
            (0.03, Step::List),
            (0.02, Step::Merge),
            (0.02, Step::Exclude),
        ] {
            if self.rng.random_bool(share) {
                let at = now + sometime(self);
                self.later(id, at, step);
            }
        }
    }

    fn step(&mut self, id: usize, round: u32, step: Step, now: Timestamp) {
        let ticket = &self.tickets[id];
        let current = round == ticket.round || matches!(step, Step::Look | Step::Rang | Step::Exclude);
        let Some(unit) = ticket.case.lead.clone().or(ticket.case.first.clone()).filter(|_| current) else { return };
        let behaviour = self.behaviour(&unit);
        let via = if behaviour == Behaviour::Telephone { Via::Telephone } else { Via::Api };
        let by = By::new(unit.clone(), via);
        let reason = || REASON.to_owned();
        match step {
            Step::Look => {}
            Step::Rang => self.rang(id, now),
            Step::Accept => drop(self.tries(id, by, Event::Accepted { unit }, now)),
            Step::Return => {
                if self.tries(id, by, Event::Returned { unit, reason: reason() }, now) {
                    let after = self.minutes(60..300);
                    self.later(id, now + after, Step::Review);
                }
            }
            Step::Review => self.review(id, unit, now),
            Step::Contact => drop(self.tries(id, by, Event::Contacted { unit }, now)),
            Step::Answer => drop(self.tries(id, by, Event::Answered { unit, text: reason() }, now)),
            Step::Pause => {
                if self.tries(id, by, Event::Paused { reason: reason() }, now) {
                    let after = self.minutes(30..6000);
                    self.later(id, now + after, Step::Resume);
                }
            }
            Step::Resume => self.resume(id, by, unit, now),
            Step::Extend => {
                let answer = self.tickets[id].case.limits.map_or(now, |limits| limits.answer);
                let answer = answer + self.minutes(60..4320);
                let approved = "监督组".to_owned();
                self.tries(id, by, Event::Extended { answer, reason: reason(), approved }, now);
            }
            Step::Whistle => {
                let lead = self.city.streets.choose(&mut self.rng).cloned().expect("streets");
                let units = vec![unit].into_iter().filter(|unit| *unit != lead).collect();
                self.tries(id, By::new("desk", Via::Cli), Event::Whistled { lead, units, reason: reason() }, now);
            }
            Step::List => {
                let until = now + self.minutes(1440..14_400);
                let by = By::new("desk", Via::Cli);
                self.tries(id, by, Event::Listed { reason: reason(), until }, now);
            }
            Step::Merge => {
                let into = self.tickets[self.rng.random_range(0..self.tickets.len())].number;
                self.tries(id, By::new("desk", Via::Cli), Event::Merged { into }, now);
            }
            Step::Exclude => {
                let approved = "考核组".to_owned();
                self.tries(id, By::new("desk", Via::Cli), Event::Excluded { reason: reason(), approved }, now);
            }
        }
        self.settle(id, now);
    }

    fn review(&mut self, id: usize, unit: String, now: Timestamp) {
        if self.tickets[id].case.state != State::Review {
            return;
        }
        let by = By::new("desk", Via::Cli);
        if self.rng.random_bool(0.6) {
            self.must(id, by, Event::Upheld { reason: REASON.to_owned() }, now);
            self.tickets[id].refused.push(unit);
            self.put_in_charge(id, now);
        } else {
            self.must(id, by, Event::Overruled { reason: REASON.to_owned() }, now);
            let (accept, answer) = (self.minutes(1..600), self.minutes(600..9000));
            self.later(id, now + accept, Step::Accept);
            self.later(id, now + answer, Step::Answer);
        }
    }

    fn resume(&mut self, id: usize, by: By, unit: String, now: Timestamp) {
        let ticket = &self.tickets[id];
        let terms = terms(ticket.urgency, &ticket.category);
        let limits = self.city.deadlines.resume(terms, &ticket.case, now);
        if let Some(limits) = limits.filter(|_| ticket.case.state == State::Paused) {
            self.must(id, by, Event::Resumed { limits }, now);
            assert_eq!(self.tickets[id].case.lead, Some(unit));
            let answer = self.minutes(30..6000);
            self.later(id, now + answer, Step::Answer);
        }
    }

    /// The rules look at the case as it is now, and say when they want to look again.
    fn settle(&mut self, id: usize, now: Timestamp) {
        for _ in 0..100 {
            if !self.rule(id, now) {
                let ticket = &self.tickets[id];
                let facts = supervise::Facts { terms: terms(ticket.urgency, &ticket.category), repeats: 1 };
                let look = self.city.supervision.next_look(&self.city.deadlines, &ticket.case, facts, now);
                let call = match self.city.callback.next(&ticket.case, ticket.known, now) {
                    Next::Later(at) => Some(at),
                    _ => None,
                };
                let number = ticket.number;
                for at in [look, call].into_iter().flatten() {
                    assert!(at > now, "{number}: a rule wants to look at what is past");
                    self.later(id, at, Step::Look);
                }
                return;
            }
        }
        panic!("{}: the rules find no end: {:#?}", self.tickets[id].number, self.tickets[id].log);
    }

    /// One thing that a rule does. `false`: none has anything to do.
    fn rule(&mut self, id: usize, now: Timestamp) -> bool {
        let ticket = &self.tickets[id];
        let facts = supervise::Facts { terms: terms(ticket.urgency, &ticket.category), repeats: 1 };
        if let Some(event) = self.city.supervision.act(&self.city.deadlines, &ticket.case, facts, now) {
            let listed = ticket.case.state == State::Listed;
            let kind = event.kind();
            let asked_from_above =
                listed || matches!(event, Event::Escalated { level: 3.., .. } | Event::Overruled { .. });
            self.must(id, By::rule("supervision"), event, now);
            if kind == Kind::Upheld {
                self.put_in_charge(id, now);
            } else if asked_from_above {
                // Who was asked from above acts in the end.
                let (accept, answer) = (self.minutes(30..600), self.minutes(600..4320));
                self.later(id, now + accept, Step::Accept);
                self.later(id, now + answer, Step::Answer);
            }
            return true;
        }
        match self.city.callback.next(&ticket.case, ticket.known, now) {
            Next::Call(attempt) => {
                self.must(id, By::rule("callback"), Event::CallbackBegan { attempt }, now);
                let after = self.minutes(1..6);
                self.later(id, now + after, Step::Rang);
                true
            }
            Next::Close(reason) => {
                self.must(id, By::rule("callback"), Event::Closed { reason: reason.to_owned() }, now);
                true
            }
            Next::Later(_) | Next::Nothing => false,
        }
    }

    fn rang(&mut self, id: usize, now: Timestamp) {
        let ticket = &self.tickets[id];
        let rules = &self.city.callback;
        let events = if self.rng.random_bool(0.65) {
            let solved = self.rng.random_bool(0.75);
            let satisfied = Satisfaction::ALL[self.rng.random_range(0..3)];
            let survey = Survey {
                contacted: self.rng.random_bool(0.97).then(|| ticket.case.contacted.is_some()),
                solved: self.rng.random_bool(0.95).then_some(solved),
                satisfied: self.rng.random_bool(0.9).then_some(satisfied),
                ..Survey::default()
            };
            let limits = self.city.deadlines.limits(terms(ticket.urgency, &ticket.category), now);
            rules.asked(&ticket.case, survey, limits)
        } else {
            let outcome = [Outcome::NoAnswer, Outcome::Busy, Outcome::Unreachable, Outcome::HungUp];
            let outcome = outcome[self.rng.random_range(0..outcome.len())];
            rules.failed(&ticket.case, outcome, &jiesu::casework::callback::tried(&ticket.log), now)
        };
        for (by, event) in events {
            self.must(id, by, event, now);
        }
    }
}

fn terms<'t>(urgency: &str, category: &'t [String; 3]) -> Terms<'t> {
    Terms { urgency: urgency.parse::<Urgency>().expect("one of the three"), category }
}
