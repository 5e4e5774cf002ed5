//! Presence: who is online, and who is typing.

use axum::{Json, http::StatusCode};
use chat_core::{Presence, RoomId, UserId};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{caller::Caller, document::Refusals};
use crate::http::{
    app::App,
    failure::Failure,
    parameters::{Fields, Named},
};

/// The routes of this group.
pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(online))
        .routes(routes!(presence))
        .routes(routes!(typing))
}

/// The users who are online.
#[derive(Debug, Serialize, ToSchema)]
struct Online {
    /// Each once, in ascending order.
    users: Vec<UserId>,
}

/// Lists who is online.
#[utoipa::path(get, path = "/v1/online", responses(
    (status = OK, description = "The users who are online, at most 10,000.", body = Online),
    Refusals,
))]
async fn online(Caller(caller): Caller) -> Result<Json<Online>, Failure> {
    let users = caller.online().await?;
    Ok(Json(Online { users }))
}

#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct PresenceQuery {
    /// At most 100 names, joined by commas, which no name holds.
    #[param(min_length = 1)]
    users: String,
}

/// The presence of some users.
#[derive(Debug, Serialize, ToSchema)]
struct PresenceList {
    /// In the order asked.
    users: Vec<Presence>,
}

/// Says whether users are online, and when they last were.
#[utoipa::path(get, path = "/v1/presence", params(PresenceQuery), responses(
    (status = OK, description = "The presence of each of them.", body = PresenceList),
    Refusals,
))]
async fn presence(
    Caller(caller): Caller,
    Fields(PresenceQuery { users }): Fields<PresenceQuery>,
) -> Result<Json<PresenceList>, Failure> {
    let users = users
        .split(',')
        .map(UserId::new)
        .collect::<Result<Vec<_>, _>>()?;
    Ok(Json(PresenceList {
        users: caller.presence(&users).await?,
    }))
}

/// States that the caller is typing; to be repeated while it lasts.
#[utoipa::path(post, path = "/v1/rooms/{room}/typing",
    params(("room" = RoomId, Path, description = "The room.")), responses(
    (status = NO_CONTENT, description = "The other members are sent it, at most once in 3 s."),
    Refusals,
))]
async fn typing(Caller(caller): Caller, Named(room): Named<RoomId>) -> Result<StatusCode, Failure> {
    caller.typing(&room).await?;
    Ok(StatusCode::NO_CONTENT)
}
