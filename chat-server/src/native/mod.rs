//! The native protocol: JSON in the text frames of a WebSocket. `docs/PROTOCOL.md` describes it.

mod connection;

use axum::{
    Router,
    extract::{Request, State},
    response::{IntoResponse, Response},
    routing::get,
};

use self::connection::Connection;
use crate::{
    http::{app::App, connections::Settle, failure::Failure},
    websocket::handshake,
};

/// `GET /v1/ws`.
pub(crate) fn routes() -> Router<App> {
    Router::new().route("/v1/ws", get(upgrade))
}

/// Answers the handshake, and leaves the connection to a task of its own.
async fn upgrade(State(app): State<App>, mut request: Request) -> Response {
    let response = match handshake::accept(&request) {
        Ok(response) => response,
        Err(refused) => {
            let failure = Failure::new(refused.status(), refused.to_string());
            return refused.complete(failure.into_response());
        }
    };
    let settle = request.extensions_mut().remove::<Settle>();
    let upgraded = hyper::upgrade::on(request);
    app.tasks
        .clone()
        .spawn(Connection::run(upgraded, app, settle));
    response
}
