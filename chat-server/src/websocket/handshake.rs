//! The handshake that turns an HTTP request into a WebSocket (RFC 6455, 4.2).

use axum::{
    http::{HeaderMap, HeaderName, StatusCode, header},
    response::{IntoResponse, Response},
};
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;

/// The one version of the protocol.
pub(crate) const VERSION: &str = "13";

/// Why a request doesn't become a WebSocket.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Refused {
    /// It asks for no WebSocket, or brings no key.
    #[error("this address wants a WebSocket")]
    NoWebSocket,
    /// It asks for another version of the protocol.
    #[error("only version {VERSION} is spoken here")]
    OtherVersion,
}

impl Refused {
    /// The status to answer with, beside a header `sec-websocket-version` that names [`VERSION`].
    pub(crate) fn status(self) -> StatusCode {
        match self {
            Self::NoWebSocket => StatusCode::BAD_REQUEST,
            Self::OtherVersion => StatusCode::UPGRADE_REQUIRED,
        }
    }
}

/// The response that accepts the WebSocket which these headers ask for.
pub(crate) fn accept(headers: &HeaderMap) -> Result<Response, Refused> {
    let key = headers.get(header::SEC_WEBSOCKET_KEY);
    let key = key.filter(|_| lists(headers, header::CONNECTION, "upgrade"));
    let key = key.filter(|_| lists(headers, header::UPGRADE, "websocket"));
    let key = key.ok_or(Refused::NoWebSocket)?;
    let version = headers.get(header::SEC_WEBSOCKET_VERSION);
    if version.is_none_or(|version| version != VERSION) {
        return Err(Refused::OtherVersion);
    }
    let headers = [
        (header::CONNECTION, "upgrade".to_owned()),
        (header::UPGRADE, "websocket".to_owned()),
        (
            header::SEC_WEBSOCKET_ACCEPT,
            derive_accept_key(key.as_bytes()),
        ),
    ];
    Ok((StatusCode::SWITCHING_PROTOCOLS, headers).into_response())
}

/// Whether the list in a header holds this token.
fn lists(headers: &HeaderMap, name: HeaderName, token: &str) -> bool {
    let values = headers
        .get_all(name)
        .into_iter()
        .filter_map(|value| value.to_str().ok());
    values
        .flat_map(|value| value.split(','))
        .any(|one| one.trim().eq_ignore_ascii_case(token))
}
