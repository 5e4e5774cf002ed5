//! Ports for servers that are about to start.

use std::{
    net::{Ipv4Addr, TcpListener},
    ops::Range,
    sync::{
        LazyLock,
        atomic::{AtomicU16, Ordering},
    },
};

use chat_core::{IdGen as _, RandomIds};

/// A port of the loopback address on which nobody listens. It is never given twice to one program.
///
/// It lies below the ports that systems give to outgoing connections: one of those could take the
/// place of a server that is down, and a client that tries again and again could even end up
/// connected to itself.
pub fn free_port() -> u16 {
    const PORTS: Range<u16> = 20_000..32_000;
    const COUNT: u16 = PORTS.end - PORTS.start;
    // Programs that run at the same time begin elsewhere: it takes a while until a server has its port.
    static FIRST: LazyLock<u16> = LazyLock::new(|| {
        let chance = RandomIds.next().as_u128() % u128::from(COUNT);
        u16::try_from(chance).expect("less than the count")
    });
    static GIVEN: AtomicU16 = AtomicU16::new(0);
    PORTS
        .map(|_| GIVEN.fetch_add(1, Ordering::Relaxed) % COUNT)
        .map(|given| PORTS.start + (*FIRST + given) % COUNT)
        .find(|port| TcpListener::bind((Ipv4Addr::LOCALHOST, *port)).is_ok())
        .expect("a free port")
}
