//! Accepts connections and speaks HTTP/1 on them.
//!
//! `axum::serve` gives hyper no timer, so half a request head would hold a connection for ever;
//! this loop also limits connections and survives running out of file descriptors.

use std::{
    io,
    net::SocketAddr,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};

use axum::{Router, body::Body, extract::ConnectInfo};
use hyper::{
    body::Incoming,
    server::conn::http1,
    service::service_fn,
    upgrade::{OnUpgrade, Upgraded},
};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::{TcpListener, TcpStream},
    time::Sleep,
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tower::ServiceExt;

use crate::{
    config::Settings,
    connections::{Connections, Slot},
    native,
};

/// Said to a connection that is one too many.
const TOO_MANY: &[u8] =
    b"HTTP/1.1 503 Service Unavailable\r\nconnection: close\r\ncontent-length: 0\r\n\r\n";

/// Accepts until `stop`; the connections run on in `tasks`.
pub(crate) async fn accept(
    listener: TcpListener,
    router: Router,
    connections: Arc<Connections>,
    settings: Arc<Settings>,
    tasks: TaskTracker,
    stop: CancellationToken,
) {
    tracing::debug!(max = connections.max(), "accepting connections");
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new())
        .header_read_timeout(settings.header_timeout)
        .max_buf_size(settings.header_bytes.0);
    while let Some(accepted) = stop.run_until_cancelled(listener.accept()).await {
        let (tcp, peer) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                // Out of file descriptors, most likely: one of them has to be closed first.
                tracing::warn!(%error, "a connection could not be accepted");
                tokio::time::sleep(Duration::from_millis(100)).await;
                continue;
            }
        };
        let Some(slot) = connections.admit(peer.ip()) else {
            tracing::debug!(%peer, "too many connections");
            drop(tcp.try_write(TOO_MANY));
            continue;
        };
        drop(tcp.set_nodelay(true));
        let stream = Stream {
            tcp,
            write_timeout: settings.write_timeout,
            stalled: None,
            slot,
        };
        tasks.spawn(serve(
            http.clone(),
            stream,
            peer,
            router.clone(),
            stop.clone(),
        ));
    }
}

async fn serve(
    http: http1::Builder,
    stream: Stream,
    peer: SocketAddr,
    router: Router,
    stop: CancellationToken,
) {
    let settle = stream.slot.settle();
    let service = service_fn(move |mut request: hyper::Request<Incoming>| {
        if request.uri().path() != native::PATH {
            settle.settle();
        }
        request.extensions_mut().insert(ConnectInfo(peer));
        request.extensions_mut().insert(settle.clone());
        router.clone().oneshot(request.map(Body::new))
    });
    let connection = http
        .serve_connection(TokioIo::new(stream), service)
        .with_upgrades();
    let mut connection = std::pin::pin!(connection);
    let mut result = stop.run_until_cancelled(connection.as_mut()).await;
    if result.is_none() {
        connection.as_mut().graceful_shutdown();
        result = Some(connection.await);
    }
    if let Some(Err(error)) = result {
        tracing::debug!(%peer, %error, "a connection ended early");
    }
}

/// Waits until HTTP is done with a connection, and gives it with what the client has sent since.
pub(crate) async fn upgraded(upgrade: OnUpgrade) -> Option<(Stream, Vec<u8>)> {
    match upgrade.await.map(Upgraded::downcast::<TokioIo<Stream>>) {
        // A copy, for those few bytes hold hyper's whole buffer.
        Ok(Ok(parts)) => Some((parts.io.into_inner(), parts.read_buf.to_vec())),
        Ok(Err(_)) => {
            tracing::error!("a WebSocket came past the listener");
            None
        }
        Err(error) => {
            tracing::debug!(%error, "an upgrade failed");
            None
        }
    }
}

/// A counted TCP connection, which fails when its peer reads nothing for too long.
#[derive(Debug)]
pub(crate) struct Stream {
    tcp: TcpStream,
    write_timeout: Duration,
    stalled: Option<Pin<Box<Sleep>>>,
    slot: Slot,
}

impl Stream {
    fn poll_stalled(
        &mut self,
        cx: &mut Context<'_>,
        written: Poll<io::Result<usize>>,
    ) -> Poll<io::Result<usize>> {
        if written.is_ready() {
            self.stalled = None;
            return written;
        }
        let timeout = self.write_timeout;
        let stalled = self
            .stalled
            .get_or_insert_with(|| Box::pin(tokio::time::sleep(timeout)));
        ready!(stalled.as_mut().poll(cx));
        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
    }
}

impl AsyncRead for Stream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.tcp).poll_read(cx, buf)
    }
}

impl AsyncWrite for Stream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.tcp).poll_write(cx, buf);
        self.poll_stalled(cx, written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.tcp).poll_write_vectored(cx, bufs);
        self.poll_stalled(cx, written)
    }

    fn is_write_vectored(&self) -> bool {
        self.tcp.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.tcp).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.tcp).poll_shutdown(cx)
    }
}
