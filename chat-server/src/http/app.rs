//! What every handler gets.

use std::sync::Arc;

use chat_core::ChatEngine;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::{auth::Login, metrics::Metrics, requests::Requests, sessions::Sessions, tls::Tls};
use crate::{
    auth::keyring::Keyring,
    config::{Address, Settings},
};

#[derive(Debug, Clone)]
pub(crate) struct App {
    pub(crate) engine: ChatEngine,
    pub(crate) login: Login,
    /// The keys of the tokens, when users log in by token.
    pub(crate) keys: Option<Arc<Keyring>>,
    /// When the server's own listener speaks TLS.
    pub(crate) tls: Option<Arc<Tls>>,
    pub(crate) settings: Arc<Settings>,
    /// Where the server listens; `None` while its routes are nested in another one.
    pub(crate) address: Option<Address>,
    /// Connections that live on after their upgrade, and other work that a stop waits for.
    pub(crate) tasks: TaskTracker,
    /// Cancelled when the server stops.
    pub(crate) stop: CancellationToken,
    /// Cancelled when, after that, the engine has been drained.
    pub(crate) drained: CancellationToken,
    pub(crate) metrics: Arc<Metrics>,
    /// The limits on sessions of one client address.
    pub(crate) sessions: Arc<Sessions>,
    /// The limits on requests of one client address, and of one user.
    pub(crate) requests: Arc<Requests>,
}
