//! Bans and mutes in one room.

use std::time::Duration;

use axum::{Json, extract::State, http::StatusCode};
use chat_core::{Reason, RoomId, SanctionList, Sanctioned, UserId};
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
    parameters::{Fields, Named, OptionalBody},
};

/// The routes of this group.
pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(bans))
        .routes(routes!(ban, unban))
        .routes(routes!(mutes))
        .routes(routes!(mute, unmute))
}

/// The length and the reason of a ban or a mute.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Sentence {
    /// The seconds until it ends, at most a hundred years; without it it has no end.
    #[serde(rename = "for")]
    #[schema(minimum = 1, maximum = 3_155_760_000_u64)]
    seconds: Option<u64>,
    /// The reason, for the record: at most 256 characters.
    #[serde(default)]
    #[schema(max_length = 256)]
    reason: Reason,
}

#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct SanctionsQuery {
    /// Begin after this user.
    #[param(value_type = Option<UserId>)]
    after: Option<String>,
    /// The most users to list.
    #[param(value_type = Option<Limit>)]
    limit: Option<usize>,
}

impl SanctionsQuery {
    fn page(self, app: &App) -> Result<(Option<UserId>, Option<usize>), Failure> {
        let limit = limit(app, self.limit)?;
        Ok((self.after.map(UserId::new).transpose()?, limit))
    }
}

/// Bans a user from a group or channel, for some time or until that is lifted.
#[utoipa::path(put, path = "/v1/rooms/{room}/bans/{user}",
    params(
        ("room" = RoomId, Path, description = "The group or channel."),
        ("user" = UserId, Path, description = "The user."),
    ),
    request_body = Option<Sentence>, responses(
    (status = OK, description = "What holds now.", body = Sanctioned),
    Refusals,
))]
async fn ban(
    Caller(caller): Caller,
    MemberOf(room, user): MemberOf,
    OptionalBody(Sentence { seconds, reason }): OptionalBody<Sentence>,
) -> Result<Json<Sanctioned>, Failure> {
    let length = seconds.map(Duration::from_secs);
    Ok(Json(caller.ban_from(&room, &user, length, reason).await?))
}

/// Lifts the bans of a user from a room.
#[utoipa::path(delete, path = "/v1/rooms/{room}/bans/{user}",
    params(
        ("room" = RoomId, Path, description = "The group or channel."),
        ("user" = UserId, Path, description = "The user."),
    ),
    responses(
    (status = NO_CONTENT, description = "None holds any more."),
    Refusals,
))]
async fn unban(
    Caller(caller): Caller,
    MemberOf(room, user): MemberOf,
) -> Result<StatusCode, Failure> {
    caller.unban_from(&room, &user).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Lists the users who are banned from a room.
#[utoipa::path(get, path = "/v1/rooms/{room}/bans",
    params(("room" = RoomId, Path, description = "The group or channel."), SanctionsQuery), responses(
    (status = OK, description = "The users, in ascending order of their names.", body = SanctionList),
    Refusals,
))]
async fn bans(
    State(app): State<App>,
    Caller(caller): Caller,
    Named(room): Named<RoomId>,
    Fields(query): Fields<SanctionsQuery>,
) -> Result<Json<SanctionList>, Failure> {
    let (after, limit) = query.page(&app)?;
    Ok(Json(caller.bans(&room, after.as_ref(), limit).await?))
}

/// Mutes a user in a group or channel, for some time or until that is lifted.
#[utoipa::path(put, path = "/v1/rooms/{room}/mutes/{user}",
    params(
        ("room" = RoomId, Path, description = "The group or channel."),
        ("user" = UserId, Path, description = "The user."),
    ),
    request_body = Option<Sentence>, responses(
    (status = OK, description = "What holds now.", body = Sanctioned),
    Refusals,
))]
async fn mute(
    Caller(caller): Caller,
    MemberOf(room, user): MemberOf,
    OptionalBody(Sentence { seconds, reason }): OptionalBody<Sentence>,
) -> Result<Json<Sanctioned>, Failure> {
    let length = seconds.map(Duration::from_secs);
    Ok(Json(caller.mute_in(&room, &user, length, reason).await?))
}

/// Lifts the mutes of a user in a room.
#[utoipa::path(delete, path = "/v1/rooms/{room}/mutes/{user}",
    params(
        ("room" = RoomId, Path, description = "The group or channel."),
        ("user" = UserId, Path, description = "The user."),
    ),
    responses(
    (status = NO_CONTENT, description = "None holds any more."),
    Refusals,
))]
async fn unmute(
    Caller(caller): Caller,
    MemberOf(room, user): MemberOf,
) -> Result<StatusCode, Failure> {
    caller.unmute_in(&room, &user).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Lists the users who are muted in a room.
#[utoipa::path(get, path = "/v1/rooms/{room}/mutes",
    params(("room" = RoomId, Path, description = "The group or channel."), SanctionsQuery), responses(
    (status = OK, description = "The users, in ascending order of their names.", body = SanctionList),
    Refusals,
))]
async fn mutes(
    State(app): State<App>,
    Caller(caller): Caller,
    Named(room): Named<RoomId>,
    Fields(query): Fields<SanctionsQuery>,
) -> Result<Json<SanctionList>, Failure> {
    let (after, limit) = query.page(&app)?;
    Ok(Json(caller.mutes(&room, after.as_ref(), limit).await?))
}
