//! The requests of a handle to the client's task.

use chat_core::{Command, ErrorBody, Reply, RoomId, Sent};
use tokio::{
    sync::{OwnedSemaphorePermit, oneshot},
    time::Instant,
};

use crate::error::RequestError;

/// The receiver of the outcome of a request.
pub(super) type Responder<T> = oneshot::Sender<Result<T, RequestError>>;

/// One request of a handle.
#[derive(Debug)]
pub(super) enum Op {
    Send(Message),
    Ask(Question),
    Typing(RoomId),
    Close,
}

/// A command that stores an entry; kept until the server has answered.
#[derive(Debug)]
pub(super) struct Message {
    pub(super) command: Command,
    pub(super) done: Responder<Sent>,
    pub(super) tries: u32,
    pub(super) _permit: OwnedSemaphorePermit,
}

/// A command that stores no message.
#[derive(Debug)]
pub(super) struct Question {
    pub(super) command: Command,
    pub(super) done: Responder<Reply>,
    pub(super) deadline: Instant,
    pub(super) _permit: OwnedSemaphorePermit,
}

impl Question {
    /// True if it may be sent again on another connection: it reads, or it changes nothing more when it is
    /// carried out a second time.
    pub(super) fn may_repeat(&self) -> bool {
        !matches!(self.command, Command::MakeInvite(_))
    }

    pub(super) fn leave_unanswered(self) {
        let _ = self.done.send(Err(RequestError::Unanswered));
    }

    pub(super) fn answer(self, result: Result<Reply, ErrorBody>) {
        // Nobody listens when the caller has dropped its future.
        let _ = self.done.send(result.map_err(RequestError::Refused));
    }

    pub(super) fn time_out(self) {
        let _ = self.done.send(Err(RequestError::TimedOut));
    }
}
