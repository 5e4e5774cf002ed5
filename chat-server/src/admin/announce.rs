//! Announcements to everybody who is online.

use axum::{Extension, Json, extract::State};
use chat_core::{Announcement, ClientMessageId, Decision, Reason, Ruling};
use serde::Deserialize;
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{admission::Administrator, change::Key};
use crate::{
    http::{app::App, failure::Failure, parameters::Body},
    rest::document::Refusals,
};

/// The routes of this group.
pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(announce))
}

/// What to say to everybody.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct NewAnnouncement {
    /// The text: at most 1,000 characters.
    text: Announcement,
    /// The reason, for the record: at most 256 characters.
    #[serde(default)]
    #[schema(max_length = 256)]
    reason: Reason,
}

/// Sends a text to everybody who is connected by the native protocol, on all nodes. It is not stored in any
/// room.
#[utoipa::path(post, path = "/admin/v1/announce",
    params(("idempotency-key" = Option<ClientMessageId>, Header, description = "Makes a repetition safe.")),
    request_body = NewAnnouncement, responses(
    (status = OK, description = "The decision.", body = Decision),
    Refusals,
))]
async fn announce(
    State(app): State<App>,
    Extension(by): Extension<Administrator>,
    key: Key,
    Body(NewAnnouncement { text, reason }): Body<NewAnnouncement>,
) -> Result<Json<Decision>, Failure> {
    by.decide(&app, key, reason, Ruling::Announce { text })
        .await
        .map(Json)
}
