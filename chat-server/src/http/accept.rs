//! Accepts connections and speaks HTTP/1 on them.
//!
//! `axum::serve` would let half a request head hold a connection for ever; this loop also limits
//! connections and survives running out of file descriptors. It knows no route.

use std::{convert::Infallible, io, net::IpAddr, sync::Arc, time::Duration};

use axum::{Router, body::Body};
use futures_util::FutureExt;
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use tokio::time::timeout;
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tower::ServiceExt;

use super::{
    connections::{Connections, Slot},
    listener::Listener,
    patience::{Patience, Served, Turns},
    peer::Peer,
    proxy_header,
    stream::{Io, Stream, Transport},
    tls::Tls,
    write_timeout::WriteTimeout,
};
use crate::config::{ProxyProtocol, Settings};

/// The answer to a connection beyond a limit.
const TOO_MANY: &[u8] =
    b"HTTP/1.1 503 Service Unavailable\r\nconnection: close\r\ncontent-length: 0\r\n\r\n";

/// Accepts until `stop`; the connections run on in `tasks`.
pub(crate) async fn accept(
    listener: Arc<Listener>,
    router: Router,
    connections: Arc<Connections>,
    settings: Arc<Settings>,
    tasks: TaskTracker,
    stop: CancellationToken,
) {
    tracing::debug!(max = connections.max(), "accepting connections");
    let tls = listener.tls().cloned();
    let mut http = http1::Builder::new();
    // The stream keeps the time.
    http.header_read_timeout(None)
        .max_buf_size(settings.header_bytes.0);
    while let Some(accepted) = stop.run_until_cancelled(listener.accept()).await {
        let (io, peer) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                // Out of file descriptors, most likely: one of them has to be closed first.
                tracing::warn!(%error, "a connection could not be accepted");
                tokio::time::sleep(Duration::from_millis(100)).await;
                continue;
            }
        };
        let is_proxy = settings.trusted_proxy.has(peer);
        let admitted = if is_proxy {
            connections.admit_proxy(peer)
        } else {
            connections.admit(peer)
        };
        let Some(slot) = admitted else {
            tracing::debug!(?peer, "too many connections");
            if tls.is_none() {
                io.try_write(TOO_MANY);
            }
            continue;
        };
        let patience = Patience::new(settings.header_timeout, settings.keep_alive);
        let turns = patience.turns();
        let (http, router, stop) = (http.clone(), router.clone(), stop.clone());
        let (settings, tls) = (Arc::clone(&settings), tls.clone());
        tasks.spawn(async move {
            // Not in the loop: a client may take its time for a handshake.
            let ready = async {
                let (io, slot, peer) = introduce(io, slot, peer, &settings).await?;
                let transport = secure(io, tls.as_deref(), &settings).await?;
                io::Result::Ok((transport, slot, peer))
            };
            match stop.run_until_cancelled(ready).await {
                Some(Ok((transport, slot, peer))) => {
                    let stream = Stream::accepted(transport, slot, patience);
                    serve(http, stream, peer, turns, router, stop).await;
                }
                Some(Err(error)) => tracing::debug!(?peer, %error, "a connection never began"),
                None => {}
            }
        });
    }
}

/// Reads the client's address from the header that a trusted proxy sends first, if it is to send one.
async fn introduce(
    mut io: Io,
    mut slot: Slot,
    mut address: Option<IpAddr>,
    settings: &Settings,
) -> io::Result<(Io, Slot, Peer)> {
    let proxies = &settings.trusted_proxy;
    if settings.proxy_protocol != ProxyProtocol::Off && proxies.has(address) {
        let client = proxy_header::read(&mut io, settings.proxy_protocol).await?;
        if let Some(client) = client {
            address = Some(client);
            let placed = slot.of_client(client);
            slot = placed.ok_or_else(|| io::Error::other("too many connections of a client"))?;
        }
    }
    let peer = Peer {
        address,
        is_proxy: proxies.has(address),
        settle: slot.settle(),
    };
    Ok((io, slot, peer))
}

/// Does the handshake of TLS, if there is one, within `header-timeout`.
async fn secure(io: Io, tls: Option<&Tls>, settings: &Settings) -> io::Result<Transport> {
    let stream = WriteTimeout::new(io, settings.write_timeout);
    let Some(tls) = tls else {
        return Ok(Transport::Plain(stream));
    };
    let stream = timeout(settings.header_timeout, tls.handshake(stream)).await??;
    Ok(Transport::Tls(Box::new(stream)))
}

async fn serve(
    http: http1::Builder,
    stream: Stream,
    peer: Peer,
    turns: Turns,
    router: Router,
    stop: CancellationToken,
) {
    let address = peer.address;
    let service = service_fn(move |mut request: hyper::Request<Incoming>| {
        request.extensions_mut().insert(peer.clone());
        let turn = turns.begin();
        let mut answer = Box::pin(router.clone().oneshot(request.map(Body::new)));
        // Hyper drops an answer before its first step if it reads the request and the end of the
        // connection at once. A poll of the old protocol that is broken off has to be seen nevertheless.
        let first_step = answer.as_mut().now_or_never();
        async move {
            let answer = match first_step {
                Some(answer) => answer,
                None => answer.await,
            };
            Ok::<_, Infallible>(answer?.map(|body| Served::new(body, turn)))
        }
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
        tracing::debug!(peer = ?address, %error, "a connection ended early");
    }
}
