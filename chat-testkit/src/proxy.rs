//! A way to a server that a test cuts, blocks or slows down.

use std::{
    net::{Ipv4Addr, SocketAddr},
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::watch,
    task::JoinSet,
    time::sleep,
};

/// Forwards connections to a server. All of them end when this is dropped.
#[derive(Debug)]
pub struct Proxy {
    address: SocketAddr,
    state: watch::Sender<State>,
    _running: JoinSet<()>,
}

/// The fault that the proxy has.
#[derive(Debug, Clone, Copy, Default)]
struct State {
    hung: bool,
    delay: Duration,
    /// How often all connections were ended.
    cuts: u32,
    /// Another server than at first.
    server: Option<SocketAddr>,
}

impl Proxy {
    /// A proxy before this server, which need not run yet.
    pub async fn to(server: SocketAddr) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let (state, changes) = watch::channel(State::default());
        let mut running = JoinSet::new();
        running.spawn(accept(listener, server, changes));
        Self {
            address,
            state,
            _running: running,
        }
    }

    /// Where clients connect to.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// From now on nothing comes through, and neither side is told, as with a cable that is pulled or
    /// a machine that hangs. New connections stay without an answer.
    pub fn hang(&self) {
        self.state.send_modify(|state| state.hung = true);
    }

    /// Ends [`hang`](Self::hang) and [`delay`](Self::delay). What was on its way arrives after all, as
    /// it does on TCP.
    pub fn heal(&self) {
        self.state.send_modify(|state| {
            state.hung = false;
            state.delay = Duration::ZERO;
        });
    }

    /// From now on whatever is read is forwarded later by this time, in both directions.
    pub fn delay(&self, delay: Duration) {
        self.state.send_modify(|state| state.delay = delay);
    }

    /// From now on new connections lead to this server; those that there are stay as they are.
    pub fn lead_to(&self, server: SocketAddr) {
        self.state.send_modify(|state| state.server = Some(server));
    }

    /// Ends all connections that there are, on both sides. New ones are taken.
    pub fn cut(&self) {
        self.state.send_modify(|state| state.cuts += 1);
    }
}

async fn accept(listener: TcpListener, server: SocketAddr, state: watch::Receiver<State>) {
    let mut links = JoinSet::new();
    loop {
        flowing(&mut state.clone()).await;
        let Ok((client, _)) = listener.accept().await else {
            return;
        };
        let mut state = state.clone();
        links.spawn(async move {
            flowing(&mut state).await;
            let State {
                cuts, server: now, ..
            } = *state.borrow();
            let Ok(server) = TcpStream::connect(now.unwrap_or(server)).await else {
                return;
            };
            client.set_nodelay(true).ok();
            server.set_nodelay(true).ok();
            let (from_client, to_client) = client.into_split();
            let (from_server, to_server) = server.into_split();
            // One end closes both.
            tokio::select! {
                () = forward(from_client, to_server, state.clone()) => {}
                () = forward(from_server, to_client, state.clone()) => {}
                _ = state.wait_for(|state| state.cuts != cuts) => {}
            }
        });
        while links.try_join_next().is_some() {}
    }
}

async fn flowing(state: &mut watch::Receiver<State>) {
    state.wait_for(|state| !state.hung).await.ok();
}

async fn forward(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    mut state: watch::Receiver<State>,
) {
    let mut bytes = vec![0; 16 << 10];
    loop {
        let read = from.read(&mut bytes).await.unwrap_or(0);
        let delay = state.borrow().delay;
        if !delay.is_zero() {
            sleep(delay).await;
        }
        flowing(&mut state).await;
        if read == 0 || to.write_all(&bytes[..read]).await.is_err() {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::{Instant, timeout};

    use super::*;

    const MOMENT: Duration = Duration::from_millis(50);

    /// Gives back whatever it gets.
    async fn echo() -> SocketAddr {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move {
            while let Ok((mut tcp, _)) = listener.accept().await {
                tokio::spawn(async move {
                    let (mut from, mut to) = tcp.split();
                    tokio::io::copy(&mut from, &mut to).await
                });
            }
        });
        address
    }

    async fn ask(tcp: &mut TcpStream) -> u8 {
        tcp.write_u8(7).await.unwrap();
        tcp.read_u8().await.unwrap()
    }

    #[tokio::test]
    async fn what_hangs_arrives_once_it_is_healed() {
        let proxy = Proxy::to(echo().await).await;
        let mut old = TcpStream::connect(proxy.address()).await.unwrap();
        assert_eq!(ask(&mut old).await, 7);
        proxy.hang();
        let mut new = TcpStream::connect(proxy.address()).await.unwrap();
        for tcp in [&mut old, &mut new] {
            assert!(timeout(MOMENT, ask(tcp)).await.is_err());
        }
        proxy.heal();
        for tcp in [&mut old, &mut new] {
            assert_eq!(tcp.read_u8().await.unwrap(), 7);
        }
    }

    #[tokio::test]
    async fn what_is_delayed_arrives_later() {
        let proxy = Proxy::to(echo().await).await;
        let mut tcp = TcpStream::connect(proxy.address()).await.unwrap();
        proxy.delay(MOMENT);
        let begun = Instant::now();
        assert_eq!(ask(&mut tcp).await, 7);
        assert!(begun.elapsed() >= 2 * MOMENT, "{:?}", begun.elapsed());
    }

    #[tokio::test]
    async fn a_cut_ends_the_connections_that_there_are() {
        let proxy = Proxy::to(echo().await).await;
        let mut old = TcpStream::connect(proxy.address()).await.unwrap();
        assert_eq!(ask(&mut old).await, 7);
        proxy.cut();
        assert!(old.read_u8().await.is_err());
        let mut new = TcpStream::connect(proxy.address()).await.unwrap();
        assert_eq!(ask(&mut new).await, 7);
    }
}
