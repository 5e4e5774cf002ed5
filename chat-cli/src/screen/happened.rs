//! The inputs of the screen's model and its outputs.

use chat_cli::{ClientEvent, RequestError};
use chat_core::{
    ClientMessageId, Command, HistoryPage, InboxPage, InboxPlace, Mark, Reply, RoomId, RoomView,
    Sent, Seq, UserId,
};
use crossterm::event::{KeyEvent, MouseEvent};

/// Something that has happened.
#[derive(Debug)]
pub(crate) enum Happened {
    Client(ClientEvent),
    Key(KeyEvent),
    Mouse(MouseEvent),
    Paste(String),
    /// Columns and rows.
    Resized(u16, u16),
    /// The terminal's window came to the front, or went.
    Focus(bool),
    /// A page of the inbox; `first` is the beginning of it.
    Inbox {
        first: bool,
        page: Result<InboxPage, RequestError>,
    },
    /// The users who are online.
    Online(Vec<UserId>),
    Opened(RoomId, Result<Box<Opening>, RequestError>),
    Earlier(RoomId, Result<HistoryPage, RequestError>),
    Replied(Box<Asked>, Result<Reply, RequestError>),
    /// A message waits in the client's queue, under this id.
    Queued(Ticket, Option<ClientMessageId>),
    Answered(Ticket, Result<Sent, RequestError>),
    /// The time that the model named as its next alarm has come.
    Alarm,
}

/// The number of something that the user has sent.
pub(crate) type Ticket = u64;

/// The state of a room that was opened.
#[derive(Debug)]
pub(crate) struct Opening {
    pub(crate) view: RoomView,
    /// The newest entries; absent when they are known already.
    pub(crate) past: Option<HistoryPage>,
}

/// A command that was asked of the server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Asked {
    pub(crate) command: Command,
    /// The channel that is to be joined, if this is the search for it.
    pub(crate) join: Option<String>,
}

/// A write into a room.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Write {
    Send(String),
    Edit(Seq, String),
    Delete(Seq),
}

/// Something to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Act {
    /// Ask for the inbox from this place on.
    Inbox(Option<InboxPlace>),
    /// Ask which users are online.
    Online,
    /// Ask for a room, and for this number of its newest entries if any.
    Open {
        room: RoomId,
        peer: Option<UserId>,
        entries: Option<usize>,
    },
    Earlier(RoomId, Seq),
    Ask(Box<Asked>),
    Write(Ticket, RoomId, Write),
    Mark(RoomId, Mark, Seq),
    Typing(RoomId),
    /// Paint everything anew.
    Redraw,
    /// Give the terminal back until the shell continues the program.
    Suspend,
}
