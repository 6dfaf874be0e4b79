//! `/api/v1/incidents`: known incidents of which callers hear. GET lists what is open (`?all=true`: what ever was), POST
//! adds one, POST to `/api/v1/incidents/ID/close` ends it. Changes come from this machine only, as those of
//! [`super::reload`] do; callers hear of them within a second.

use std::net::SocketAddr;

use axum::extract::{ConnectInfo, Path, Query, State};
use axum::http::{HeaderMap, StatusCode};
use axum::routing::{get, post};
use axum::{Json, Router};
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Value, json};

use super::Shown;
use super::reload::{printable, stranger};
use crate::store::{IncidentRow, MOST_OPEN};
use crate::ticket::Number;

/// Rows that a list shows.
const LIST: u32 = 1000;
/// Names of one incident's area.
const NAMES: usize = 100;

pub(super) fn routes() -> Router<Shown> {
    Router::new().route("/api/v1/incidents", get(list).post(add)).route("/api/v1/incidents/{id}/close", post(close))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Listed {
    #[serde(default)]
    all: bool,
}

/// An incident as it is written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct New {
    text: String,
    #[serde(default)]
    places: Vec<String>,
    #[serde(default)]
    words: Vec<String>,
    #[serde(default)]
    callers: Vec<String>,
    until: String,
    #[serde(default)]
    author: String,
    #[serde(default)]
    ticket: Option<String>,
}

type Answered = (StatusCode, Json<Value>);

fn no(code: StatusCode, what: impl Into<String>) -> Answered {
    (code, Json(json!({ "error": what.into() })))
}

async fn list(State(shown): State<Shown>, Query(listed): Query<Listed>) -> Answered {
    let now = Timestamp::now();
    let rows = if listed.all { shown.store.all_incidents(LIST).await } else { shown.store.open_incidents(now).await };
    match rows {
        Ok(rows) => (StatusCode::OK, Json(json!(rows))),
        Err(error) => no(StatusCode::INTERNAL_SERVER_ERROR, error.to_string()),
    }
}

async fn add(
    State(shown): State<Shown>,
    ConnectInfo(from): ConnectInfo<SocketAddr>,
    headers: HeaderMap,
    Json(new): Json<New>,
) -> Answered {
    if let Some(why) = stranger(from, &headers) {
        return no(StatusCode::FORBIDDEN, why);
    }
    let row = match new.row(Timestamp::now()) {
        Ok(row) => row,
        Err(what) => return no(StatusCode::UNPROCESSABLE_ENTITY, what),
    };
    match shown.store.incident_known(row).await {
        Ok(Some(id)) => (StatusCode::CREATED, Json(json!({ "id": id }))),
        Ok(None) => no(StatusCode::CONFLICT, format!("{MOST_OPEN} are open; close one first")),
        Err(error) => no(StatusCode::INTERNAL_SERVER_ERROR, error.to_string()),
    }
}

async fn close(
    State(shown): State<Shown>,
    ConnectInfo(from): ConnectInfo<SocketAddr>,
    headers: HeaderMap,
    Path(id): Path<i64>,
) -> Answered {
    if let Some(why) = stranger(from, &headers) {
        return no(StatusCode::FORBIDDEN, why);
    }
    match shown.store.incident_over(id, Timestamp::now()).await {
        Ok(true) => (StatusCode::OK, Json(json!({ "id": id }))),
        Ok(false) => no(StatusCode::NOT_FOUND, "no such incident is open"),
        Err(error) => no(StatusCode::INTERNAL_SERVER_ERROR, error.to_string()),
    }
}

impl New {
    fn row(self, now: Timestamp) -> Result<IncidentRow, String> {
        let until = self.until.parse().map_err(|_| "until: write a time, e.g. \"2026-11-27T13:00:00Z\"".to_owned())?;
        let ticket = self.ticket.map(|number| number.parse::<Number>()).transpose();
        let row = IncidentRow {
            id: 0,
            text: printable(&self.text),
            places: names(self.places),
            words: names(self.words),
            callers: names(self.callers),
            since: now,
            until,
            closed: None,
            author: printable(&self.author),
            ticket: ticket.map_err(|_| "ticket: this is no ticket's number".to_owned())?,
            joined: 0,
        };
        fault(&row).map_or(Ok(row), |what| Err(what.to_owned()))
    }
}

fn names(list: Vec<String>) -> Vec<String> {
    list.iter().map(|name| printable(name.trim())).filter(|name| !name.is_empty()).take(NAMES).collect()
}

/// What is wrong with a new incident.
pub fn fault(row: &IncidentRow) -> Option<&'static str> {
    let digits = |prefix: &String| prefix.bytes().all(|b| b.is_ascii_digit() || b == b'+');
    if row.text.trim().is_empty() {
        return Some("text: write what callers shall hear");
    }
    if row.places.is_empty() && row.words.is_empty() && row.callers.is_empty() {
        return Some("nobody would hear of it: name a place, a word or the first digits of numbers");
    }
    if row.words.iter().any(|word| word.chars().count() < 2) {
        return Some("a word of one character would concern everybody");
    }
    if !row.callers.iter().all(digits) {
        return Some("callers: write the first digits of numbers");
    }
    (row.until <= row.since).then_some("until: this time is over")
}
