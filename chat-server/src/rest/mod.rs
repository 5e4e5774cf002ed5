//! REST: the engine's use cases over HTTP, with an OpenAPI document made from the handlers.

mod caller;
mod messages;
mod presence;
mod receipts;
mod rooms;

use chat_core::ErrorBody;
use utoipa::{
    Modify, OpenApi,
    openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme},
};
use utoipa_axum::router::OpenApiRouter;

use crate::http::app::App;

#[derive(OpenApi)]
#[openapi(
    info(title = "chat-server", description = "Rooms, messages, receipts and presence."),
    components(schemas(ErrorBody)),
    security(("token" = [])),
    modifiers(&Token)
)]
struct Document;

struct Token;

impl Modify for Token {
    fn modify(&self, document: &mut utoipa::openapi::OpenApi) {
        let bearer = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).build();
        let components = document.components.get_or_insert_default();
        components.add_security_scheme("token", SecurityScheme::Http(bearer));
    }
}

/// The routes, and the document that describes them.
pub(crate) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::with_openapi(Document::openapi())
        .merge(rooms::routes())
        .merge(messages::routes())
        .merge(receipts::routes())
        .merge(presence::routes())
}
