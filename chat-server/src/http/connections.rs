//! The limits on the number of connections, in all and from each address.

use std::{
    collections::{HashMap, hash_map::Entry},
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

use super::metrics::{Limit, Metrics};
use crate::config::Settings;

/// Counts connections and refuses those beyond the limits.
#[derive(Debug)]
pub(crate) struct Connections {
    max: usize,
    max_per_ip: usize,
    max_per_proxy: usize,
    max_pending: usize,
    counts: Mutex<Counts>,
    metrics: Arc<Metrics>,
}

#[derive(Debug, Default)]
struct Counts {
    total: usize,
    by_ip: HashMap<IpAddr, Count>,
    by_proxy: HashMap<IpAddr, usize>,
}

#[derive(Debug, Default)]
struct Count {
    live: usize,
    pending: usize,
}

/// The place of a connection among those that are counted; dropping it frees the place.
#[derive(Debug)]
pub(crate) struct Slot {
    counted: Arc<Counted>,
    /// That of the proxy whose connection it is.
    of_proxy: Option<Box<Slot>>,
}

/// Ends the time for which a connection counts as new.
#[derive(Debug, Clone)]
pub(super) struct Settle(Arc<Counted>);

#[derive(Debug)]
struct Counted {
    connections: Arc<Connections>,
    of: Of,
    settled: AtomicBool,
}

/// The count that a connection belongs to, beside that of all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Of {
    /// None: it has no address.
    All,
    /// That of its address.
    Address(IpAddr),
    /// That of a proxy, which has many clients.
    Proxy(IpAddr),
    /// That of the address that a proxy has named for a connection which is counted already.
    Client(IpAddr),
}

impl Connections {
    pub(crate) fn new(settings: &Settings, metrics: Arc<Metrics>) -> Arc<Self> {
        Arc::new(Self {
            max: settings.connections.unwrap_or_else(by_open_files),
            max_per_ip: settings.connections_per_ip,
            max_per_proxy: settings.connections_per_proxy,
            max_pending: settings.pending_per_ip,
            counts: Mutex::default(),
            metrics,
        })
    }

    /// The limit on all connections together.
    pub(crate) fn max(&self) -> usize {
        self.max
    }

    fn counts(&self) -> MutexGuard<'_, Counts> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts a connection from this address as new; `None` when it is one too many. One that has no
    /// address, on a Unix socket, counts among all of them only.
    pub(crate) fn admit(self: &Arc<Self>, ip: Option<IpAddr>) -> Option<Slot> {
        self.count(ip.map_or(Of::All, |ip| Of::Address(network(ip))))
    }

    /// Counts a connection of a trusted proxy, which has limits of its own.
    pub(super) fn admit_proxy(self: &Arc<Self>, ip: Option<IpAddr>) -> Option<Slot> {
        // Those on a Unix socket count as one.
        let ip = ip.map_or(Ipv4Addr::UNSPECIFIED.into(), |ip| ip.to_canonical());
        self.count(Of::Proxy(ip))
    }

    fn count(self: &Arc<Self>, of: Of) -> Option<Slot> {
        let mut counts = self.counts();
        let (limit, pending) = match of {
            Of::Address(ip) | Of::Client(ip) => {
                let count = counts.by_ip.get(&ip);
                let (live, pending) = count.map_or((0, 0), |count| (count.live, count.pending));
                (live >= self.max_per_ip, pending >= self.max_pending)
            }
            Of::Proxy(ip) => {
                let live = counts.by_proxy.get(&ip).copied().unwrap_or_default();
                (live >= self.max_per_proxy, false)
            }
            Of::All => (false, false),
        };
        let is_another = !matches!(of, Of::Client(_));
        let reached = if is_another && counts.total >= self.max {
            Some(Limit::All)
        } else if limit {
            Some(Limit::Address)
        } else if pending {
            Some(Limit::New)
        } else {
            None
        };
        if let Some(limit) = reached {
            self.metrics.refused.count(limit);
            return None;
        }
        if is_another {
            self.metrics.accepted.add(1);
            self.metrics.connections.up();
            counts.total += 1;
        }
        match of {
            Of::Address(ip) | Of::Client(ip) => {
                let count = counts.by_ip.entry(ip).or_default();
                count.live += 1;
                count.pending += 1;
            }
            Of::Proxy(ip) => *counts.by_proxy.entry(ip).or_default() += 1,
            Of::All => {}
        }
        drop(counts);
        Some(Slot {
            counted: Arc::new(Counted {
                connections: Arc::clone(self),
                of,
                settled: AtomicBool::new(false),
            }),
            of_proxy: None,
        })
    }
}

