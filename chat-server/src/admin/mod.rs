//! Administration: an HTTP API on a listener of its own, for the people and programs that run the server.

mod admission;
mod announce;
mod audit;
pub(crate) mod audit_file;
mod change;
mod document;
mod erasure;
pub(crate) mod failed_logins;
mod figures;
mod notices;
mod record;
mod rooms;
pub(crate) mod router;
mod sanctions;
mod sessions;
pub(crate) mod token;
mod users;

use std::sync::Arc;

use self::token::AdminToken;
use crate::Listener;

/// The parts of a server that its administration needs.
#[derive(Debug, Clone)]
pub(crate) struct Admin {
    pub(crate) listener: Arc<Listener>,
    /// The token that admits beside those of administrators.
    pub(crate) token: Option<Arc<AdminToken>>,
}
