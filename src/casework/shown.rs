//! A case as other programs read it: one JSON object, the same on the command line and over HTTP.

use jiff::Timestamp;
use serde::Serialize;

use super::moves::Move;
use crate::ticket::Number;
use crate::ticket::case::{Callback, Case, Entry, Limits, State, Survey};

/// The object. Times are UTC.
#[derive(Debug, Serialize)]
pub struct Page<'a> {
    pub number: String,
    pub state: State,
    pub since: Timestamp,
    pub received: Timestamp,
    /// By when a unit has to be in charge.
    pub dispatch: Timestamp,
    /// The unit in charge, those that handle it too, those that are told, and the first that ever had it.
    pub lead: Option<&'a str>,
    pub co: &'a [String],
    pub copies: &'a [String],
    pub first: Option<&'a str>,
    pub limits: Option<Limits>,
    pub dispatched: Option<Timestamp>,
    pub accepted: Option<Timestamp>,
    pub contacted: Option<Timestamp>,
    pub answered: Option<Timestamp>,
    pub returns: u32,
    /// Whether it has to be kept (art. 14).
    pub bound: bool,
    pub reopened: u32,
    /// `none`, `running`, `again` or `done`.
    pub callback: &'static str,
    pub attempts: u32,
    pub survey: Option<&'a Survey>,
    /// The highest level that was told in this round.
    pub escalated: u8,
    pub excluded: bool,
    pub listed: Option<Timestamp>,
    pub into: Option<String>,
    /// What can be asked of it now.
    pub moves: Vec<&'static str>,
    pub log: &'a [Entry],
}

impl<'a> Page<'a> {
    pub fn new(number: Number, case: &'a Case, log: &'a [Entry]) -> Page<'a> {
        Page {
            number: number.to_string(),
            state: case.state,
            since: case.since,
            received: case.received,
            dispatch: case.dispatch,
            lead: case.lead.as_deref(),
            co: &case.co,
            copies: &case.copies,
            first: case.first.as_deref(),
            limits: case.limits,
            dispatched: case.dispatched,
            accepted: case.accepted,
            contacted: case.contacted,
            answered: case.answered,
            returns: case.returns,
            bound: case.bound,
            reopened: case.reopened,
            callback: match case.callback {
                Callback::None => "none",
                Callback::Running => "running",
                Callback::Again(_) => "again",
                Callback::Done => "done",
            },
            attempts: case.attempts,
            survey: case.survey.as_ref(),
            escalated: case.escalated,
            excluded: case.excluded,
            listed: case.listed,
            into: case.into.map(|number| number.to_string()),
            moves: moves(case),
            log,
        }
    }
}

/// The words of the moves that a case allows.
pub fn moves(case: &Case) -> Vec<&'static str> {
    Move::legal(case).into_iter().map(Move::code).collect()
}
