#![doc = include_str!("../README.md")]
//! [`run`] serves an engine on a listener until it is told to stop. The program `chat-server` is that function with
//! [settings](config) from its command line. [`legacy::import`] brings over what the old server stored.

pub mod config;
pub mod legacy;
pub mod start;

mod decode;
mod http;
mod native;
mod rest;
mod shutdown;
mod websocket;

use std::{future::Future, io, sync::Arc, time::Duration};

use chat_core::ChatEngine;
use tokio::{
    net::TcpListener,
    time::{Instant, timeout_at},
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

pub use decode::decode;
pub use http::auth::OpenAuthenticator;
pub use legacy::check_event;
pub use shutdown::signal;

use crate::{
    config::Settings,
    http::{app::App, connections::Connections, listener, router::router},
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
        drained: CancellationToken::new(),
        metrics: Arc::default(),
        engine,
    };
    let accepting = listener::accept(
        listener,
        router(app.clone()),
        Connections::new(&app.settings, Arc::clone(&app.metrics)),
        Arc::clone(&app.settings),
        app.tasks.clone(),
        app.stop.clone(),
    );
    app.tasks.spawn(accepting);
    shutdown.await;
    tracing::info!("stopping");
    let deadline = Instant::now() + within + GRACE;
    app.stop.cancel();
    app.engine.drain(within).await;
    app.drained.cancel();
    app.tasks.close();
    if timeout_at(deadline, app.tasks.wait()).await.is_err() {
        let open = app.tasks.len();
        tracing::warn!(open, "some connections did not end in time");
    }
    Ok(())
}
