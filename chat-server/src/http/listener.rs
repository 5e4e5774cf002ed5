//! Where clients connect: a TCP port or a Unix socket.

use std::{
    io,
    net::{IpAddr, SocketAddr},
    sync::Arc,
};

#[cfg(unix)]
use tokio::net::UnixListener;
use tokio::net::{TcpListener, TcpSocket};

#[cfg(unix)]
use super::socket_file::{self, SocketFile};
use super::{stream::Io, tls::Tls};
use crate::config::Address;

/// How many connections may wait to be accepted. With the usual 1,024, half of 4,000 that come at once
/// have to knock again, which the system does after a second.
const BACKLOG: u32 = 4_096;

/// A place that clients connect to: a TCP port or a Unix socket.
///
/// Made by [`Listener::bind`], or from a listener of tokio that somebody else has set up.
#[derive(Debug)]
pub struct Listener {
    inner: Inner,
    tls: Option<Arc<Tls>>,
}

#[derive(Debug)]
enum Inner {
    Tcp(TcpListener),
    #[cfg(unix)]
    Unix {
        listener: UnixListener,
        /// Removed when it is dropped, if it is ours.
        _file: Option<SocketFile>,
    },
}

impl Listener {
    /// Listens at an address. Port 0 chooses a free one.
    ///
    /// The file of a Unix socket is made with mode 0660; one that a dead server has left behind is
    /// replaced. It is removed when the listener is dropped.
    ///
    /// # Errors
    ///
    /// What the system says; `AddrInUse` when somebody listens there, `AlreadyExists` when a file is there
    /// that is no socket, and `Unsupported` for a Unix socket on a system that has none.
    pub async fn bind(address: &Address) -> io::Result<Self> {
        Ok(Self::of(match address {
            Address::Tcp(address) => Inner::Tcp(listen(*address)?),
            #[cfg(unix)]
            Address::Unix(path) => {
                let (listener, file) = socket_file::listen(path, BACKLOG).await?;
                Inner::Unix {
                    listener,
                    _file: Some(file),
                }
            }
            #[cfg(not(unix))]
            Address::Unix(_) => return Err(io::ErrorKind::Unsupported.into()),
        }))
    }

    fn of(inner: Inner) -> Self {
        Self { inner, tls: None }
    }

    /// The same, for clients that speak TLS.
    pub(crate) fn with_tls(self, tls: Arc<Tls>) -> Self {
        let tls = Some(tls);
        Self { tls, ..self }
    }

    pub(crate) fn tls(&self) -> Option<&Arc<Tls>> {
        self.tls.as_ref()
    }

    /// Where it listens, with the port that was chosen.
    ///
    /// # Errors
    ///
    /// When the system doesn't know, or a Unix socket has no name.
    pub fn address(&self) -> io::Result<Address> {
        match &self.inner {
            Inner::Tcp(listener) => Ok(Address::Tcp(listener.local_addr()?)),
            #[cfg(unix)]
            Inner::Unix { listener, .. } => {
                let address = listener.local_addr()?;
                let path = address.as_pathname().ok_or(io::ErrorKind::Unsupported)?;
                Ok(Address::Unix(path.to_owned()))
            }
        }
    }

    /// Accepts a connection; gives the address of a client that comes by TCP.
    pub(super) async fn accept(&self) -> io::Result<(Io, Option<IpAddr>)> {
        match &self.inner {
            Inner::Tcp(listener) => {
                let (tcp, peer) = listener.accept().await?;
                drop(tcp.set_nodelay(true));
                Ok((Io::Tcp(tcp), Some(peer.ip())))
            }
            #[cfg(unix)]
            Inner::Unix { listener, .. } => Ok((Io::Unix(listener.accept().await?.0), None)),
        }
    }
}

fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = match address {
        SocketAddr::V4(_) => TcpSocket::new_v4(),
        SocketAddr::V6(_) => TcpSocket::new_v6(),
    }?;
    // Else a server that starts again would have to wait for what is left of the last one's connections.
    #[cfg(unix)]
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

impl From<TcpListener> for Listener {
    fn from(listener: TcpListener) -> Self {
        Self::of(Inner::Tcp(listener))
    }
}

#[cfg(unix)]
impl From<UnixListener> for Listener {
    /// The file of the socket stays when the listener is dropped.
    fn from(listener: UnixListener) -> Self {
        Self::of(Inner::Unix {
            listener,
            _file: None,
        })
    }
}
