//! A room's log: reading it, and what a user may add to it.

use axum::{Json, extract::State, http::StatusCode, response::IntoResponse};
use chat_core::{
    Actor, ClientMessageId, Error, HistoryPage, NewBody, Page, Responder, RoomId, Sent, Seq,
};
use serde::Deserialize;
use tokio::sync::oneshot;
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{
    caller::{Caller, Numbered, limit},
    document::{Limit, Refusals, Text},
};
use crate::http::{
    app::App,
    failure::Failure,
    parameters::{Body, Fields, Named},
};

/// The routes of this group.
pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(history))
        .routes(routes!(send))
        .routes(routes!(edit, delete))
}

#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct HistoryQuery {
    /// The newest entries below this number.
    #[param(value_type = Option<Seq>)]
    before: Option<u64>,
    /// The oldest entries above this number.
    #[param(value_type = Option<Seq>)]
    after: Option<u64>,
    /// Entries on both sides of this number, and itself.
    #[param(value_type = Option<Seq>)]
    around: Option<u64>,
    /// The most entries to read.
    #[param(value_type = Option<Limit>)]
    limit: Option<usize>,
}

/// Reads a page of a room's log; without `before`, `after` or `around` the newest one.
///
/// Only one of them can be given. What was missed since an entry is read with `after`, page by page, until
/// `newer` is false; another `epoch` than before means that the log was lost and has begun anew.
#[utoipa::path(get, path = "/v1/rooms/{room}/entries",
    params(("room" = RoomId, Path, description = "The room."), HistoryQuery), responses(
    (status = OK, description = "The entries, in ascending order.", body = HistoryPage),
    Refusals,
))]
async fn history(
    State(app): State<App>,
    Caller(caller): Caller,
    Named(room): Named<RoomId>,
    Fields(query): Fields<HistoryQuery>,
) -> Result<Json<HistoryPage>, Failure> {
    let page = match (query.before, query.after, query.around) {
        (None, None, None) => Page::Newest,
        (Some(seq), None, None) => Page::Before(Seq(seq)),
        (None, Some(seq), None) => Page::After(Seq(seq)),
        (None, None, Some(seq)) => Page::Around(Seq(seq)),
        _ => {
            let why = "only one of `before`, `after` and `around` can be given";
            return Err(Failure::new(StatusCode::BAD_REQUEST, why));
        }
    };
    let limit = limit(&app, query.limit)?;
    Ok(Json(caller.history(&room, page, limit).await?))
}

/// A message to send, or the new text of one.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct NewMessage {
    /// What to say.
    #[schema(value_type = Text)]
    text: String,
    /// Makes a retry safe: the second answer is the first one's, with `duplicate` set.
    client_id: Option<ClientMessageId>,
}

/// Sends a message.
#[utoipa::path(post, path = "/v1/rooms/{room}/messages",
    params(("room" = RoomId, Path, description = "The room.")), request_body = NewMessage, responses(
    (status = CREATED, description = "Stored for good.", body = Sent),
    (status = OK, description = "Was stored before.", body = Sent),
    Refusals,
))]
async fn send(
    Caller(caller): Caller,
    Named(room): Named<RoomId>,
    Body(NewMessage { text, client_id }): Body<NewMessage>,
) -> Result<impl IntoResponse, Failure> {
    let sent = submit(&caller, &room, NewBody::Message(text), client_id).await?;
    let status = if sent.duplicate {
        StatusCode::OK
    } else {
        StatusCode::CREATED
    };
    Ok((status, Json(sent)))
}

/// Gives one of the caller's messages another text.
#[utoipa::path(put, path = "/v1/rooms/{room}/messages/{seq}",
    params(
        ("room" = RoomId, Path, description = "The room."),
        ("seq" = Seq, Path, description = "The number of the message."),
    ),
    request_body = NewMessage, responses(
    (status = OK, description = "The edit, which is an entry of its own, is stored for good.", body = Sent),
    Refusals,
))]
async fn edit(
    Caller(caller): Caller,
    Numbered(room, target): Numbered,
    Body(NewMessage { text, client_id }): Body<NewMessage>,
) -> Result<Json<Sent>, Failure> {
    let edit = NewBody::Edit { target, text };
    Ok(Json(submit(&caller, &room, edit, client_id).await?))
}

#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct DeleteQuery {
    /// Makes a retry safe: the second answer is the first one's, with `duplicate` set.
    client_id: Option<ClientMessageId>,
}

/// Takes one of the caller's messages back; its text is erased.
#[utoipa::path(delete, path = "/v1/rooms/{room}/messages/{seq}",
    params(
        ("room" = RoomId, Path, description = "The room."),
        ("seq" = Seq, Path, description = "The number of the message."),
        DeleteQuery,
    ),
    responses(
    (status = OK, description = "The deletion, which is an entry of its own, is stored for good.", body = Sent),
    Refusals,
))]
async fn delete(
    Caller(caller): Caller,
    Numbered(room, target): Numbered,
    Fields(DeleteQuery { client_id }): Fields<DeleteQuery>,
) -> Result<Json<Sent>, Failure> {
    let deletion = NewBody::Delete { target };
    Ok(Json(submit(&caller, &room, deletion, client_id).await?))
}

/// Submits an entry and waits until it is stored for good.
async fn submit(
    caller: &Actor,
    room: &RoomId,
    body: NewBody,
    client_id: Option<ClientMessageId>,
) -> Result<Sent, Error> {
    let (done, sent) = oneshot::channel();
    let done = Responder::new(move |result| drop(done.send(result)));
    caller.submit(room, body, client_id, done).await;
    sent.await.unwrap_or(Err(Error::ShuttingDown))
}
