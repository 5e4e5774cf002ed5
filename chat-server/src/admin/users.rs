//! One user: what is in force about them, where they are connected, and which rooms they are in.

use axum::{Json, extract::State};
use chat_core::{RoomList, Standing, UserId};
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::sessions::Session;
use crate::{
    http::{app::App, failure::Failure, parameters::Named},
    rest::document::Refusals,
};

/// The routes of this group.
pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(user))
}

/// A user, as administrators see them.
#[derive(Debug, Serialize, ToSchema)]
struct UserReport {
    /// The name.
    user: UserId,
    /// The bans and mutes in force, and the moment before which logins are revoked.
    standing: Standing,
    /// The sessions that are connected to this node, in ascending order of id.
    sessions: Vec<Session>,
    /// The rooms, and how far the user has read them.
    #[serde(flatten)]
    rooms: RoomList,
}

/// Shows a user: what is in force, the sessions that are connected to this node, and the first 200 rooms.
///
/// Any name is a user, also one that was never here.
#[utoipa::path(get, path = "/admin/v1/users/{user}",
    params(("user" = UserId, Path, description = "The user.")), responses(
    (status = OK, description = "The user.", body = UserReport),
    Refusals,
))]
async fn user(
    State(app): State<App>,
    Named(user): Named<UserId>,
) -> Result<Json<UserReport>, Failure> {
    let most = app.engine.config().history_max;
    let rooms = app.engine.rooms_of(&user, None, Some(most)).await?;
    let standing = app.engine.standing(&user).await?;
    let sessions = app.engine.sessions(|session| session.user == user);
    Ok(Json(UserReport {
        sessions: sessions.into_iter().map(Session::from).collect(),
        user,
        standing,
        rooms,
    }))
}
