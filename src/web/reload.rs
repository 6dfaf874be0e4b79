//! `POST /api/v1/reload` and `/api/v1/flow/activate`: new calls follow other files from now on, or nothing changes and
//! the answer says why. Only from this machine, and never from a page that a browser shows.

use std::net::SocketAddr;

use axum::extract::{ConnectInfo, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::routing::post;
use axum::{Json, Router};
use serde::{Deserialize, Serialize};
use tokio::sync::oneshot;

use super::Shown;

/// What shall be taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum What {
    /// What lies in the configuration folder.
    Folder,
    /// A kept version, by its number.
    Version(i64),
}

/// Somebody wants new calls to follow something else.
#[derive(Debug)]
pub struct Ask {
    pub what: What,
    pub author: String,
    pub note: String,
    /// Whoever does not wait for it drops the other end.
    pub answer: oneshot::Sender<Answer>,
}

/// What became of it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answer {
    pub taken: bool,
    /// The version's number, where it could be kept.
    pub number: Option<i64>,
    /// The version that new calls follow.
    pub version: String,
    /// Why it was not taken, a line each.
    pub faults: Vec<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Asked {
    author: String,
    note: String,
    version: Option<i64>,
}

pub(super) fn routes() -> Router<Shown> {
    Router::new().route("/api/v1/reload", post(reload)).route("/api/v1/flow/activate", post(activate))
}

type Answered = (StatusCode, Json<Answer>);

async fn reload(
    State(shown): State<Shown>,
    ConnectInfo(from): ConnectInfo<SocketAddr>,
    headers: HeaderMap,
    Json(asked): Json<Asked>,
) -> Answered {
    ask(&shown, from, &headers, What::Folder, asked).await
}

async fn activate(
    State(shown): State<Shown>,
    ConnectInfo(from): ConnectInfo<SocketAddr>,
    headers: HeaderMap,
    Json(asked): Json<Asked>,
) -> Answered {
    match asked.version {
        Some(version) => ask(&shown, from, &headers, What::Version(version), asked).await,
        None => refused(StatusCode::BAD_REQUEST, "which version? write {\"version\": NUMBER}"),
    }
}

/// Whether a change may come from there: this machine, and no script on a page (a page's requests name their origin).
pub(super) fn stranger(from: SocketAddr, headers: &HeaderMap) -> Option<&'static str> {
    if !from.ip().to_canonical().is_loopback() {
        return Some("changes are taken from this machine only");
    }
    headers.contains_key(header::ORIGIN).then_some("changes are not taken from pages")
}

async fn ask(shown: &Shown, from: SocketAddr, headers: &HeaderMap, what: What, asked: Asked) -> Answered {
    if let Some(why) = stranger(from, headers) {
        return refused(StatusCode::FORBIDDEN, why);
    }
    let (answer, answered) = oneshot::channel();
    let ask = Ask { what, author: printable(&asked.author), note: printable(&asked.note), answer };
    if shown.reload.send(ask).await.is_err() {
        return refused(StatusCode::SERVICE_UNAVAILABLE, "the daemon is stopping");
    }
    match answered.await {
        Ok(answer) if answer.taken => (StatusCode::OK, Json(answer)),
        Ok(answer) => (StatusCode::UNPROCESSABLE_ENTITY, Json(answer)),
        Err(_) => refused(StatusCode::SERVICE_UNAVAILABLE, "the daemon is stopping"),
    }
}

fn refused(code: StatusCode, why: &str) -> Answered {
    (code, Json(Answer { faults: vec![why.to_owned()], ..Answer::default() }))
}

/// What may stand in a row and in a log.
pub(super) fn printable(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(200).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_this_machine_and_no_page_may_change_anything() {
        let at = |text: &str| text.parse::<SocketAddr>().expect("an address");
        let none = HeaderMap::new();
        assert_eq!(stranger(at("127.0.0.1:9"), &none), None);
        assert_eq!(stranger(at("[::ffff:127.0.0.1]:9"), &none), None);
        assert!(stranger(at("192.0.2.7:9"), &none).is_some());
        let mut page = HeaderMap::new();
        page.insert(header::ORIGIN, "http://127.0.0.1:8345".parse().expect("a value"));
        assert!(stranger(at("127.0.0.1:9"), &page).is_some());
    }
}
