//! The caller's rooms.

use axum::{Json, extract::State};
use chat_core::{RoomId, RoomList, RoomView, UserId};
use serde::Deserialize;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{
    caller::{Caller, limit},
    document::{Limit, Refusals},
};
use crate::http::{
    app::App,
    failure::Failure,
    parameters::{Fields, Named},
};

/// The routes of this group.
pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(rooms))
        .routes(routes!(open))
}

#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct RoomsQuery {
    /// Begin after this room.
    #[param(value_type = Option<RoomId>)]
    after: Option<String>,
    /// The most rooms to list.
    #[param(value_type = Option<Limit>)]
    limit: Option<usize>,
}

/// Lists the caller's rooms.
#[utoipa::path(get, path = "/v1/rooms", params(RoomsQuery), responses(
    (status = OK, description = "The rooms, in ascending order of id.", body = RoomList),
    Refusals,
))]
async fn rooms(
    State(app): State<App>,
    Caller(caller): Caller,
    Fields(RoomsQuery {
        after,
        limit: given,
    }): Fields<RoomsQuery>,
) -> Result<Json<RoomList>, Failure> {
    let limit = limit(&app, given)?;
    let after = after.map(RoomId::new).transpose()?;
    Ok(Json(caller.rooms(after.as_ref(), limit).await?))
}

/// Opens the direct room with a user, making it if need be.
#[utoipa::path(put, path = "/v1/direct/{user}",
    params(("user" = UserId, Path, description = "The other user.")), responses(
    (status = OK, description = "The room, and its members.", body = RoomView),
    Refusals,
))]
async fn open(
    Caller(caller): Caller,
    Named(user): Named<UserId>,
) -> Result<Json<RoomView>, Failure> {
    Ok(Json(caller.open(&user).await?))
}
