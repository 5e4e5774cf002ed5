//! Where the administration is, and the connection to it.

use std::{net::IpAddr, path::PathBuf};

use axum::http::Uri;
use rustls::pki_types::ServerName;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
};

use crate::http::client;

/// A connection with or without TLS.
pub(super) trait Stream: AsyncRead + AsyncWrite + Unpin {}

impl<S: AsyncRead + AsyncWrite + Unpin> Stream for S {}

/// Where the administration is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Place {
    Tcp { host: String, port: u16, tls: bool },
    Unix(PathBuf),
}

impl Place {
    /// Reads `http://127.0.0.1:5001`, `https://HOST:PORT` and `unix:PATH`.
    ///
    /// # Errors
    ///
    /// The fault of the text, and its remedy.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let wrong = |why: &str| Err(format!("url: {text:?} {why}"));
        if let Some(path) = text.strip_prefix("unix:").filter(|path| !path.is_empty()) {
            return Ok(Self::Unix(path.into()));
        }
        let form = "is not of the form http://127.0.0.1:5001, https://HOST:PORT or unix:PATH";
        let Ok(url) = text.parse::<Uri>() else {
            return wrong(form);
        };
        let tls = match url.scheme_str() {
            Some("http") => false,
            Some("https") => true,
            _ => return wrong(form),
        };
        let host = url.host().unwrap_or_default();
        let plain = url.path() == "/" && url.query().is_none() && !text.contains('@');
        if host.is_empty() || !plain {
            return wrong(form);
        }
        let host = host.trim_matches(['[', ']']).to_owned();
        if !tls && !is_loopback(&host) {
            return wrong("would send the token over the network unencrypted; use https://");
        }
        let port = url.port_u16().unwrap_or(if tls { 443 } else { 80 });
        Ok(Self::Tcp { host, port, tls })
    }

    /// The header `host` of requests.
    pub(super) fn authority(&self) -> String {
        match self {
            Self::Tcp { host, port, .. } if host.contains(':') => format!("[{host}]:{port}"),
            Self::Tcp { host, port, .. } => format!("{host}:{port}"),
            Self::Unix(_) => "localhost".to_owned(),
        }
    }

    /// Connects.
    ///
    /// # Errors
    ///
    /// The reason of the system, or of TLS.
    pub(super) async fn connect(&self) -> Result<Box<dyn Stream>, String> {
        match self {
            Self::Tcp { host, port, tls } => {
                let tcp = TcpStream::connect((&**host, *port)).await;
                let tcp = tcp.map_err(|error| error.to_string())?;
                if !tls {
                    return Ok(Box::new(tcp));
                }
                let name = ServerName::try_from(host.clone()).map_err(|error| error.to_string())?;
                let connected = client::tls()?.connect(name, tcp).await;
                Ok(Box::new(connected.map_err(|error| error.to_string())?))
            }
            #[cfg(unix)]
            Self::Unix(path) => {
                let stream = tokio::net::UnixStream::connect(path).await;
                Ok(Box::new(stream.map_err(|error| error.to_string())?))
            }
            #[cfg(not(unix))]
            Self::Unix(_) => Err("this system has no Unix sockets".to_owned()),
        }
    }
}

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Tcp { tls, .. } => {
                let scheme = if *tls { "https" } else { "http" };
                write!(f, "{scheme}://{}", self.authority())
            }
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

fn is_loopback(host: &str) -> bool {
    host == "localhost" || host.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_a_url_without_a_path_or_a_socket() {
        for (text, shown) in [
            ("http://127.0.0.1:5001", "http://127.0.0.1:5001"),
            ("http://localhost:5001/", "http://localhost:5001"),
            ("http://[::1]:5001", "http://[::1]:5001"),
            ("https://chat.example", "https://chat.example:443"),
            ("unix:/run/chat/admin.sock", "unix:/run/chat/admin.sock"),
        ] {
            assert_eq!(Place::parse(text).unwrap().to_string(), shown);
        }
        for text in [
            "",
            "unix:",
            "127.0.0.1:5001",
            "ftp://127.0.0.1",
            "http://",
            "https://chat.example/admin",
            "https://me@chat.example",
        ] {
            assert!(Place::parse(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn a_token_is_not_sent_over_a_network_unencrypted() {
        let error = Place::parse("http://chat.example:5001").unwrap_err();
        assert!(error.contains("use https://"), "{error}");
    }
}
