//! A room's log: reading it, and sending into it.

use axum::{
    Json,
    extract::{
        Query,
        rejection::{JsonRejection, QueryRejection},
    },
    http::StatusCode,
    response::IntoResponse,
};
use chat_core::{ClientMessageId, ErrorBody, HistoryPage, Page, RoomId, Sent, Seq};
use serde::Deserialize;
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::caller::{Caller, Named};
use crate::http::{app::App, failure::Failure};

/// The routes of this group.
pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(history))
        .routes(routes!(send))
}

#[derive(Debug, Deserialize, utoipa::IntoParams)]
struct HistoryQuery {
    /// The newest entries below this number.
    before: Option<u64>,
    /// The oldest entries above this number.
    after: Option<u64>,
    /// Entries on both sides of this number, and itself.
    around: Option<u64>,
    /// At most so many. Default 50, at most 200.
    limit: Option<usize>,
}

/// Reads a page of a room's log; without `before`, `after` or `around` the newest one.
#[utoipa::path(get, path = "/v1/rooms/{room}/entries",
    params(("room" = String, Path), HistoryQuery), responses(
    (status = OK, body = HistoryPage),
    (status = "4XX", body = ErrorBody),
    (status = "5XX", body = ErrorBody),
))]
async fn history(
    Caller(caller): Caller,
    Named(room): Named<RoomId>,
    query: Result<Query<HistoryQuery>, QueryRejection>,
) -> Result<Json<HistoryPage>, Failure> {
    let Query(HistoryQuery {
        before,
        after,
        around,
        limit,
    }) = query?;
    let page = match (before, after, around) {
        (None, None, None) => Page::Newest,
        (Some(seq), None, None) => Page::Before(Seq(seq)),
        (None, Some(seq), None) => Page::After(Seq(seq)),
        (None, None, Some(seq)) => Page::Around(Seq(seq)),
        _ => {
            let why = "only one of `before`, `after` and `around` can be given";
            return Err(Failure::new(StatusCode::BAD_REQUEST, why));
        }
    };
    Ok(Json(caller.history(&room, page, limit).await?))
}

/// A message to send.
#[derive(Debug, Deserialize, ToSchema)]
struct NewMessage {
    /// What to say.
    text: String,
    /// Makes a retry safe: the second answer is the first one's, with `duplicate` set.
    client_id: Option<ClientMessageId>,
}

/// Sends a message.
#[utoipa::path(post, path = "/v1/rooms/{room}/messages", params(("room" = String, Path)),
    request_body = NewMessage, responses(
    (status = CREATED, description = "stored for good", body = Sent),
    (status = OK, description = "was stored before", body = Sent),
    (status = TOO_MANY_REQUESTS, description = "wait for `retry-after` seconds", body = ErrorBody),
    (status = "4XX", body = ErrorBody),
    (status = "5XX", body = ErrorBody),
))]
async fn send(
    Caller(caller): Caller,
    Named(room): Named<RoomId>,
    body: Result<Json<NewMessage>, JsonRejection>,
) -> Result<impl IntoResponse, Failure> {
    let Json(NewMessage { text, client_id }) = body?;
    let sent = match client_id {
        Some(client_id) => caller.send_as(&room, &text, client_id).await?,
        None => caller.send(&room, &text).await?,
    };
    let status = if sent.duplicate {
        StatusCode::OK
    } else {
        StatusCode::CREATED
    };
    Ok((status, Json(sent)))
}
