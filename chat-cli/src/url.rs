//! The address of a server as people type it, turned into that of the native protocol.

use tokio_tungstenite::tungstenite::http::{Uri, uri::InvalidUri};

use crate::error::ClientError;

/// The path of the native protocol.
const PATH: &str = "/v1/ws";

/// The address of a server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Address {
    /// The address of the WebSocket.
    pub(crate) uri: Uri,
    /// The host's name or address, without the brackets of IPv6.
    pub(crate) host: String,
    pub(crate) port: u16,
    pub(crate) tls: bool,
}

/// Reads `https://host`, `ws://host:port/v1/ws`, `host:port` and the like.
pub(crate) fn parse(server: &str) -> Result<Address, ClientError> {
    let invalid = |why: &str| ClientError::Url {
        url: server.to_owned(),
        why: why.to_owned(),
    };
    let (scheme, rest) = server.split_once("://").unwrap_or(("http", server));
    let tls = match scheme.to_ascii_lowercase().as_str() {
        "http" | "ws" => false,
        "https" | "wss" => true,
        _ => return Err(invalid("it begins with http://, https://, ws:// or wss://")),
    };
    if rest.contains(['?', '#', '@']) {
        return Err(invalid("it holds no query, fragment or user"));
    }
    let base = rest.trim_end_matches('/');
    if base.is_empty() {
        return Err(invalid("it names no host"));
    }
    let scheme = if tls { "wss" } else { "ws" };
    let path = if base.ends_with(PATH) { "" } else { PATH };
    let uri: Uri = format!("{scheme}://{base}{path}")
        .parse()
        .map_err(|error: InvalidUri| invalid(&error.to_string()))?;
    let Some(authority) = uri.authority() else {
        return Err(invalid("it names no host"));
    };
    let port = match authority.port_u16() {
        Some(port) => port,
        None if authority.as_str() != authority.host() => {
            return Err(invalid("its port is a number up to 65535"));
        }
        None if tls => 443,
        None => 80,
    };
    let host = authority.host().trim_matches(['[', ']']).to_owned();
    Ok(Address {
        uri,
        host,
        port,
        tls,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_usual_spelling_of_a_server_leads_to_the_native_protocol() {
        for (server, uri, host, port) in [
            (
                "http://127.0.0.1:5000",
                "ws://127.0.0.1:5000/v1/ws",
                "127.0.0.1",
                5000,
            ),
            (
                "http://127.0.0.1:5000/",
                "ws://127.0.0.1:5000/v1/ws",
                "127.0.0.1",
                5000,
            ),
            (
                "HTTP://chat.example",
                "ws://chat.example/v1/ws",
                "chat.example",
                80,
            ),
            (
                "https://chat.example",
                "wss://chat.example/v1/ws",
                "chat.example",
                443,
            ),
            (
                "wss://chat.example:1/",
                "wss://chat.example:1/v1/ws",
                "chat.example",
                1,
            ),
            (
                "ws://[::1]:5000/v1/ws",
                "ws://[::1]:5000/v1/ws",
                "::1",
                5000,
            ),
            (
                "localhost:5000",
                "ws://localhost:5000/v1/ws",
                "localhost",
                5000,
            ),
            (
                "http://host/behind/a/proxy",
                "ws://host/behind/a/proxy/v1/ws",
                "host",
                80,
            ),
        ] {
            let address = parse(server).unwrap();
            assert_eq!(address.uri.to_string(), uri, "{server}");
            assert_eq!(
                (address.host.as_str(), address.port),
                (host, port),
                "{server}"
            );
            assert_eq!(address.tls, uri.starts_with("wss"), "{server}");
        }
    }

    #[test]
    fn nonsense_is_refused_with_a_reason() {
        for (server, why) in [
            ("ftp://chat.example", "begins with"),
            ("http://", "host"),
            ("http://a b", "invalid"),
            ("http://host:port", "port"),
            ("http://host:70000", "port"),
            ("http://u:p@host", "user"),
        ] {
            let error = parse(server).unwrap_err().to_string();
            assert!(error.contains(why), "{server}: {error}");
        }
    }
}
