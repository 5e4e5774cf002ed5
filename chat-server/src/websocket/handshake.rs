//! The handshake that turns an HTTP request into a WebSocket (RFC 6455, 4.2).

use axum::{
    extract::Request,
    http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Version, header},
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
    /// It asks for a WebSocket in a way that RFC 6455 forbids.
    #[error(
        "the handshake of a WebSocket is a GET of HTTP/1.1 with one host and one key of 16 bytes"
    )]
    Broken,
    /// It asks for another version of the protocol.
    #[error("only version {VERSION} is spoken here")]
    OtherVersion,
}

impl Refused {
    /// The status to answer with.
    pub(crate) fn status(self) -> StatusCode {
        match self {
            Self::NoWebSocket | Self::Broken => StatusCode::BAD_REQUEST,
            Self::OtherVersion => StatusCode::UPGRADE_REQUIRED,
        }
    }

    /// Adds to the answer which protocol, and which version of it, is spoken here (RFC 6455, 4.2.2;
    /// RFC 9110, 15.5.22).
    pub(crate) fn complete(self, mut response: Response) -> Response {
        let headers = response.headers_mut();
        headers.insert(
            header::SEC_WEBSOCKET_VERSION,
            HeaderValue::from_static(VERSION),
        );
        if self == Self::OtherVersion {
            headers.insert(header::CONNECTION, HeaderValue::from_static("upgrade"));
            headers.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
        }
        response
    }
}

/// The response that accepts the WebSocket which this request asks for.
pub(crate) fn accept(request: &Request) -> Result<Response, Refused> {
    let headers = request.headers();
    let asks = lists(headers, header::CONNECTION, "upgrade")
        && lists(headers, header::UPGRADE, "websocket")
        && headers.contains_key(header::SEC_WEBSOCKET_KEY);
    if !asks {
        return Err(Refused::NoWebSocket);
    }
    let host = single(headers, header::HOST).filter(|host| !host.is_empty());
    let key = single(headers, header::SEC_WEBSOCKET_KEY).filter(|key| is_key(key.as_bytes()));
    let versions = headers
        .get_all(header::SEC_WEBSOCKET_VERSION)
        .iter()
        .count();
    let right = *request.method() == Method::GET
        && request.version() >= Version::HTTP_11
        && host.is_some()
        && versions <= 1;
    let key = key.filter(|_| right).ok_or(Refused::Broken)?;
    if single(headers, header::SEC_WEBSOCKET_VERSION).is_none_or(|version| version != VERSION) {
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

/// The value of a header that is there once.
fn single(headers: &HeaderMap, name: HeaderName) -> Option<&HeaderValue> {
    let mut values = headers.get_all(name).into_iter();
    values.next().filter(|_| values.next().is_none())
}

/// Whether this is the base64 of 16 bytes.
fn is_key(key: &[u8]) -> bool {
    let symbol = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'+' || *byte == b'/';
    key.len() == 24
        && key.ends_with(b"==")
        && key[..22].iter().all(symbol)
        // The last symbol carries two bits of the last byte.
        && b"AQgw".contains(&key[21])
}

#[cfg(test)]
mod tests {
    use axum::body::Body;

    use super::*;

    const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";

    /// The answer to the handshake of RFC 6455 (1.3), but for what `change` changes.
    fn answer(change: impl FnOnce(&mut Request)) -> Result<Response, Refused> {
        let request = Request::builder()
            .header("host", "server.example.com")
            .header("upgrade", "WebSocket")
            .header("connection", "keep-alive, Upgrade")
            .header("sec-websocket-key", KEY)
            .header("sec-websocket-version", VERSION);
        let mut request = request.body(Body::empty()).unwrap();
        change(&mut request);
        accept(&request)
    }

    fn with(name: &'static str, value: &'static str) -> Result<Response, Refused> {
        answer(|request| {
            request
                .headers_mut()
                .insert(name, HeaderValue::from_static(value));
        })
    }

    fn twice(name: &'static str, value: &'static str) -> Result<Response, Refused> {
        answer(|request| {
            request
                .headers_mut()
                .append(name, HeaderValue::from_static(value));
        })
    }

    fn without(name: &str) -> Result<Response, Refused> {
        answer(|request| drop(request.headers_mut().remove(name)))
    }

    #[test]
    fn the_example_of_the_standard_is_accepted() {
        let response = answer(|_| {}).unwrap();
        assert_eq!(response.status(), StatusCode::SWITCHING_PROTOCOLS);
        let accept = &response.headers()[header::SEC_WEBSOCKET_ACCEPT];
        assert_eq!(accept, "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
    }

    #[test]
    fn what_asks_for_no_websocket_is_told_so() {
        for name in ["upgrade", "connection", "sec-websocket-key"] {
            assert_eq!(without(name).unwrap_err(), Refused::NoWebSocket, "{name}");
        }
        assert_eq!(with("upgrade", "h2c").unwrap_err(), Refused::NoWebSocket);
        assert_eq!(
            with("connection", "close").unwrap_err(),
            Refused::NoWebSocket
        );
    }

    #[test]
    fn a_handshake_that_the_standard_forbids_is_refused() {
        let broken = [
            without("host"),
            with("host", ""),
            twice("host", "other.example.com"),
            twice("sec-websocket-key", KEY),
            twice("sec-websocket-version", VERSION),
            with("sec-websocket-key", ""),
            with("sec-websocket-key", "MTUgYnl0ZXMgbG9uZyE="),
            with("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZR=="),
            with("sec-websocket-key", "dGhlIHNhbXBsZSBub25j!Q=="),
            answer(|request| *request.method_mut() = Method::HEAD),
            answer(|request| *request.version_mut() = Version::HTTP_10),
        ];
        for (at, refused) in broken.into_iter().enumerate() {
            assert_eq!(refused.unwrap_err(), Refused::Broken, "{at}");
        }
    }

    #[test]
    fn another_version_is_answered_with_the_one_that_is_spoken() {
        for refused in [
            with("sec-websocket-version", "8"),
            without("sec-websocket-version"),
        ] {
            let refused = refused.unwrap_err();
            assert_eq!(refused, Refused::OtherVersion);
            let response = refused.complete(refused.status().into_response());
            assert_eq!(response.status(), StatusCode::UPGRADE_REQUIRED);
            assert_eq!(response.headers()[header::SEC_WEBSOCKET_VERSION], VERSION);
            assert_eq!(response.headers()[header::UPGRADE], "websocket");
        }
    }
}
