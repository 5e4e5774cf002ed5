#![doc = include_str!("../README.md")]
//! [`run`] serves an engine on a listener until it is told to stop. The program `chat-server` is that function with
//! [settings](config) from its command line. [`import`] brings over what the old server stored.

pub mod auth;
pub mod config;
pub mod import;
pub mod start;

mod app;
mod codec;
mod connections;
mod failure;
mod legacy;
mod legacy_time;
mod listener;
mod metrics;
mod native;
mod rest;
mod router;
mod shutdown;
mod socketio;

use std::{future::Future, io, sync::Arc, time::Duration};

use chat_core::ChatEngine;
use tokio::{
    net::TcpListener,
    time::{Instant, timeout_at},
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

pub use codec::decode;
pub use shutdown::signal;
pub use socketio::check_event;

use crate::{
    app::App, auth::OpenAuthenticator, config::Settings, connections::Connections,
    socketio::SocketIoSettings,
};

/// Serves until `shutdown`, then stops: takes no more connections, closes those there are so that
/// their clients come back, and returns when what was accepted is stored and written.
///
/// Stopping takes at most [`drain_timeout`](Settings::drain_timeout) and a second.
///
/// # Errors
///
/// When the listener has no address.
pub async fn run(
    listener: TcpListener,
    engine: ChatEngine,
    settings: Settings,
    shutdown: impl Future<Output = ()>,
) -> io::Result<()> {
    /// For closing handshakes that are under way when the time is up.
    const GRACE: Duration = Duration::from_secs(1);
    let within = settings.drain_timeout;
    let app = App {
        auth: Arc::new(OpenAuthenticator),
        port: listener.local_addr()?.port(),
        settings: Arc::new(settings),
        tasks: TaskTracker::new(),
        stop: CancellationToken::new(),
        metrics: Arc::default(),
        engine,
    };
    let App {
        engine,
        settings,
        tasks,
        stop,
        metrics,
        ..
    } = app.clone();
    let legacy = SocketIoSettings {
        ping_interval: settings.ping_interval,
        ping_timeout: settings.pong_timeout,
        ..SocketIoSettings::new(Arc::clone(&app.auth))
    };
    let (socketio, sockets) = socketio::attach(engine.clone(), legacy, Arc::clone(&metrics));
    let accepting = listener::accept(
        listener,
        router::router(app, socketio),
        Connections::new(&settings, metrics),
        settings,
        tasks.clone(),
        stop.clone(),
    );
    tasks.spawn(accepting);
    shutdown.await;
    tracing::info!("stopping");
    let deadline = Instant::now() + within + GRACE;
    stop.cancel();
    engine.drain(within).await;
    tasks.close();
    let closing = async {
        sockets.close().await;
        tasks.wait().await;
    };
    if timeout_at(deadline, closing).await.is_err() {
        tracing::warn!(open = tasks.len(), "some connections did not end in time");
    }
    Ok(())
}
