//! The inputs of the view and its outputs.

use std::time::Duration;

use chat_cli::{ClientEvent, RequestError};
use chat_core::{
    ClientMessageId, Command, HistoryPage, Mark, Reply, RoomId, RoomView, Sent, Seq, UserId,
};

use super::{
    command::Write,
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

/// The user, and how the program was started.
#[derive(Debug)]
pub(crate) struct Topic {
    pub(crate) me: UserId,
    /// The room that is open from the start; without it, the rooms are listed.
    pub(crate) start: Option<Spot>,
    pub(crate) reader: Reader,
    /// The number of past entries to show.
    pub(crate) last: usize,
    /// The time after which the program gives up without a connection; `None` for never.
    pub(crate) patience: Option<Duration>,
    /// Goes on after the end of the input.
    pub(crate) follow: bool,
}

/// A room that is open.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Spot {
    pub(crate) room: RoomId,
    /// The other user of a direct room.
    pub(crate) peer: Option<UserId>,
}

impl Spot {
    /// The room with this id, as `me` sees it.
    pub(crate) fn of(room: RoomId, me: &UserId) -> Self {
        let peer = room.peer_of(me);
        Self { room, peer }
    }
}

/// Something that has happened.
#[derive(Debug)]
pub(crate) enum Happened {
    Client(ClientEvent),
    Input(Input),
    Greeted(RoomId, Result<Box<Greeting>, RequestError>),
    Replied(Box<Asked>, Result<Reply, RequestError>),
    Earlier(RoomId, Result<HistoryPage, RequestError>),
    Answered(Answered),
    /// The time that the view named as its next alarm has come.
    Alarm,
}

/// A command that was asked of the server.
#[derive(Debug)]
pub(crate) struct Asked {
    pub(crate) command: Command,
    pub(crate) why: Why,
}

/// The use of an answer.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Why {
    /// The user wants to see it.
    Answer,
    /// The rooms are to be known, after each connect.
    Start,
    /// The rooms are to be listed for people, the first time or on.
    List { first: bool },
    /// The channel that is called so is to be joined.
    Join(String),
    /// All rooms are to be known, for one of them is looked for by name.
    Search,
    /// A room that is called so is to be opened, unless a user is.
    Open(String),
    /// The user wants to come into a room; so many rooms had become known before.
    Enter(usize),
    /// The user wants to let another in; the newest entry on the screen then.
    Add(Seq),
}

/// The state of the room that is asked for after each connect.
#[derive(Debug)]
pub(crate) struct Greeting {
    pub(crate) view: RoomView,
    /// The users who are online; only in a direct room.
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
    /// Ask for a [`Greeting`], with this number of past entries if any. The second number is how far the
    /// user has read, if the room doesn't say.
    Greet(Spot, Option<usize>, Seq),
    Ask(Box<Asked>),
    /// Ask for at most this number of entries before one.
    AskEarlier(RoomId, Seq, usize),
    Write(RoomId, Write),
    Mark(RoomId, Mark, Seq),
    Typing(RoomId),
}
