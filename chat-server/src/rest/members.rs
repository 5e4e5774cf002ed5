//! The members of a room.

use axum::{Json, extract::State, http::StatusCode};
use chat_core::{Member, MemberList, Role, RoomId, UserId};
use serde::Deserialize;
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{
    caller::{Caller, MemberOf, limit},
    document::{Limit, Refusals},
};
use crate::http::{
    app::App,
    failure::Failure,
    parameters::{Body, Fields, Named, OptionalBody},
};

/// The routes of this group.
pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(members))
        .routes(routes!(add, remove, change))
        .routes(routes!(leave))
}

#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct MembersQuery {
    /// Begin after this user.
    #[param(value_type = Option<UserId>)]
    after: Option<String>,
    /// The most members to list.
    #[param(value_type = Option<Limit>)]
    limit: Option<usize>,
}

/// Lists the members of a room.
#[utoipa::path(get, path = "/v1/rooms/{room}/members",
    params(("room" = RoomId, Path, description = "The room."), MembersQuery), responses(
    (status = OK, description = "The members, in ascending order of their names.", body = MemberList),
    Refusals,
))]
async fn members(
    State(app): State<App>,
    Caller(caller): Caller,
    Named(room): Named<RoomId>,
    Fields(MembersQuery {
        after,
        limit: given,
    }): Fields<MembersQuery>,
) -> Result<Json<MemberList>, Failure> {
    let limit = limit(&app, given)?;
    let after = after.map(UserId::new).transpose()?;
    Ok(Json(caller.members(&room, after.as_ref(), limit).await?))
}

/// A member to add.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct NewMember {
    /// The role of the new member; `member` without one.
    role: Option<Role>,
}

/// Adds a member to a group. A user who is a member already stays as they are.
#[utoipa::path(put, path = "/v1/rooms/{room}/members/{user}",
    params(
        ("room" = RoomId, Path, description = "The group."),
        ("user" = UserId, Path, description = "The new member."),
    ),
    request_body = Option<NewMember>, responses(
    (status = OK, description = "The member.", body = Member),
    Refusals,
))]
async fn add(
    Caller(caller): Caller,
    MemberOf(room, user): MemberOf,
    OptionalBody(NewMember { role }): OptionalBody<NewMember>,
) -> Result<Json<Member>, Failure> {
    Ok(Json(match role {
        Some(role) => caller.add_member_as(&room, user, role).await?,
        None => caller.add_member(&room, user).await?,
    }))
}

/// Removes a member from a group; removing oneself is leaving.
#[utoipa::path(delete, path = "/v1/rooms/{room}/members/{user}",
    params(
        ("room" = RoomId, Path, description = "The group."),
        ("user" = UserId, Path, description = "The member."),
    ),
    responses(
    (status = NO_CONTENT, description = "The user is a member no longer."),
    Refusals,
))]
async fn remove(
    Caller(caller): Caller,
    MemberOf(room, user): MemberOf,
) -> Result<StatusCode, Failure> {
    caller.remove_member(&room, user).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Another role for a member.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct NewRole {
    /// The role.
    role: Role,
}

/// Gives a member of a group another role.
#[utoipa::path(patch, path = "/v1/rooms/{room}/members/{user}",
    params(
        ("room" = RoomId, Path, description = "The group."),
        ("user" = UserId, Path, description = "The member."),
    ),
    request_body = NewRole, responses(
    (status = OK, description = "The member.", body = Member),
    Refusals,
))]
async fn change(
    Caller(caller): Caller,
    MemberOf(room, user): MemberOf,
    Body(NewRole { role }): Body<NewRole>,
) -> Result<Json<Member>, Failure> {
    Ok(Json(caller.set_role(&room, user, role).await?))
}

/// Leaves a group.
#[utoipa::path(post, path = "/v1/rooms/{room}/leave",
    params(("room" = RoomId, Path, description = "The group.")), responses(
    (status = NO_CONTENT, description = "The caller is a member no longer."),
    Refusals,
))]
async fn leave(Caller(caller): Caller, Named(room): Named<RoomId>) -> Result<StatusCode, Failure> {
    caller.leave(&room).await?;
    Ok(StatusCode::NO_CONTENT)
}
