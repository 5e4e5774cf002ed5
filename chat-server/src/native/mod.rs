//! The native protocol: JSON in the text frames of a WebSocket. `docs/PROTOCOL.md` describes it.

mod connection;
mod frames;
mod guard;

use axum::{
    extract::{Request, State},
    http::{HeaderMap, HeaderName, StatusCode, header},
    response::{IntoResponse, Response},
};
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;

use self::connection::Connection;
use crate::{app::App, connections::Settle, failure::Failure};

/// Where it is spoken.
pub(crate) const PATH: &str = "/v1/ws";

/// The version of RFC 6455.
const VERSION: &str = "13";

/// Answers the handshake of RFC 6455 (4.2) and leaves the connection to a task of its own.
pub(crate) async fn upgrade(State(app): State<App>, mut request: Request) -> Response {
    let accept = match handshake(request.headers()) {
        Ok(accept) => accept,
        Err(refusal) => {
            let version = [(header::SEC_WEBSOCKET_VERSION, VERSION)];
            return (version, refusal).into_response();
        }
    };
    let Some(settle) = request.extensions_mut().remove::<Settle>() else {
        tracing::error!("a connection came past the listener");
        return StatusCode::INTERNAL_SERVER_ERROR.into_response();
    };
    let upgraded = hyper::upgrade::on(request);
    app.tasks
        .clone()
        .spawn(Connection::run(upgraded, app, settle));
    let headers = [
        (header::CONNECTION, "upgrade".to_owned()),
        (header::UPGRADE, "websocket".to_owned()),
        (header::SEC_WEBSOCKET_ACCEPT, accept),
    ];
    (StatusCode::SWITCHING_PROTOCOLS, headers).into_response()
}

/// The key to answer with, or why not.
fn handshake(headers: &HeaderMap) -> Result<String, Failure> {
    let key = headers.get(header::SEC_WEBSOCKET_KEY);
    let key = key.filter(|_| names(headers, header::CONNECTION, "upgrade"));
    let Some(key) = key.filter(|_| names(headers, header::UPGRADE, "websocket")) else {
        return Err(Failure::new(
            StatusCode::BAD_REQUEST,
            "this address wants a WebSocket",
        ));
    };
    let version = headers.get(header::SEC_WEBSOCKET_VERSION);
    if version.is_none_or(|version| version != VERSION) {
        return Err(Failure::new(
            StatusCode::UPGRADE_REQUIRED,
            "only version 13 is spoken here",
        ));
    }
    Ok(derive_accept_key(key.as_bytes()))
}

/// Whether a header's list holds this token.
fn names(headers: &HeaderMap, name: HeaderName, token: &str) -> bool {
    let values = headers
        .get_all(name)
        .into_iter()
        .filter_map(|value| value.to_str().ok());
    values
        .flat_map(|value| value.split(','))
        .any(|one| one.trim().eq_ignore_ascii_case(token))
}
