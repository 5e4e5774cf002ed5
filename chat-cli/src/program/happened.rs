//! The inputs of the view and its outputs.

use std::time::Duration;

use chat_cli::{ClientEvent, RequestError};
use chat_core::{ClientMessageId, HistoryPage, Mark, RoomId, RoomView, Sent, Seq, UserId};

use super::{
    command::{Question, Write},
    input::Input,
    shown::{Shown, Status},
};

/// The end of the program.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// In order.
    Left,
    /// With this number of messages not sent.
    Unsent(usize),
    /// The server is gone, for this reason.
    Lost(String),
}

/// The reader of the output.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reader {
    /// A person, on a terminal.
    Person,
    /// A pipe or a file, for people.
    Pipe,
    /// A script, by `--json`.
    Script,
}

/// The users and the room of a conversation.
#[derive(Debug)]
pub(crate) struct Topic {
    pub(crate) me: UserId,
    pub(crate) peer: UserId,
    pub(crate) room: RoomId,
    pub(crate) reader: Reader,
    /// The number of past entries to show.
    pub(crate) last: usize,
    /// The time after which the program gives up without a connection; `None` for never.
    pub(crate) patience: Option<Duration>,
    /// Goes on after the end of the input.
    pub(crate) follow: bool,
}

/// Something that has happened.
#[derive(Debug)]
pub(crate) enum Happened {
    Client(ClientEvent),
    Input(Input),
    Greeted(Result<Box<Greeting>, RequestError>),
    /// The answer to a question.
    Told(Result<Shown, RequestError>),
    Earlier(Result<HistoryPage, RequestError>),
    Answered(Answered),
    /// The time that the view named as its next alarm has come.
    Alarm,
}

/// The state of the room that is asked for after each connect.
#[derive(Debug)]
pub(crate) struct Greeting {
    pub(crate) view: RoomView,
    pub(crate) online: Vec<UserId>,
    /// Only the first time; after that the client catches up by itself.
    pub(crate) past: Option<HistoryPage>,
}

/// The answer to a [`Write`].
#[derive(Debug)]
pub(crate) struct Answered {
    pub(crate) client_id: Option<ClientMessageId>,
    pub(crate) result: Result<Sent, RequestError>,
}

/// Something to do.
#[derive(Debug)]
pub(crate) enum Act {
    Show(Shown),
    Status(Status),
    /// Ask for a [`Greeting`], with this number of past entries if any.
    Greet(Option<usize>),
    Ask(Question),
    /// Ask for at most this number of entries before one.
    AskEarlier(Seq, usize),
    Write(Write),
    Mark(RoomId, Mark, Seq),
    Typing,
}
