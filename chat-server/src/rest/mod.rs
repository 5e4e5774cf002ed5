//! REST: the engine's use cases over HTTP, with an OpenAPI document made from the handlers.

mod blocks;
mod caller;
pub(crate) mod document;
mod inbox;
mod invites;
mod members;
mod messages;
mod presence;
mod readers;
mod receipts;
mod rooms;
mod sanctions;

use utoipa::OpenApi;
use utoipa_axum::router::OpenApiRouter;

use self::document::Document;
use crate::http::app::App;

/// The routes, and the document that describes them.
pub(crate) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::with_openapi(Document::openapi())
        .merge(rooms::routes())
        .merge(inbox::routes())
        .merge(members::routes())
        .merge(blocks::routes())
        .merge(invites::routes())
        .merge(sanctions::routes())
        .merge(messages::routes())
        .merge(receipts::routes())
        .merge(readers::routes())
        .merge(presence::routes())
        .merge(document::routes())
}
