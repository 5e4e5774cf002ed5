//! Where a server listens.

use std::{fmt, net::SocketAddr, path::PathBuf};

use super::value::Value;

/// Where a server listens, and how that is written in settings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Address {
    /// At an IP address and a port, as in `127.0.0.1:5000`.
    Tcp(SocketAddr),
    /// At a Unix socket, as in `unix:/run/chat.sock`.
    Unix(PathBuf),
}

impl Address {
    /// The port, unless it is a Unix socket.
    pub fn port(&self) -> Option<u16> {
        match self {
            Self::Tcp(address) => Some(address.port()),
            Self::Unix(_) => None,
        }
    }

    /// Whether browsers of this machine can reach it, and nobody else.
    pub(crate) fn is_loopback(&self) -> bool {
        matches!(self, Self::Tcp(address) if address.ip().is_loopback())
    }

    /// Whether it can be reached from this machine only.
    pub(crate) fn is_local(&self) -> bool {
        self.is_loopback() || matches!(self, Self::Unix(_))
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => address.fmt(f),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

impl Value for Option<Address> {
    fn parse(text: &str) -> Result<Self, String> {
        match text {
            "off" => Ok(None),
            _ => Address::parse(text)
                .map(Some)
                .map_err(|form| format!("{form}, or off")),
        }
    }
}

impl Value for Address {
    fn parse(text: &str) -> Result<Self, String> {
        match text.strip_prefix("unix:") {
            Some(path) if !path.is_empty() => Ok(Self::Unix(path.into())),
            _ => text.parse().map(Self::Tcp).map_err(|_| {
                "an IP address and a port, such as 127.0.0.1:5000, or unix:PATH".to_owned()
            }),
        }
    }
}
