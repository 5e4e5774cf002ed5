//! How far the caller has received or read a room.

use axum::Json;
use chat_core::{Mark, RoomId, Seq, Watermarks};
use serde::Deserialize;
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{caller::Caller, document::Refusals};
use crate::http::{
    app::App,
    failure::Failure,
    parameters::{Body, Named},
};

/// The routes of this group.
pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(receipt))
}

/// How far the caller has got.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct NewReceipt {
    /// Received or read.
    mark: Mark,
    /// Up to and including this entry.
    seq: Seq,
}

/// States how far the caller has received or read a room.
#[utoipa::path(post, path = "/v1/rooms/{room}/receipts",
    params(("room" = RoomId, Path, description = "The room.")), request_body = NewReceipt, responses(
    (status = OK, description = "How far the caller has got now.", body = Watermarks),
    Refusals,
))]
async fn receipt(
    Caller(caller): Caller,
    Named(room): Named<RoomId>,
    Body(NewReceipt { mark, seq }): Body<NewReceipt>,
) -> Result<Json<Watermarks>, Failure> {
    Ok(Json(caller.receipt(&room, mark, seq).await?))
}
