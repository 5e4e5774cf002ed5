//! The proxies in front of the server: which peers are believed, and how they name their clients.

use std::net::IpAddr;

use ipnet::IpNet;

use super::value::{Value, choose};

/// The peers that are believed when they name the address of a client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proxies {
    networks: Vec<IpNet>,
    /// Whoever may connect to the Unix socket.
    unix: bool,
}

impl Proxies {
    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.networks.is_empty() && !self.unix
    }

    /// Whether this peer is one of them; `None` is a peer on a Unix socket.
    pub(crate) fn has(&self, peer: Option<IpAddr>) -> bool {
        match peer {
            Some(address) => {
                let address = address.to_canonical();
                self.networks
                    .iter()
                    .any(|network| network.contains(&address))
            }
            None => self.unix,
        }
    }
}

impl Value for Proxies {
    fn parse(text: &str) -> Result<Self, String> {
        let mut proxies = Self {
            networks: Vec::new(),
            unix: false,
        };
        for one in text.split(',').filter(|_| !text.is_empty()) {
            let address = || one.parse::<IpAddr>().map(IpNet::from);
            match one.parse().or_else(|_| address()) {
                Ok(network) => proxies.networks.push(network),
                Err(_) if one == "unix" => proxies.unix = true,
                Err(_) => {
                    return Err("addresses or networks such as 10.0.0.0/8, or unix".to_owned());
                }
            }
        }
        Ok(proxies)
    }
}

/// The header that a proxy sends before everything else on a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProxyProtocol {
    /// None.
    Off,
    /// One line of text.
    V1,
    /// The binary form.
    V2,
}

impl Value for ProxyProtocol {
    fn parse(text: &str) -> Result<Self, String> {
        choose(
            text,
            &[("off", Self::Off), ("v1", Self::V1), ("v2", Self::V2)],
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_networks_and_the_unix_socket_can_be_trusted() {
        let proxies = Proxies::parse("127.0.0.1,10.0.0.0/8,2001:db8::/32,unix").unwrap();
        for (peer, trusted) in [
            ("127.0.0.1", true),
            ("::ffff:10.1.2.3", true),
            ("2001:db8::1", true),
            ("127.0.0.2", false),
            ("::1", false),
        ] {
            let peer = peer.parse().unwrap();
            assert_eq!(proxies.has(Some(peer)), trusted, "{peer}");
        }
        assert!(proxies.has(None));
        let none = Proxies::parse("").unwrap();
        assert!(none.is_empty() && !none.has(None));
        for bad in ["proxy.example", "10.0.0.0/40", "127.0.0.1,", "10.0.0.1:80"] {
            assert!(Proxies::parse(bad).is_err(), "{bad:?}");
        }
    }
}
