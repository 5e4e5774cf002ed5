//! What the clients of a run did and saw, in the order in which it happened.

use std::collections::BTreeMap;

use super::seats::Standing;

/// A device; an index into [`History::clients`].
pub(crate) type Client = usize;

/// One entry of a log, as somebody was told it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Line {
    pub(crate) seq: u64,
    pub(crate) id: String,
    pub(crate) author: String,
    pub(crate) cid: String,
    pub(crate) text: String,
    /// The user of a group whose standing the entry changes, and the new one.
    pub(crate) change: Option<(String, Standing)>,
}

/// How far a member has got in a room.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Marks {
    pub(crate) delivered: u64,
    pub(crate) read: u64,
}

/// What a client did or saw. `link` counts its connections: an attempt that got neither `Ack` nor
/// `Refusal` on its own link has an unknown outcome. A message is refused when all its attempts were.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Op {
    /// Wrote a message; again, with the same `cid`, when it tried again.
    Send {
        client: Client,
        link: u32,
        room: String,
        cid: String,
        text: String,
    },
    /// Was told that it is stored.
    Ack {
        client: Client,
        link: u32,
        room: String,
        cid: String,
        id: String,
        seq: u64,
        duplicate: bool,
    },
    /// Was told that it is not stored.
    Refusal {
        client: Client,
        link: u32,
        room: String,
        cid: String,
    },
    /// Was told that it may be stored or not.
    Unsure {
        client: Client,
        link: u32,
        room: String,
        cid: String,
    },
    /// Received an entry.
    Recv {
        client: Client,
        link: u32,
        room: String,
        line: Line,
    },
    /// Is about to state how far it has got.
    Mark {
        client: Client,
        room: String,
        upto: u64,
    },
    /// Was told how far a member has got; `own`: in answer to its own statement.
    Marked {
        client: Client,
        room: String,
        user: String,
        marks: Marks,
        own: bool,
    },
    /// A ban from a group was answered, or is about to be lifted.
    Banned {
        room: String,
        user: String,
        banned: bool,
    },
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Room {
    pub(crate) members: Vec<String>,
    pub(crate) epoch: String,
    /// True if members come and go, as the log says.
    pub(crate) changes: bool,
}

/// A room as one member read it at the very end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct View {
    pub(crate) room: String,
    pub(crate) epoch: String,
    pub(crate) lines: Vec<Line>,
    pub(crate) marks: BTreeMap<String, Marks>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct History {
    /// The user of each client.
    pub(crate) clients: Vec<String>,
    /// A text with this word is refused, whether or not its sender lives to learn it.
    pub(crate) refused_word: String,
    /// Whether nothing that came on a link is done after its end, as when the server was killed.
    pub(crate) links_are_final: bool,
    /// The rooms as they were before the first message.
    pub(crate) rooms: BTreeMap<String, Room>,
    pub(crate) ops: Vec<Op>,
    pub(crate) views: Vec<View>,
}
