//! The OpenAPI document: what the handlers say of themselves, and the limits that settings decide.

use std::collections::BTreeMap;

use axum::{
    Extension,
    http::header,
    response::{IntoResponse, Response as AxumResponse},
};
use chat_core::{
    ClientMessageId, Config, ErrorBody, InboxFilter, InboxPlace, RoomName, Topic, UserId,
};
use hyper::body::Bytes;
use serde_json::{Value, json};
use utoipa::{
    IntoResponses, Modify, OpenApi, ToSchema,
    openapi::{
        Content, Ref, RefOr, Response, ResponseBuilder,
        security::{HttpAuthScheme, HttpBuilder, SecurityScheme},
    },
};
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::http::app::App;

#[derive(OpenApi)]
#[openapi(
    info(
        title = "chat-server",
        description = "Rooms, messages, receipts and presence. The WebSocket at `/v1/ws` and Socket.IO at \
                       `/socket.io/` have protocols of their own.",
        license(name = "MIT OR Apache-2.0", identifier = "MIT OR Apache-2.0"),
    ),
    components(schemas(ErrorBody, InboxFilter, InboxPlace, Limit, Text)),
    security(("token" = [])),
    modifiers(&Token)
)]
pub(super) struct Document;

/// The bearer token of a request.
pub(crate) struct Token;

impl Modify for Token {
    fn modify(&self, document: &mut utoipa::openapi::OpenApi) {
        let bearer = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).build();
        let components = document.components.get_or_insert_default();
        components.add_security_scheme("token", SecurityScheme::Http(bearer));
    }
}

/// The most that a page may have.
#[derive(ToSchema)]
#[expect(dead_code, reason = "a schema only")]
pub(super) struct Limit(usize);

/// The text of a message.
#[derive(ToSchema)]
#[expect(dead_code, reason = "a schema only")]
pub(super) struct Text(String);

/// The answers to a request that is not carried out, all of them with an [`ErrorBody`].
pub(crate) struct Refusals;

impl IntoResponses for Refusals {
    fn responses() -> BTreeMap<String, RefOr<Response>> {
        let statuses = [
            ("400", "The request is not what this document describes."),
            ("401", "The token is missing or not valid."),
            ("429", "Too many requests: wait for `Retry-After` seconds."),
            ("4XX", "The request is refused; the error's code says why."),
            ("5XX", "The server can't serve the request now."),
        ];
        let responses = statuses.map(|(status, description)| {
            let body = Content::new(Some(Ref::from_schema_name("ErrorBody")));
            let response = ResponseBuilder::new()
                .description(description)
                .content("application/json", body);
            (status.to_owned(), RefOr::T(response.build()))
        });
        BTreeMap::from(responses)
    }
}

/// The document as it is served.
#[derive(Clone)]
pub(crate) struct Served(Bytes);

impl Served {
    /// Completes the document with the limits of these settings.
    pub(crate) fn new(document: &utoipa::openapi::OpenApi, config: &Config) -> Self {
        let mut document = serde_json::to_value(document).unwrap_or_default();
        let name = UserId::MAX_CHARS;
        for (schema, limits) in [
            (
                "UserId",
                json!({ "minLength": 1, "maxLength": name, "pattern": "^[^,]+$" }),
            ),
            (
                "RoomId",
                json!({ "minLength": 1, "maxLength": 2 * name + 1, "pattern": "^[^,]+(,[^,]+)?$" }),
            ),
            (
                "ClientMessageId",
                json!({
                    "minLength": 1, "maxLength": ClientMessageId::MAX_CHARS, "pattern": "^[!-~]+$"
                }),
            ),
            ("RoomName", json!({ "maxLength": RoomName::MAX_CHARS })),
            ("Topic", json!({ "maxLength": Topic::MAX_CHARS })),
            (
                "InviteToken",
                json!({
                    "minLength": 1, "maxLength": ClientMessageId::MAX_CHARS, "pattern": "^[!-~]+$"
                }),
            ),
            (
                "InboxPlace",
                json!({ "pattern": "^-?[0-9]{1,16}:[^,]+(,[^,]+)?$" }),
            ),
            // Without the format `int64`, which would end at half of that.
            (
                "Seq",
                json!({ "minimum": 0, "maximum": u64::MAX, "format": "uint64" }),
            ),
            (
                "Version",
                json!({ "minimum": 0, "maximum": u64::MAX, "format": "uint64" }),
            ),
            (
                "Text",
                json!({ "minLength": 1, "maxLength": config.text_chars }),
            ),
            (
                "Limit",
                json!({
                    "minimum": 1, "maximum": config.history_max, "default": config.history_page
                }),
            ),
        ] {
            let schema = document.pointer_mut(&format!("/components/schemas/{schema}"));
            if let (Some(Value::Object(schema)), Value::Object(limits)) = (schema, limits) {
                schema.extend(limits);
            }
        }
        Self(document.to_string().into())
    }
}

impl IntoResponse for Served {
    fn into_response(self) -> AxumResponse {
        ([(header::CONTENT_TYPE, "application/json")], self.0).into_response()
    }
}

/// The route of the document.
pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(openapi))
}

/// Gives this document.
#[utoipa::path(get, path = "/v1/openapi.json", security(()), responses(
    (status = OK, description = "The document.", body = Object),
    (status = "4XX", description = "The request is refused.", body = ErrorBody),
))]
async fn openapi(Extension(document): Extension<Served>) -> impl IntoResponse {
    document
}
