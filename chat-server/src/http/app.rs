//! What every handler gets.

use std::sync::Arc;

use chat_core::{ChatEngine, port::Authenticator};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::metrics::Metrics;
use crate::config::Settings;

#[derive(Debug, Clone)]
pub(crate) struct App {
    pub(crate) engine: ChatEngine,
    pub(crate) auth: Arc<dyn Authenticator>,
    pub(crate) settings: Arc<Settings>,
    /// The port that is listened on.
    pub(crate) port: u16,
    /// Connections that live on after their upgrade, and other work that a stop waits for.
    pub(crate) tasks: TaskTracker,
    /// Cancelled when the server stops.
    pub(crate) stop: CancellationToken,
    /// Cancelled when, after that, the engine has been drained.
    pub(crate) drained: CancellationToken,
    pub(crate) metrics: Arc<Metrics>,
}
