//! `/api/v1/tickets/N/case`: what has become of a ticket. `POST /api/v1/tickets/N/events`: what a unit's system or the
//! desk's does with it, e.g. `{"event": "accept", "who": "110105001"}`. Changes come from this machine only, as those of
//! [`super::reload`] do (a proxy with access control stands in front). A move that the case does not allow is answered 409
//! with the moves that it does allow.

use std::net::SocketAddr;

use axum::extract::{ConnectInfo, Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::routing::{get, post};
use axum::{Json, Router};
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Value, json};

use super::Shown;
use super::reload::{printable, stranger};
use crate::casework::moves::{Move, Particulars};
use crate::casework::shown::{Page, moves};
use crate::casework::terms;
use crate::store::Error;
use crate::ticket::Number;
use crate::ticket::case::{By, Case, Via};

/// Characters of a reason or an answer.
const LONGEST: usize = 4000;
/// More units than any case may have.
const UNITS: usize = 32;

pub(super) fn routes() -> Router<Shown> {
    Router::new()
        .route("/api/v1/tickets/{number}/case", get(show))
        .route("/api/v1/tickets/{number}/events", post(happen))
}

/// A move as it is asked for; see [`Particulars`].
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Asked {
    event: Move,
    /// Who does it: a unit's code, a person's account.
    who: String,
    #[serde(default)]
    unit: Option<String>,
    #[serde(default)]
    units: Vec<String>,
    #[serde(default)]
    reason: Option<String>,
    #[serde(default)]
    until: Option<Timestamp>,
    #[serde(default)]
    into: Option<Number>,
    #[serde(default)]
    approved: Option<String>,
}

type Answered = (StatusCode, Json<Value>);

fn no(code: StatusCode, what: impl Into<String>) -> Answered {
    (code, Json(json!({ "error": what.into() })))
}

fn failed(error: &Error) -> Answered {
    let code = if error.passes() { StatusCode::SERVICE_UNAVAILABLE } else { StatusCode::INTERNAL_SERVER_ERROR };
    no(code, error.to_string())
}

/// It cannot happen now: with what can.
fn conflict(what: String, case: &Case) -> Answered {
    (StatusCode::CONFLICT, Json(json!({ "error": what, "state": case.state, "moves": moves(case) })))
}

async fn show(State(shown): State<Shown>, Path(number): Path<String>) -> Answered {
    let Ok(number) = number.parse::<Number>() else { return no(StatusCode::NOT_FOUND, "this is no ticket's number") };
    match shown.store.case_log(number).await {
        Ok(log) => match Case::of(log.iter().map(|entry| (&entry.event, entry.at))) {
            Ok(Some(case)) => (StatusCode::OK, Json(json!(Page::new(number, &case, &log)))),
            Ok(None) => no(StatusCode::NOT_FOUND, Error::NoCase(number).to_string()),
            Err(illegal) => no(StatusCode::INTERNAL_SERVER_ERROR, illegal.to_string()),
        },
        Err(error) => failed(&error),
    }
}

async fn happen(
    State(shown): State<Shown>,
    ConnectInfo(from): ConnectInfo<SocketAddr>,
    headers: HeaderMap,
    Path(number): Path<String>,
    Json(asked): Json<Asked>,
) -> Answered {
    if let Some(why) = stranger(from, &headers) {
        return no(StatusCode::FORBIDDEN, why);
    }
    let Ok(number) = number.parse::<Number>() else { return no(StatusCode::NOT_FOUND, "this is no ticket's number") };
    let (ticket, case) = match (shown.store.ticket(number).await, shown.store.case(number).await) {
        (Ok(Some(ticket)), Ok(Some(case))) => (ticket, case),
        (Ok(_), Ok(_)) => return no(StatusCode::NOT_FOUND, Error::NoCase(number).to_string()),
        (Err(error), _) | (_, Err(error)) => return failed(&error),
    };
    let (this, by, particulars) = asked.split();
    if by.who.is_empty() {
        return no(StatusCode::UNPROCESSABLE_ENTITY, "who: write who does it");
    }
    let now = Timestamp::now();
    let deadlines = shown.timetable.now();
    let event = match particulars.event(this, (number, &case), (&deadlines, terms(&ticket)), now) {
        Ok(event) => event,
        Err(missing) => return no(StatusCode::UNPROCESSABLE_ENTITY, missing.to_string()),
    };
    match shown.store.case_happens(number, by, event, now).await {
        Ok(case) => {
            metrics::counter!("jiesu_cases_moved_total", "move" => this.code()).increment(1);
            let body = json!({ "seq": case.seq, "state": case.state, "lead": case.lead, "limits": case.limits });
            (StatusCode::OK, Json(body))
        }
        Err(Error::Move(illegal)) => conflict(illegal.to_string(), &case),
        Err(error) => failed(&error),
    }
}

impl Asked {
    fn split(self) -> (Move, By, Particulars) {
        let text = |text: String| text.chars().filter(|c| *c == '\n' || !c.is_control()).take(LONGEST).collect();
        let particulars = Particulars {
            unit: self.unit.as_deref().map(printable),
            units: self.units.iter().take(UNITS).map(|unit| printable(unit)).collect(),
            reason: self.reason.map(text),
            until: self.until,
            into: self.into,
            approved: self.approved.as_deref().map(printable),
        };
        (self.event, By::new(printable(self.who.trim()), Via::Api), particulars)
    }
}
