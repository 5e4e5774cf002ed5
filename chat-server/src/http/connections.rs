//! The limits on the number of connections, in all and from each address.

use std::{
    collections::{HashMap, hash_map::Entry},
    convert::Infallible,
    net::{IpAddr, Ipv6Addr},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

use axum::{extract::FromRequestParts, http::request::Parts};

use super::metrics::{Limit, Metrics};
use crate::config::Settings;

/// Counts connections and refuses those beyond the limits.
#[derive(Debug)]
pub(crate) struct Connections {
    max: usize,
    max_per_ip: usize,
    max_pending: usize,
    counts: Mutex<Counts>,
    metrics: Arc<Metrics>,
}

#[derive(Debug, Default)]
struct Counts {
    total: usize,
    by_ip: HashMap<IpAddr, Count>,
}

#[derive(Debug, Default)]
struct Count {
    live: usize,
    pending: usize,
}

/// The place of a connection among those that are counted; dropping it frees the place.
#[derive(Debug)]
pub(crate) struct Slot(Arc<Counted>);

/// Ends the time for which a connection counts as new.
#[derive(Debug, Clone)]
pub(crate) struct Settle(Arc<Counted>);

#[derive(Debug)]
struct Counted {
    connections: Arc<Connections>,
    ip: Option<IpAddr>,
    settled: AtomicBool,
}

/// The address of a request's client; `None` on a Unix socket, and where the routes are nested in another
/// service.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Address(pub(crate) Option<IpAddr>);

impl<S: Sync> FromRequestParts<S> for Address {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        Ok(Self(parts.extensions.get().and_then(Settle::address)))
    }
}

impl Connections {
    pub(crate) fn new(settings: &Settings, metrics: Arc<Metrics>) -> Arc<Self> {
        Arc::new(Self {
            max: settings.connections.unwrap_or_else(by_open_files),
            max_per_ip: settings.connections_per_ip,
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
        let ip = ip.map(network);
        let mut counts = self.counts();
        let of_ip = ip.and_then(|ip| counts.by_ip.get(&ip));
        let (live, pending) = of_ip.map_or((0, 0), |count| (count.live, count.pending));
        let reached = if counts.total >= self.max {
            Some(Limit::All)
        } else if live >= self.max_per_ip {
            Some(Limit::Address)
        } else if pending >= self.max_pending {
            Some(Limit::New)
        } else {
            None
        };
        if let Some(limit) = reached {
            self.metrics.refused.count(limit);
            return None;
        }
        self.metrics.accepted.add(1);
        self.metrics.connections.up();
        counts.total += 1;
        if let Some(ip) = ip {
            let count = counts.by_ip.entry(ip).or_default();
            count.live += 1;
            count.pending += 1;
        }
        drop(counts);
        let connections = Arc::clone(self);
        Some(Slot(Arc::new(Counted {
            connections,
            ip,
            settled: AtomicBool::new(false),
        })))
    }
}

impl Slot {
    pub(crate) fn settle(&self) -> Settle {
        Settle(Arc::clone(&self.0))
    }
}

impl Settle {
    /// Counts one more from the same address, as new; `None` when it is one too many.
    pub(crate) fn admit_another(&self) -> Option<Slot> {
        self.0.connections.admit(self.0.ip)
    }

    /// The client's address; `None` on a Unix socket.
    pub(crate) fn address(&self) -> Option<IpAddr> {
        self.0.ip
    }

    /// Counts the connection as new no longer.
    pub(crate) fn settle(&self) {
        if !self.0.settled.swap(true, Ordering::Relaxed)
            && let Some(ip) = self.0.ip
            && let Some(count) = self.0.connections.counts().by_ip.get_mut(&ip)
        {
            count.pending -= 1;
        }
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.settle().settle();
        self.0.connections.metrics.connections.down();
        let mut counts = self.0.connections.counts();
        counts.total -= 1;
        if let Some(ip) = self.0.ip
            && let Entry::Occupied(mut count) = counts.by_ip.entry(ip)
        {
            count.get_mut().live -= 1;
            if count.get().live == 0 {
                count.remove();
            }
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
