//! Who is online.

use axum::{
    Json,
    extract::{Query, State, rejection::QueryRejection},
};
use chat_core::{ErrorBody, Presence, UserId};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::caller::Caller;
use crate::http::{app::App, failure::Failure};

/// The routes of this group.
pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(online))
        .routes(routes!(presence))
}

/// The users who are online.
#[derive(Debug, Serialize, ToSchema)]
struct Online {
    /// Each once, in ascending order.
    users: Vec<UserId>,
}

/// Lists who is online.
#[utoipa::path(get, path = "/v1/online", responses(
    (status = OK, body = Online),
    (status = "4XX", body = ErrorBody),
    (status = "5XX", body = ErrorBody),
))]
async fn online(State(app): State<App>, _caller: Caller) -> Result<Json<Online>, Failure> {
    Ok(Json(Online {
        users: app.engine.online().await?,
    }))
}

#[derive(Debug, Deserialize, utoipa::IntoParams)]
struct PresenceQuery {
    /// At most 100 names, joined by commas, which no name holds.
    users: String,
}

/// How some users are.
#[derive(Debug, Serialize, ToSchema)]
struct PresenceList {
    /// In the order asked.
    users: Vec<Presence>,
}

/// Tells whether users are online, and when they last were.
#[utoipa::path(get, path = "/v1/presence", params(PresenceQuery), responses(
    (status = OK, body = PresenceList),
    (status = "4XX", body = ErrorBody),
    (status = "5XX", body = ErrorBody),
))]
async fn presence(
    Caller(caller): Caller,
    query: Result<Query<PresenceQuery>, QueryRejection>,
) -> Result<Json<PresenceList>, Failure> {
    let Query(PresenceQuery { users }) = query?;
    let users = users
        .split(',')
        .map(UserId::new)
        .collect::<Result<Vec<_>, _>>()?;
    Ok(Json(PresenceList {
        users: caller.presence(&users).await?,
    }))
}
