//! The caller's rooms.

use axum::{
    Json,
    extract::{Query, rejection::QueryRejection},
};
use chat_core::{ErrorBody, RoomId, RoomList, RoomView, UserId};
use serde::Deserialize;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::caller::{Caller, Named};
use crate::http::{app::App, failure::Failure};

/// The routes of this group.
pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(rooms))
        .routes(routes!(open))
}

#[derive(Debug, Deserialize, utoipa::IntoParams)]
struct RoomsQuery {
    /// Begin after this room.
    after: Option<String>,
    /// At most so many. Default 50, at most 200.
    limit: Option<usize>,
}

/// Lists the caller's rooms.
#[utoipa::path(get, path = "/v1/rooms", params(RoomsQuery), responses(
    (status = OK, body = RoomList),
    (status = "4XX", body = ErrorBody),
    (status = "5XX", body = ErrorBody),
))]
async fn rooms(
    Caller(caller): Caller,
    query: Result<Query<RoomsQuery>, QueryRejection>,
) -> Result<Json<RoomList>, Failure> {
    let Query(RoomsQuery { after, limit }) = query?;
    let after = after.map(RoomId::new).transpose()?;
    Ok(Json(caller.rooms(after.as_ref(), limit).await?))
}

/// Opens the direct room with a user, making it if need be.
#[utoipa::path(put, path = "/v1/direct/{user}", params(("user" = String, Path)), responses(
    (status = OK, body = RoomView),
    (status = "4XX", body = ErrorBody),
    (status = "5XX", body = ErrorBody),
))]
async fn open(
    Caller(caller): Caller,
    Named(user): Named<UserId>,
) -> Result<Json<RoomView>, Failure> {
    Ok(Json(caller.open(&user).await?))
}
