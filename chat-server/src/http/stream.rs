//! One connection, with or without TLS: counted, and failing when its client sends nothing for too long.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use hyper::upgrade::{OnUpgrade, Upgraded};
use hyper_util::rt::TokioIo;
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
};
use tokio_rustls::server::TlsStream;

use super::{connections::Slot, patience::Patience, write_timeout::WriteTimeout};

/// A connection to a client.
#[derive(Debug)]
pub(crate) struct Stream {
    transport: Transport,
    /// While HTTP is spoken on a connection that our own listener has accepted.
    patience: Option<Box<Patience>>,
    /// Of a connection that our own listener has accepted.
    _slot: Option<Slot>,
}

/// What the bytes of a connection go through.
#[derive(Debug)]
pub(super) enum Transport {
    Plain(WriteTimeout<Io>),
    Tls(Box<TlsStream<WriteTimeout<Io>>>),
}

/// The system's end of a connection.
#[derive(Debug)]
pub(super) enum Io {
    Tcp(TcpStream),
    #[cfg(unix)]
    Unix(tokio::net::UnixStream),
    /// An upgraded connection that another server has accepted.
    Upgraded(TokioIo<Upgraded>),
}

/// Waits until HTTP is done with a connection, and gives it with what the client has sent since.
/// `None`, logged at debug, when the client is gone first.
///
/// A connection of our own listener comes as it was. One of another server, beneath which our routes
/// are nested, has no slot, and gets this time-out for writes.
pub(crate) async fn upgraded(
    upgrade: OnUpgrade,
    write_timeout: Duration,
) -> Option<(Stream, Vec<u8>)> {
    match upgrade.await.map(Upgraded::downcast::<TokioIo<Stream>>) {
        // A copy, for those few bytes hold hyper's whole buffer.
        Ok(Ok(parts)) => {
            let mut stream = parts.io.into_inner();
            stream.patience = None;
            Some((stream, parts.read_buf.to_vec()))
        }
        // What has been read already comes first from it.
        Ok(Err(other)) => {
            let io = Io::Upgraded(TokioIo::new(other));
            let stream = Stream {
                transport: Transport::Plain(WriteTimeout::new(io, write_timeout)),
                patience: None,
                _slot: None,
            };
            Some((stream, Vec::new()))
        }
        Err(error) => {
            tracing::debug!(%error, "an upgrade failed");
            None
        }
    }
}

impl Stream {
    /// A connection that our own listener has accepted.
    pub(super) fn accepted(transport: Transport, slot: Slot, patience: Patience) -> Self {
        Self {
            transport,
            patience: Some(Box::new(patience)),
            _slot: Some(slot),
        }
    }
}

trait ReadWrite: AsyncRead + AsyncWrite + Unpin {}

impl<T: AsyncRead + AsyncWrite + Unpin> ReadWrite for T {}

impl Io {
    /// Writes what there is room for at once, and gives up the rest.
    pub(super) fn try_write(&self, bytes: &[u8]) {
        match self {
            Self::Tcp(tcp) => drop(tcp.try_write(bytes)),
            #[cfg(unix)]
            Self::Unix(unix) => drop(unix.try_write(bytes)),
            Self::Upgraded(_) => {}
        }
    }
}

impl Transport {
    fn pinned(&mut self) -> Pin<&mut dyn ReadWrite> {
        Pin::new(match self {
            Self::Plain(plain) => plain,
            Self::Tls(tls) => tls,
        })
    }
}

impl Io {
    fn pinned(&mut self) -> Pin<&mut dyn ReadWrite> {
        Pin::new(match self {
            Self::Tcp(tcp) => tcp,
            #[cfg(unix)]
            Self::Unix(unix) => unix,
            Self::Upgraded(upgraded) => upgraded,
        })
    }
}

impl AsyncRead for Stream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let read = self.transport.pinned().poll_read(cx, buf);
        if let Some(patience) = &mut self.patience {
            let received = buf.filled().len() > before;
            if patience.poll(cx, received).is_ready() && read.is_pending() {
                return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
            }
        }
        read
    }
}

impl AsyncWrite for Stream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.transport.pinned().poll_write(cx, buf)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.transport.pinned().poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        match &self.transport {
            Transport::Plain(plain) => plain.is_write_vectored(),
            Transport::Tls(tls) => tls.is_write_vectored(),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.transport.pinned().poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.transport.pinned().poll_shutdown(cx)
    }
}

impl AsyncRead for Io {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.pinned().poll_read(cx, buf)
    }
}

impl AsyncWrite for Io {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.pinned().poll_write(cx, buf)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.pinned().poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        match self {
            Self::Tcp(tcp) => tcp.is_write_vectored(),
            #[cfg(unix)]
            Self::Unix(unix) => unix.is_write_vectored(),
            Self::Upgraded(upgraded) => upgraded.is_write_vectored(),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.pinned().poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.pinned().poll_shutdown(cx)
    }
}
