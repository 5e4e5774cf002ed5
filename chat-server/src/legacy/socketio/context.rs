//! What the tasks of all sockets use.

use chat_core::{RandomIds, SystemClock};
use tokio::sync::mpsc;

use super::online::Reader;
use crate::http::app::App;

pub(super) struct Context {
    pub(super) app: App,
    /// Takes each socket that has got a name, to send it the list of who is online.
    pub(super) newcomers: mpsc::Sender<Reader>,
    /// Refused messages are shown to their author, with a time and an id though they are not stored.
    pub(super) clock: SystemClock,
    pub(super) ids: RandomIds,
}

impl Context {
    pub(super) fn new(app: App, newcomers: mpsc::Sender<Reader>) -> Self {
        Self {
            app,
            newcomers,
            clock: SystemClock::default(),
            ids: RandomIds,
        }
    }
}
