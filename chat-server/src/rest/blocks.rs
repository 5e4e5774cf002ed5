//! The users whom the caller has blocked.

use axum::{Json, extract::State, http::StatusCode};
use chat_core::{BlockList, UserId};
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
        .routes(routes!(blocks))
        .routes(routes!(block, unblock))
}

#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct BlocksQuery {
    /// Begin after this user.
    #[param(value_type = Option<UserId>)]
    after: Option<String>,
    /// The most users to list.
    #[param(value_type = Option<Limit>)]
    limit: Option<usize>,
}

/// Lists the users whom the caller has blocked.
#[utoipa::path(get, path = "/v1/blocks", params(BlocksQuery), responses(
    (status = OK, description = "The blocks, in ascending order of the users' names.", body = BlockList),
    Refusals,
))]
async fn blocks(
    State(app): State<App>,
    Caller(caller): Caller,
    Fields(BlocksQuery {
        after,
        limit: given,
    }): Fields<BlocksQuery>,
) -> Result<Json<BlockList>, Failure> {
    let limit = limit(&app, given)?;
    let after = after.map(UserId::new).transpose()?;
    Ok(Json(caller.blocks(after.as_ref(), limit).await?))
}

/// Blocks a user, who is not notified.
#[utoipa::path(put, path = "/v1/blocks/{user}",
    params(("user" = UserId, Path, description = "The user to block.")), responses(
    (status = NO_CONTENT, description = "The user is blocked."),
    Refusals,
))]
async fn block(Caller(caller): Caller, Named(user): Named<UserId>) -> Result<StatusCode, Failure> {
    caller.block(&user).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Ends the block of a user.
#[utoipa::path(delete, path = "/v1/blocks/{user}",
    params(("user" = UserId, Path, description = "The user who is blocked.")), responses(
    (status = NO_CONTENT, description = "The user is not blocked."),
    Refusals,
))]
async fn unblock(
    Caller(caller): Caller,
    Named(user): Named<UserId>,
) -> Result<StatusCode, Failure> {
    caller.unblock(&user).await?;
    Ok(StatusCode::NO_CONTENT)
}
