//! The native protocol: JSON in the text frames of a WebSocket. `docs/PROTOCOL.md` describes it.

mod connection;

use axum::{
    extract::{Request, State},
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};
use utoipa_axum::{router::OpenApiRouter, routes};

use chat_core::port::Via;

use self::connection::Connection;
use crate::{
    http::{app::App, failure::Failure, peer::Address},
    rest::document::Refusals,
    websocket::handshake,
};

/// `GET /v1/ws`.
pub(crate) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(upgrade))
}

/// Opens a WebSocket, on which the native protocol is spoken.
// Answers the handshake, and leaves the connection to a task of its own.
#[utoipa::path(get, path = "/v1/ws", security((), ("token" = [])), responses(
    (status = SWITCHING_PROTOCOLS, description = "The connection is a WebSocket from here on."),
    Refusals,
))]
async fn upgrade(State(app): State<App>, address: Address, request: Request) -> Response {
    let response = match handshake::accept(&request) {
        Ok(response) => response,
        Err(refused) => {
            let failure = Failure::new(refused.status(), refused.to_string());
            return refused.complete(failure.into_response());
        }
    };
    let Some(slot) = app.sessions.admit(address) else {
        let why = "this address has as many connections as it may have";
        let failure = Failure::new(StatusCode::SERVICE_UNAVAILABLE, why);
        return ([(header::RETRY_AFTER, "1")], failure).into_response();
    };
    // A client that can set headers may prove who it is with the upgrade.
    let known = if request.headers().contains_key(header::AUTHORIZATION) {
        let Address(from) = address;
        let known = app
            .login
            .bearer(&app.engine, request.headers(), Via::Native, from);
        match known.await {
            Ok(principal) => Some(principal),
            Err(error) => return Failure::from(error).into_response(),
        }
    } else {
        None
    };
    let upgraded = hyper::upgrade::on(request);
    app.tasks
        .clone()
        .spawn(Connection::run(upgraded, app, slot, known));
    response
}
