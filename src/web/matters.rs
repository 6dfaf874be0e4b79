//! `/api/v1/matters`: which tickets report the same. GET lists them (`?least=2`: of so many tickets), GET of one shows its
//! tickets; POST to `/api/v1/matters/ID/merge` and `.../split` is a person's word. Changes come from this machine only, as
//! those of [`super::reload`] do.

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
use crate::store::{Error, Refused};
use crate::ticket::Number;

/// Rows that a list shows.
const LIST: u32 = 1000;

pub(super) fn routes() -> Router<Shown> {
    Router::new()
        .route("/api/v1/matters", get(list))
        .route("/api/v1/matters/{id}", get(show))
        .route("/api/v1/matters/{id}/merge", post(merge))
        .route("/api/v1/matters/{id}/split", post(split))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Listed {
    #[serde(default = "two")]
    least: u32,
}

fn two() -> u32 {
    2
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Merge {
    into: i64,
    #[serde(default)]
    author: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Split {
    tickets: Vec<String>,
    #[serde(default)]
    author: String,
}

type Answered = (StatusCode, Json<Value>);

fn no(code: StatusCode, what: impl Into<String>) -> Answered {
    (code, Json(json!({ "error": what.into() })))
}

fn fault(error: &Error) -> Answered {
    no(StatusCode::INTERNAL_SERVER_ERROR, error.to_string())
}

fn refused(why: &Refused) -> Answered {
    let code = match why {
        Refused::NoMatter(_) => StatusCode::NOT_FOUND,
        Refused::Merged(..) => StatusCode::GONE,
        Refused::Itself | Refused::NotOfIt(..) | Refused::All(_) => StatusCode::UNPROCESSABLE_ENTITY,
    };
    no(code, why.to_string())
}

async fn list(State(shown): State<Shown>, Query(listed): Query<Listed>) -> Answered {
    match shown.store.matters(listed.least.max(1), LIST).await {
        Ok(rows) => (StatusCode::OK, Json(json!(rows))),
        Err(error) => fault(&error),
    }
}

async fn show(State(shown): State<Shown>, Path(id): Path<i64>) -> Answered {
    let page = async {
        let Some(matter) = shown.store.matter(id).await? else { return Ok(None) };
        let tickets: Vec<Number> = shown.store.tickets_of_matter(id).await?.iter().map(|t| t.number).collect();
        let changes = shown.store.matter_changes(id).await?;
        let mut page = json!(matter);
        page["tickets"] = json!(tickets);
        page["changes"] = json!(changes);
        Ok::<_, Error>(Some(page))
    };
    match page.await {
        Ok(Some(page)) => (StatusCode::OK, Json(page)),
        Ok(None) => refused(&Refused::NoMatter(id)),
        Err(error) => fault(&error),
    }
}

async fn merge(
    State(shown): State<Shown>,
    ConnectInfo(from): ConnectInfo<SocketAddr>,
    headers: HeaderMap,
    Path(id): Path<i64>,
    Json(asked): Json<Merge>,
) -> Answered {
    if let Some(why) = stranger(from, &headers) {
        return no(StatusCode::FORBIDDEN, why);
    }
    match shown.store.merge_matters(id, asked.into, &printable(&asked.author), Timestamp::now()).await {
        Ok(Ok(())) => titled(&shown, &[asked.into], asked.into).await,
        Ok(Err(why)) => refused(&why),
        Err(error) => fault(&error),
    }
}

async fn split(
    State(shown): State<Shown>,
    ConnectInfo(from): ConnectInfo<SocketAddr>,
    headers: HeaderMap,
    Path(id): Path<i64>,
    Json(asked): Json<Split>,
) -> Answered {
    if let Some(why) = stranger(from, &headers) {
        return no(StatusCode::FORBIDDEN, why);
    }
    let tickets: Result<Vec<Number>, _> = asked.tickets.iter().map(|number| number.parse::<Number>()).collect();
    let tickets = match tickets {
        Ok(tickets) if !tickets.is_empty() => tickets,
        _ => return no(StatusCode::UNPROCESSABLE_ENTITY, "tickets: write a list of their numbers"),
    };
    match shown.store.split_matter(id, tickets, &printable(&asked.author), Timestamp::now()).await {
        Ok(Ok(new)) => titled(&shown, &[id, new], new).await,
        Ok(Err(why)) => refused(&why),
        Err(error) => fault(&error),
    }
}

/// Other tickets make another title.
async fn titled(shown: &Shown, matters: &[i64], id: i64) -> Answered {
    for matter in matters {
        if let Err(error) = shown.store.title_matter(*matter).await {
            return fault(&error);
        }
    }
    (StatusCode::OK, Json(json!({ "id": id })))
}
