//! Dispatch: each command of the table is carried out by its act.

use std::sync::Arc;

use tracing::Instrument;

use super::acts::{
    act::{Act, Answering},
    session::Session,
};
use crate::wire::{Request, command::match_command};

impl Session {
    /// Carries out a command. Its answer, and the events that it causes, go out through the transport.
    ///
    /// Commands that are dispatched one after the other take effect in that order; for a message this
    /// returns before it is stored, so that many can be on their way.
    ///
    /// # Cancel safety
    ///
    /// A dropped call may have had its effect without an answer.
    pub async fn dispatch(&self, request: Request) {
        let Request { id, command } = request;
        let (user, session) = (self.user(), self.id());
        let name = command.name();
        let span = tracing::debug_span!("command", %user, %session, id, name);
        let device = Arc::clone(&self.device);
        let carry_out = async {
            match_command!(command, it => it.act(self, Answering::new(device, id)).await);
        };
        carry_out.instrument(span).await;
    }
}
