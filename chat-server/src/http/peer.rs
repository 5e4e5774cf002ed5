//! The client of a request: the peer of its connection, or the one that a trusted proxy names.

use std::{
    convert::Infallible,
    net::{IpAddr, SocketAddr},
    sync::atomic::{AtomicBool, Ordering},
};

use axum::{
    extract::FromRequestParts,
    http::{HeaderMap, request::Parts},
};

use super::connections::{Settle, Slot};
use crate::config::Proxies;

/// The header in which each proxy adds the address of its own peer at the end.
const FORWARDED_FOR: &str = "x-forwarded-for";

/// The connection that a request has come by.
#[derive(Debug, Clone)]
pub(crate) struct Peer {
    /// Its address; `None` on a Unix socket.
    pub(super) address: Option<IpAddr>,
    /// Whether it may name the client.
    pub(super) is_proxy: bool,
    pub(super) settle: Settle,
}

/// The address of a request's client; `None` on a Unix socket whose peers are not trusted to name it, and
/// where the routes are nested in another service.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Address(pub(crate) Option<IpAddr>);

impl<S: Sync> FromRequestParts<S> for Address {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        Ok(parts.extensions.get().copied().unwrap_or(Self(None)))
    }
}

/// The header does not say who the client is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the header `{FORWARDED_FOR}` has something that is no address")]
pub(super) struct Unreadable;

impl Peer {
    /// The client of a request that has come by the connection. The connection is new no longer.
    ///
    /// # Errors
    ///
    /// A header of a trusted proxy that can't be read.
    pub(super) fn client(
        &self,
        headers: &HeaderMap,
        trusted: &Proxies,
    ) -> Result<Address, Unreadable> {
        self.settle.settle();
        if !self.is_proxy {
            return Ok(Address(self.address));
        }
        let named = named(headers, trusted)?;
        if named.is_none() {
            warn_of_silence();
        }
        Ok(Address(named.or(self.address)))
    }

    /// Counts one more connection of the same address; `None` when it is one too many.
    pub(crate) fn admit_another(&self) -> Option<Slot> {
        self.settle.admit_another()
    }
}

/// Logs, once, that the clients of a proxy share one address.
fn warn_of_silence() {
    static SAID: AtomicBool = AtomicBool::new(false);
    if !SAID.swap(true, Ordering::Relaxed) {
        tracing::warn!("a trusted proxy sends no {FORWARDED_FOR}: its clients share its limits");
    }
}

/// The rightmost address that is not a trusted proxy's. What stands left of it was sent by the client, who
/// may say anything. If all are trusted it is the leftmost.
fn named(headers: &HeaderMap, trusted: &Proxies) -> Result<Option<IpAddr>, Unreadable> {
    let lines: Vec<_> = headers.get_all(FORWARDED_FOR).iter().collect();
    let mut client = None;
    for line in lines.into_iter().rev() {
        let line = line.to_str().map_err(|_| Unreadable)?;
        for text in line.rsplit(',') {
            let address = address(text.trim()).ok_or(Unreadable)?;
            client = Some(address);
            if !trusted.has(client) {
                return Ok(client);
            }
        }
    }
    Ok(client)
}

/// An address, with a port behind it where a proxy writes one.
fn address(text: &str) -> Option<IpAddr> {
    let bare = text
        .strip_prefix('[')
        .and_then(|text| text.strip_suffix(']'));
    let alone = bare.unwrap_or(text).parse::<IpAddr>();
    let address = alone.or_else(|_| text.parse::<SocketAddr>().map(|address| address.ip()));
    Some(address.ok()?.to_canonical())
}

/// The client that lines of `X-Forwarded-For` name to a server which trusts the proxies in `10.0.0.0/8`:
/// for fuzzing. `None` when they are refused, or there are none.
pub fn client_named_by(lines: &[&[u8]]) -> Option<IpAddr> {
    let trusted = crate::config::Settings::with(&[
        ("trusted-proxy", "10.0.0.0/8"),
        ("allow-open-network", "true"),
        ("allowed-host", "localhost"),
    ]);
    let lines = lines
        .iter()
        .filter_map(|line| line.to_vec().try_into().ok());
    let name = axum::http::HeaderName::from_static(FORWARDED_FOR);
    let headers = lines.map(|line| (name.clone(), line)).collect();
    named(&headers, &trusted.ok()?.trusted_proxy).ok()?
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client(lines: &[&str]) -> Option<String> {
        let lines: Vec<_> = lines.iter().map(|line| line.as_bytes()).collect();
        client_named_by(&lines).map(|client| client.to_string())
    }

    #[test]
    fn the_rightmost_address_that_is_no_proxys_is_the_client() {
        for (lines, expected) in [
            (vec!["203.0.113.7"], "203.0.113.7"),
            (vec!["1.1.1.1, 203.0.113.7"], "203.0.113.7"),
            (
                vec!["1.1.1.1, 203.0.113.7,10.0.0.2 , 10.9.9.9"],
                "203.0.113.7",
            ),
            (vec!["1.1.1.1", "203.0.113.7", "10.0.0.2"], "203.0.113.7"),
            (vec!["forged; nonsense, 203.0.113.7"], "203.0.113.7"),
            (vec!["203.0.113.7:4711"], "203.0.113.7"),
            (vec!["[2001:db8::1]:4711"], "2001:db8::1"),
            (vec!["[2001:db8::1]"], "2001:db8::1"),
            (vec!["::ffff:203.0.113.7"], "203.0.113.7"),
            (vec!["10.0.0.3, 10.0.0.2"], "10.0.0.3"),
        ] {
            assert_eq!(client(&lines).as_deref(), Some(expected), "{lines:?}");
        }
        let many = format!("{}203.0.113.7", "1.2.3.4,".repeat(1_000));
        assert_eq!(client(&[&many]).as_deref(), Some("203.0.113.7"));
    }

    #[test]
    fn what_is_no_address_names_no_client() {
        for lines in [
            vec![],
            vec![""],
            vec!["unknown"],
            vec!["203.0.113.7,"],
            vec!["203.0.113.7, chat.example"],
            vec!["203.0.113.7", "for=203.0.113.8"],
            vec!["203.0.113.7 10.0.0.1"],
        ] {
            assert_eq!(client(&lines), None, "{lines:?}");
        }
    }
}
