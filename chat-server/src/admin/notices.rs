//! Notices in rooms.

use axum::{Extension, Json, extract::State};
use chat_core::{ClientMessageId, Data, Decision, Reason, RoomId, Ruling};
use serde::Deserialize;
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{admission::Administrator, change::Key};
use crate::{
    http::{
        app::App,
        failure::Failure,
        parameters::{Body, Named},
    },
    rest::document::Refusals,
};

/// The routes of this group.
pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(notice))
}

/// What to say in a room.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct NewNotice {
    /// The text, under the rules of a message; may be empty if there is data.
    #[serde(default)]
    text: String,
    /// The application's own data: a JSON object of at most 4 KiB.
    #[serde(default)]
    data: Data,
    /// The reason, for the record: at most 256 characters.
    #[serde(default)]
    #[schema(max_length = 256)]
    reason: Reason,
}

/// Puts a notice into a room, whose members are sent it as an entry by `system`. Archived rooms take it too.
#[utoipa::path(post, path = "/admin/v1/rooms/{room}/notices",
    params(
        ("room" = RoomId, Path, description = "The room."),
        ("idempotency-key" = Option<ClientMessageId>, Header, description = "Makes a repetition safe."),
    ),
    request_body = NewNotice, responses(
    (status = OK, description = "The decision.", body = Decision),
    Refusals,
))]
async fn notice(
    State(app): State<App>,
    Extension(by): Extension<Administrator>,
    Named(room): Named<RoomId>,
    Key(key): Key,
    Body(NewNotice { text, data, reason }): Body<NewNotice>,
) -> Result<Json<Decision>, Failure> {
    // First the notice, which may be refused. After a crash in between, a repetition of the request completes
    // the record.
    app.engine
        .notice_as(&room, &text, data, key.clone())
        .await?;
    let record = Ruling::Notice { room };
    by.decide(&app, Key(key), reason, record).await.map(Json)
}