impl Slot {
    pub(super) fn settle(&self) -> Settle {
        Settle(Arc::clone(&self.counted))
    }

    /// The place of the client to which a proxy has given this connection; `None` when it is one too many.
    pub(super) fn of_client(self, ip: IpAddr) -> Option<Self> {
        let mut client = self.counted.connections.count(Of::Client(network(ip)))?;
        client.of_proxy = Some(Box::new(self));
        Some(client)
    }
}

impl Settle {
    /// Counts one more that has the same address; `None` when it is one too many.
    pub(super) fn admit_another(&self) -> Option<Slot> {
        let of = match self.0.of {
            Of::Address(ip) | Of::Client(ip) => Of::Address(ip),
            // The client's own limit is that of its sessions.
            Of::All | Of::Proxy(_) => Of::All,
        };
        let slot = self.0.connections.count(of)?;
        slot.settle().settle();
        Some(slot)
    }

    /// Counts the connection as new no longer.
    pub(super) fn settle(&self) {
        if !self.0.settled.swap(true, Ordering::Relaxed)
            && let Of::Address(ip) | Of::Client(ip) = self.0.of
            && let Some(count) = self.0.connections.counts().by_ip.get_mut(&ip)
        {
            count.pending -= 1;
        }
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.settle().settle();
        let Counted {
            connections, of, ..
        } = &*self.counted;
        let mut counts = connections.counts();
        if !matches!(of, Of::Client(_)) {
            connections.metrics.connections.down();
            counts.total -= 1;
        }
        match of {
            Of::Address(ip) | Of::Client(ip) => {
                if let Entry::Occupied(mut count) = counts.by_ip.entry(*ip) {
                    count.get_mut().live -= 1;
                    if count.get().live == 0 {
                        count.remove();
                    }
                }
            }
            Of::Proxy(ip) => {
                if let Entry::Occupied(mut count) = counts.by_proxy.entry(*ip) {
                    *count.get_mut() -= 1;
                    if *count.get() == 0 {
                        count.remove();
                    }
                }
            }
            Of::All => {}
        }
    }
}

/// What counts as one address: an IPv6 host has a whole /64 network to itself.
pub(crate) fn network(ip: IpAddr) -> IpAddr {
    match ip.to_canonical() {
        IpAddr::V6(ip) => Ipv6Addr::from_bits(ip.to_bits() & !u128::from(u64::MAX)).into(),
        v4 @ IpAddr::V4(_) => v4,
    }
}

/// Raises the limit of open files as far as the system lets us, and leaves a tenth of it for
/// everything that is no connection.
#[cfg(unix)]
fn by_open_files() -> usize {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    /// Where the system knows no limit, for a table of open files takes memory.
    const ENOUGH: u64 = 1 << 20;
    let limit = getrlimit(Resource::Nofile);
    let wanted = limit.maximum.unwrap_or(ENOUGH).min(ENOUGH);
    let raised = Rlimit {
        current: Some(wanted),
        maximum: limit.maximum,
    };
    let files = match setrlimit(Resource::Nofile, raised) {
        Ok(()) => wanted,
        Err(_) => limit.current.unwrap_or(ENOUGH),
    };
    usize::try_from(files - files / 10).unwrap_or(usize::MAX)
}

#[cfg(not(unix))]
fn by_open_files() -> usize {
    10_000
}

#[cfg(test)]
mod tests {
    use chat_core::metrics::{Family, Figures};

    use super::*;

