//! The OpenAPI document of the administration.

use axum::{Extension, response::IntoResponse};
use chat_core::ErrorBody;
use utoipa::OpenApi;
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{
    http::app::App,
    rest::document::{Refusals, Served, Token},
};

#[derive(OpenApi)]
#[openapi(
    info(
        title = "chat-server administration",
        description = "For the people and programs that run the server. Every request has the token of \
                       `admin-token-file`, or that of a user of the rank admin.",
        license(name = "MIT OR Apache-2.0", identifier = "MIT OR Apache-2.0"),
    ),
    components(schemas(ErrorBody)),
    security(("token" = [])),
    modifiers(&Token)
)]
pub(super) struct Document;

/// The route of the document.
pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(openapi))
}

/// Gives this document.
#[utoipa::path(get, path = "/openapi.json", responses(
    (status = OK, description = "The document.", body = Object),
    Refusals,
))]
async fn openapi(Extension(document): Extension<Served>) -> impl IntoResponse {
    document
}
