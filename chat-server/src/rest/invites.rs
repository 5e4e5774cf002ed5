//! Invitations into rooms.

use std::time::Duration;

use axum::{Json, extract::State, http::StatusCode};
use chat_core::{Invite, InviteId, InviteList, InviteToken, Role, RoomId, RoomView};
use serde::Deserialize;
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{
    caller::{Caller, InviteInto, limit},
    document::{Limit, Refusals},
};
use crate::http::{
    app::App,
    failure::Failure,
    parameters::{Fields, Named, OptionalBody},
};

/// The routes of this group.
pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(invites, invite))
        .routes(routes!(uninvite))
        .routes(routes!(accept))
}

/// An invitation to make.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct NewInvite {
    /// How many users may come in by it; without it any number.
    #[schema(minimum = 1, maximum = 100_000)]
    uses: Option<u32>,
    /// The seconds until it ends, at most a hundred years; without it it has no end.
    #[schema(minimum = 1, maximum = 3_155_760_000_u64)]
    ttl: Option<u64>,
    /// The role of those who come in; `member` without one.
    role: Option<Role>,
}

/// Makes an invitation into a group or channel.
#[utoipa::path(post, path = "/v1/rooms/{room}/invites",
    params(("room" = RoomId, Path, description = "The group or channel.")),
    request_body = Option<NewInvite>, responses(
    (status = CREATED, description = "The invitation.", body = Invite),
    Refusals,
))]
async fn invite(
    Caller(caller): Caller,
    Named(room): Named<RoomId>,
    OptionalBody(NewInvite { uses, ttl, role }): OptionalBody<NewInvite>,
) -> Result<(StatusCode, Json<Invite>), Failure> {
    let ends_after = ttl.map(Duration::from_secs);
    let made = caller.invite(&room, uses, ends_after, role).await?;
    Ok((StatusCode::CREATED, Json(made)))
}

#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct InvitesQuery {
    /// Begin after this invitation.
    after: Option<InviteId>,
    /// The most invitations to list.
    #[param(value_type = Option<Limit>)]
    limit: Option<usize>,
}

/// Lists the invitations into a room.
#[utoipa::path(get, path = "/v1/rooms/{room}/invites",
    params(("room" = RoomId, Path, description = "The group or channel."), InvitesQuery), responses(
    (status = OK, description = "The invitations, in ascending order of id.", body = InviteList),
    Refusals,
))]
async fn invites(
    State(app): State<App>,
    Caller(caller): Caller,
    Named(room): Named<RoomId>,
    Fields(InvitesQuery {
        after,
        limit: given,
    }): Fields<InvitesQuery>,
) -> Result<Json<InviteList>, Failure> {
    let limit = limit(&app, given)?;
    Ok(Json(caller.invites(&room, after, limit).await?))
}

/// Takes an invitation back.
#[utoipa::path(delete, path = "/v1/rooms/{room}/invites/{invite}",
    params(
        ("room" = RoomId, Path, description = "The group or channel."),
        ("invite" = InviteId, Path, description = "The invitation."),
    ),
    responses(
    (status = NO_CONTENT, description = "Nobody comes in by it any more."),
    Refusals,
))]
async fn uninvite(
    Caller(caller): Caller,
    InviteInto(room, invite): InviteInto,
) -> Result<StatusCode, Failure> {
    caller.uninvite(&room, invite).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Comes into a room by an invitation.
#[utoipa::path(post, path = "/v1/invites/{token}",
    params(("token" = InviteToken, Path, description = "The secret of the invitation.")), responses(
    (status = OK, description = "The room, and its members.", body = RoomView),
    Refusals,
))]
async fn accept(
    Caller(caller): Caller,
    Named(token): Named<InviteToken>,
) -> Result<Json<RoomView>, Failure> {
    Ok(Json(caller.accept(&token).await?))
}