    fn connections(per_ip: usize, pending: usize) -> Arc<Connections> {
        let settings = Settings::with(&[
            ("connections", "4"),
            ("connections-per-ip", &per_ip.to_string()),
            ("pending-per-ip", &pending.to_string()),
        ]);
        Connections::new(&settings.unwrap(), Arc::default())
    }

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn one_too_many_is_refused_until_one_goes() {
        let connections = connections(2, 2);
        let one = connections.admit(Some(ip("10.0.0.1")));
        let _two = connections.admit(Some(ip("10.0.0.1")));
        assert!(connections.admit(Some(ip("::ffff:10.0.0.1"))).is_none());
        assert!(connections.admit(Some(ip("10.0.0.2"))).is_some());
        drop(one);
        assert!(connections.admit(Some(ip("10.0.0.1"))).is_some());
    }

    #[test]
    fn a_settled_connection_makes_room_for_a_new_one() {
        let connections = connections(3, 1);
        let one = connections.admit(Some(ip("10.0.0.1"))).unwrap();
        assert!(connections.admit(Some(ip("10.0.0.1"))).is_none());
        let settle = one.settle();
        settle.settle();
        settle.settle();
        assert!(connections.admit(Some(ip("10.0.0.1"))).is_some());
        drop(one);
        settle.settle();
        assert!(connections.counts().by_ip.is_empty());
    }

    #[test]
    fn a_network_of_ipv6_is_one_address() {
        let connections = connections(1, 1);
        let _one = connections.admit(Some(ip("2001:db8::1")));
        assert!(connections.admit(Some(ip("2001:db8::2:3"))).is_none());
        assert!(connections.admit(Some(ip("2001:db8:0:1::1"))).is_some());
    }

    #[test]
    fn connections_of_a_unix_socket_count_in_all_only() {
        let connections = connections(1, 1);
        let held: Vec<_> = (1..=5).map(|_| connections.admit(None)).collect();
        assert_eq!(held.iter().flatten().count(), 4);
        drop(held);
        assert!(connections.admit(Some(ip("10.0.0.1"))).is_some());
    }

    #[test]
    fn connections_of_a_proxy_have_a_limit_of_their_own_and_their_clients_that_of_addresses() {
        let settings = Settings::with(&[
            ("connections", "9"),
            ("connections-per-ip", "2"),
            ("connections-per-proxy", "3"),
        ]);
        let connections = Connections::new(&settings.unwrap(), Arc::default());
        let proxy = Some(ip("10.0.0.1"));
        let mut held: Vec<_> = (0..3).map(|_| connections.admit_proxy(proxy)).collect();
        assert!(connections.admit_proxy(proxy).is_none());
        assert!(connections.admit_proxy(None).is_some());
        let client = ip("203.0.113.7");
        let mut clients = Vec::new();
        for served in [true, true, false] {
            let slot = held.pop().flatten().unwrap();
            let of_client = slot.of_client(client);
            assert_eq!(of_client.is_some(), served);
            clients.extend(of_client);
        }
        assert_eq!(connections.counts().total, 2);
        drop(clients);
        let counts = connections.counts();
        assert!(counts.total == 0 && counts.by_ip.is_empty() && counts.by_proxy.is_empty());
    }

    #[test]
    fn the_total_holds_for_all_addresses_together() {
        let connections = connections(9, 9);
        let held: Vec<_> = (1..=5)
            .map(|last| connections.admit(Some(IpAddr::from([10, 0, 0, last]))))
            .collect();
        assert_eq!(held.iter().flatten().count(), 4);
    }

    #[test]
    fn what_is_refused_is_counted_by_the_limit_that_was_reached() {
        let connections = connections(2, 1);
        let one = connections.admit(Some(ip("10.0.0.1"))).unwrap();
        assert!(connections.admit(Some(ip("10.0.0.1"))).is_none());
        one.settle().settle();
        let _two = connections.admit(Some(ip("10.0.0.1"))).unwrap();
        assert!(connections.admit(Some(ip("10.0.0.1"))).is_none());
        let others: Vec<_> = (2..=4)
            .map(|last| connections.admit(Some(IpAddr::from([10, 0, 0, last]))))
            .collect();
        assert_eq!(others.iter().flatten().count(), 2);
        drop(others);
        let metrics = &connections.metrics;
        assert_eq!((metrics.accepted.get(), metrics.connections.get()), (4, 2));
        let refused = Family::counters("name", "help", &metrics.refused).figures;
        let expected = Figures::Counters {
            label: "limit",
            counts: vec![("all", 1), ("address", 1), ("new", 1)],
        };
        assert_eq!(refused, expected);
    }
}
