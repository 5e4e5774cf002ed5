//! The members who have read an entry.

use axum::{Json, extract::State};
use chat_core::{MemberList, RoomId, Seq, UserId};
use serde::Deserialize;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{
    caller::{Caller, Numbered, limit},
    document::{Limit, Refusals},
};
use crate::http::{app::App, failure::Failure, parameters::Fields};

/// The routes of this group.
pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(readers))
}

#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct ReadersQuery {
    /// Begin after this user.
    #[param(value_type = Option<UserId>)]
    after: Option<String>,
    /// The most members to list.
    #[param(value_type = Option<Limit>)]
    limit: Option<usize>,
}

/// Lists the members who have read a room up to an entry or beyond.
#[utoipa::path(get, path = "/v1/rooms/{room}/entries/{seq}/readers",
    params(
        ("room" = RoomId, Path, description = "The room."),
        ("seq" = Seq, Path, description = "The number of the entry."),
        ReadersQuery,
    ),
    responses(
    (status = OK, description = "The members, in ascending order of their names.", body = MemberList),
    Refusals,
))]
async fn readers(
    State(app): State<App>,
    Caller(caller): Caller,
    Numbered(room, seq): Numbered,
    Fields(ReadersQuery {
        after,
        limit: given,
    }): Fields<ReadersQuery>,
) -> Result<Json<MemberList>, Failure> {
    let limit = limit(&app, given)?;
    let after = after.map(UserId::new).transpose()?;
    let page = caller.readers(&room, seq, after.as_ref(), limit).await?;
    Ok(Json(page))
}
