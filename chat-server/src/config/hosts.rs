//! The names and addresses by which the server may be addressed.

use std::net::IpAddr;

use ipnet::IpNet;

use super::{origins, value::Value};

/// The hosts by which requests may address the server: those of their header `Host`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Hosts {
    /// This machine's own; those of the certificate and of `public-url` for a server that is exposed.
    Auto,
    /// These.
    These(Vec<Allowed>),
}

/// A host that is allowed, or a network of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Allowed {
    /// A name, in lower case.
    Name(String),
    /// An address, or all addresses of a network.
    Network(IpNet),
}

/// The host of a URL, an origin, or a header `Host`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Host {
    /// A name, in lower case and without a dot at its end.
    Name(String),
    /// An address.
    Address(IpAddr),
}

impl Host {
    /// Reads a host, and leaves out the port after it; `None` for text that is no host.
    pub(crate) fn of_authority(text: &str) -> Option<Self> {
        if let Some(rest) = text.strip_prefix('[') {
            let (address, _) = rest.split_once(']')?;
            return Some(Self::address(address.parse().ok()?));
        }
        let name = text.split_once(':').map_or(text, |(name, _)| name);
        let name = name.strip_suffix('.').unwrap_or(name);
        Some(match name.parse() {
            Ok(address) => Self::address(address),
            Err(_) if name.is_empty() => return None,
            Err(_) => Self::Name(name.to_ascii_lowercase()),
        })
    }

    fn address(address: IpAddr) -> Self {
        Self::Address(address.to_canonical())
    }

    /// Whether it is always this machine: `localhost`, `127.0.0.0/8` and `[::1]`.
    pub(crate) fn is_loopback(&self) -> bool {
        match self {
            Self::Name(name) => name == "localhost",
            Self::Address(address) => address.is_loopback(),
        }
    }

    /// Whether the list has it.
    pub(crate) fn is_among(&self, allowed: &[Allowed]) -> bool {
        allowed.iter().any(|one| match (one, self) {
            (Allowed::Name(one), Self::Name(name)) => one == name,
            (Allowed::Network(network), Self::Address(address)) => network.contains(address),
            _ => false,
        })
    }
}

impl Value for Hosts {
    fn parse(text: &str) -> Result<Self, String> {
        if text == "auto" {
            return Ok(Self::Auto);
        }
        let all = text.split(',').map(allowed).collect::<Option<_>>();
        all.map(Self::These).ok_or_else(|| {
            "auto, or names and addresses without a port, such as chat.example.org, [::1] or 10.0.0.0/8"
                .to_owned()
        })
    }
}

fn allowed(text: &str) -> Option<Allowed> {
    if let Ok(network) = text.parse::<IpNet>() {
        return Some(Allowed::Network(network));
    }
    let bare = text
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'));
    if let Ok(address) = bare.unwrap_or(text).parse::<IpAddr>() {
        return Some(Allowed::Network(address.to_canonical().into()));
    }
    let known = |byte: u8| byte.is_ascii_alphanumeric() || b"-._".contains(&byte);
    match Host::of_authority(text)? {
        Host::Name(name) if text.bytes().all(known) => Some(Allowed::Name(name)),
        _ => None,
    }
}

/// Where users find the server, as a proxy in front of it, or its own TLS, has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublicUrl {
    /// The scheme, the host and the port, as browsers write an origin.
    origin: String,
}

impl PublicUrl {
    /// The origin of pages that come from there.
    pub fn origin(&self) -> &str {
        &self.origin
    }

    /// `http` or `https`.
    pub(crate) fn scheme(&self) -> &str {
        self.origin.split(':').next().unwrap_or_default()
    }

    pub(crate) fn host(&self) -> Option<Host> {
        Host::of_authority(self.origin.split_once("://")?.1)
    }
}

impl Value for Option<PublicUrl> {
    fn parse(text: &str) -> Result<Self, String> {
        if text.is_empty() {
            return Ok(None);
        }
        let wrong = || "a URL such as https://chat.example.org".to_owned();
        let (scheme, rest) = text.split_once("://").ok_or_else(wrong)?;
        if !["http", "https"].contains(&scheme.to_ascii_lowercase().as_str()) {
            return Err(wrong());
        }
        // The path is the business of the proxy.
        let host = rest.split_once('/').map_or(rest, |(host, _)| host);
        let origin = origins::read(&format!("{scheme}://{host}"))
            .map_err(|why| format!("{}: it {why}", wrong()))?;
        Ok(Some(PublicUrl { origin }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_is_read_without_its_port() {
        for (text, shown) in [
            ("Chat.Example:5000", "Name(\"chat.example\")"),
            ("chat.example.", "Name(\"chat.example\")"),
            ("127.0.0.1:1", "Address(127.0.0.1)"),
            ("[::1]:80", "Address(::1)"),
            ("[::ffff:10.0.0.1]", "Address(10.0.0.1)"),
        ] {
            let host = Host::of_authority(text).unwrap();
            assert_eq!(format!("{host:?}"), shown);
        }
        for text in ["", ":80", "[x]", "[::1", "."] {
            assert_eq!(Host::of_authority(text), None, "{text}");
        }
    }

    #[test]
    fn names_addresses_and_networks_are_allowed_and_nothing_else() {
        let Hosts::These(list) =
            Hosts::parse("chat.example,10.0.0.0/8,[2001:db8::1],192.0.2.1").unwrap()
        else {
            panic!("a list");
        };
        for (host, allowed) in [
            ("chat.example:80", true),
            ("CHAT.EXAMPLE", true),
            ("a.chat.example", false),
            ("10.1.2.3:5000", true),
            ("11.1.2.3", false),
            ("[2001:db8::1]", true),
            ("[2001:db8::2]", false),
            ("192.0.2.1", true),
            ("localhost", false),
        ] {
            let host_read = Host::of_authority(host).unwrap();
            assert_eq!(host_read.is_among(&list), allowed, "{host}");
        }
        for bad in [
            "",
            "a.example:80",
            "https://a.example",
            "*.example",
            "a b",
            "10.0.0.0/40",
            "a,,b",
        ] {
            assert!(Hosts::parse(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn a_public_url_is_kept_as_its_origin() {
        for (given, kept) in [
            ("https://Chat.example:443/", "https://chat.example"),
            ("http://localhost:8080", "http://localhost:8080"),
            ("https://example.org/chat", "https://example.org"),
        ] {
            let url = Option::<PublicUrl>::parse(given).unwrap().unwrap();
            assert_eq!(url.origin(), kept);
        }
        for bad in [
            "chat.example",
            "ftp://chat.example",
            "https://",
            "https://*.a",
        ] {
            assert!(Option::<PublicUrl>::parse(bad).is_err(), "{bad:?}");
        }
    }
}
