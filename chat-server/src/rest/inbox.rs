//! The caller's inbox, and how the caller has a room set.

use axum::{Json, extract::State};
use chat_core::{InboxFilter, InboxPage, InboxPlace, Me, MeChange, RoomId};
use serde::Deserialize;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{
    caller::{Caller, limit},
    document::{Limit, Refusals},
};
use crate::http::{
    app::App,
    failure::Failure,
    parameters::{Body, Fields, Named},
};

/// The routes of this group.
pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(inbox))
        .routes(routes!(change_me))
}

#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct InboxQuery {
    /// The rooms to list; without it all but the hidden ones.
    #[serde(default)]
    filter: InboxFilter,
    /// Begin after this place: `next` of the page before.
    #[param(value_type = Option<InboxPlace>)]
    after: Option<String>,
    /// The most rooms to list.
    #[param(value_type = Option<Limit>)]
    limit: Option<usize>,
}

/// Lists the caller's rooms in the order of their newest messages.
#[utoipa::path(get, path = "/v1/inbox", params(InboxQuery), responses(
    (status = OK, description = "The rooms, the one with the newest message first.", body = InboxPage),
    Refusals,
))]
async fn inbox(
    State(app): State<App>,
    Caller(caller): Caller,
    Fields(InboxQuery {
        filter,
        after,
        limit: given,
    }): Fields<InboxQuery>,
) -> Result<Json<InboxPage>, Failure> {
    let limit = limit(&app, given)?;
    let after: Option<InboxPlace> = after.map(|place| place.parse()).transpose()?;
    Ok(Json(caller.inbox(filter, after.as_ref(), limit).await?))
}

/// Changes how the caller has a room set, on all of the caller's devices.
#[utoipa::path(patch, path = "/v1/rooms/{room}/me",
    params(("room" = RoomId, Path, description = "The room.")), request_body = MeChange, responses(
    (status = OK, description = "All that the caller has set for the room.", body = Me),
    Refusals,
))]
async fn change_me(
    Caller(caller): Caller,
    Named(room): Named<RoomId>,
    Body(change): Body<MeChange>,
) -> Result<Json<Me>, Failure> {
    Ok(Json(caller.set_me(&room, change).await?))
}
