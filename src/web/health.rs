//! `GET /healthz`, `/readyz` and `/metrics`.

use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use axum::routing::get;

use super::Shown;

pub(super) fn routes() -> Router<Shown> {
    Router::new().route("/healthz", get(healthz)).route("/readyz", get(readyz)).route("/metrics", get(metrics))
}

/// 200 while every part turns, 503 with the parts that do not.
async fn healthz(State(shown): State<Shown>) -> impl IntoResponse {
    let report = shown.health.check().await;
    answer(report.healthy(), &report)
}

/// 200 while new calls are taken, 503 while starting, draining or ill.
async fn readyz(State(shown): State<Shown>) -> impl IntoResponse {
    let report = shown.health.report();
    answer(report.ready(), &report)
}

fn answer(good: bool, report: &crate::observe::Report) -> (StatusCode, String) {
    if good {
        return (StatusCode::OK, "ok\n".to_owned());
    }
    let mut text = String::new();
    if !report.checked {
        text.push_str("starting\n");
    }
    if report.draining {
        text.push_str("draining\n");
    }
    for (part, fault) in &report.faults {
        text.push_str(&format!("{part}: {fault}\n"));
    }
    (StatusCode::SERVICE_UNAVAILABLE, text)
}

/// Prometheus text exposition format 0.0.4.
async fn metrics(State(shown): State<Shown>) -> impl IntoResponse {
    shown.metrics.upkeep();
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], shown.metrics.render())
}
