//! `GET /api/v1/trace?call=CALL-ID`: a recent call's messages as a ladder, for `jiesu trace`.

use axum::Router;
use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::routing::get;

use super::Shown;
use crate::sip::ladder::Drawn;

pub(super) fn routes() -> Router<Shown> {
    Router::new().route("/api/v1/trace", get(ladder))
}

#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Asked {
    call: String,
    #[serde(default)]
    full: bool,
    #[serde(default)]
    numbers: bool,
}

async fn ladder(State(shown): State<Shown>, Query(asked): Query<Asked>) -> (StatusCode, String) {
    let drawn = Drawn { full: asked.full, numbers: asked.numbers };
    if drawn.numbers {
        tracing::info!(call = asked.call, "a ladder with whole numbers was asked for");
    }
    match shown.trace.ladders(&asked.call, drawn, &shown.zone) {
        Some(text) => (StatusCode::OK, text),
        None => (StatusCode::NOT_FOUND, "no message of this call is kept (any longer)\n".to_owned()),
    }
}
