//! Where a server is: what people type, turned into the address of the native protocol.

use tokio_tungstenite::tungstenite::http::{Uri, uri::InvalidUri};

use crate::error::ClientError;

/// The path of the native protocol.
const PATH: &str = "/v1/ws";

/// Turns `http://host:port`, `ws://host:port/v1/ws` or `host:port` into a WebSocket address.
pub(crate) fn websocket(server: &str) -> Result<Uri, ClientError> {
    let invalid = |why: &str| ClientError::Url {
        url: server.to_owned(),
        why: why.to_owned(),
    };
    let (scheme, rest) = server.split_once("://").unwrap_or(("http", server));
    match scheme.to_ascii_lowercase().as_str() {
        "http" | "ws" => {}
        "https" | "wss" => {
            return Err(invalid(
                "this client has no TLS; use http:// or ws://, or a local TLS tunnel",
            ));
        }
        _ => return Err(invalid("it begins with http:// or ws://")),
    }
    if rest.contains(['?', '#', '@']) {
        return Err(invalid("it holds no query, fragment or user"));
    }
    let base = rest.trim_end_matches('/');
    if base.is_empty() {
        return Err(invalid("it names no host"));
    }
    let path = if base.ends_with(PATH) { "" } else { PATH };
    let uri: Uri = format!("ws://{base}{path}")
        .parse()
        .map_err(|error: InvalidUri| invalid(&error.to_string()))?;
    match uri.authority() {
        Some(at) if at.port_u16().is_none() && at.as_str() != at.host() => {
            Err(invalid("its port is a number up to 65535"))
        }
        _ => Ok(uri),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_usual_spelling_of_a_server_leads_to_the_native_protocol() {
        for (server, expected) in [
            ("http://127.0.0.1:5000", "ws://127.0.0.1:5000/v1/ws"),
            ("http://127.0.0.1:5000/", "ws://127.0.0.1:5000/v1/ws"),
            ("HTTP://chat.example", "ws://chat.example/v1/ws"),
            ("ws://[::1]:5000/v1/ws", "ws://[::1]:5000/v1/ws"),
            ("localhost:5000", "ws://localhost:5000/v1/ws"),
            (
                "http://host/behind/a/proxy",
                "ws://host/behind/a/proxy/v1/ws",
            ),
        ] {
            assert_eq!(websocket(server).unwrap().to_string(), expected, "{server}");
        }
    }

    #[test]
    fn tls_and_nonsense_are_refused_with_a_reason() {
        for (server, why) in [
            ("https://chat.example", "no TLS"),
            ("wss://chat.example", "no TLS"),
            ("ftp://chat.example", "begins with"),
            ("http://", "host"),
            ("http://a b", "invalid"),
            ("http://host:port", "port"),
            ("http://host:70000", "port"),
            ("http://u:p@host", "user"),
        ] {
            let error = websocket(server).unwrap_err().to_string();
            assert!(error.contains(why), "{server}: {error}");
        }
    }
}
