//! The commands of users and scripts: how each is written, what it sends, and what people see of
//! it.
//!
//! A command that stores a new kind of entry is a change of this file alone: an arm in
//! [`Command::typed`] and a line in [`HELP`], the same for scripts in [`Script`] and [`JSON`], a
//! variant of [`Change`] or [`Write`], and the arms that the compiler then asks for, and an arm in
//! [`describe`].

use chat_cli::{Client, Sending, clean};
use chat_core::{EntryBody, RoomId, Seq, UserId};
use serde::Deserialize;

/// The lines that `/help` shows.
pub(crate) const HELP: [&str; 10] = [
    "/who          who is online",
    "/block NAME   you and NAME write to each other no more; NAME is not told",
    "/unblock NAME ends that",
    "/blocks       the users whom you have blocked",
    "/more         earlier messages",
    "/edit TEXT    gives your last message another text, also while it waits",
    "/delete       takes your last message back, also while it waits",
    "/quit         leaves, as do Ctrl+C and Ctrl+D",
    "//TEXT        sends /TEXT",
    "Pasted text is a message, also when it begins with a slash.",
];

/// The examples of [`Script`] in `--help`.
pub(crate) const JSON: &str = r#"{"send":"hi"}   {"edit":{"seq":7,"text":"hello"}}   {"delete":{"seq":7}}   {"more":50}
    {"block":"bob"}   {"unblock":"bob"}   {"blocks":{}}"#;

/// One thing that a line asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Command {
    Write(Write),
    Ask(Question),
    /// Show entries before those shown; without a number, a page.
    More(Option<usize>),
    Help,
    Quit,
}

/// A command of a script, in JSON.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
enum Script {
    Send(String),
    Edit { seq: Seq, text: String },
    Delete { seq: Seq },
    More(usize),
    Block(UserId),
    Unblock(UserId),
    Blocks {},
}

impl Command {
    /// The message with this text.
    pub(crate) fn send(text: impl Into<String>) -> Self {
        Self::Write(Write::Send(text.into()))
    }

    fn change(target: Target, change: Change) -> Self {
        Self::Write(Write::Change(target, change))
    }

    /// The command that is typed as `name`, which begins with a slash, and `rest`.
    pub(crate) fn typed(name: &str, rest: &str) -> Option<Self> {
        Some(match (name, rest) {
            ("/quit" | "/exit" | "/q", "") => Self::Quit,
            ("/who", "") => Self::Ask(Question::Online),
            ("/block", name) => Self::Ask(Question::Block(UserId::new(name).ok()?)),
            ("/unblock", name) => Self::Ask(Question::Unblock(UserId::new(name).ok()?)),
            ("/blocks", "") => Self::Ask(Question::Blocks),
            ("/more", "") => Self::More(None),
            ("/help", _) => Self::Help,
            ("/delete", "") => Self::change(Target::Last, Change::Delete),
            ("/edit", text) if !text.is_empty() => {
                Self::change(Target::Last, Change::Edit(text.to_owned()))
            }
            _ => return None,
        })
    }

    /// The command in a line of a script.
    ///
    /// # Errors
    ///
    /// The fault of the JSON.
    pub(crate) fn from_json(line: &str) -> serde_json::Result<Self> {
        Ok(match serde_json::from_str(line)? {
            Script::Send(text) => Self::send(text),
            Script::Edit { seq, text } => Self::change(Target::Stored(seq), Change::Edit(text)),
            Script::Delete { seq } => Self::change(Target::Stored(seq), Change::Delete),
            Script::More(count) => Self::More(Some(count)),
            Script::Block(user) => Self::Ask(Question::Block(user)),
            Script::Unblock(user) => Self::Ask(Question::Unblock(user)),
            Script::Blocks {} => Self::Ask(Question::Blocks),
        })
    }
}

/// A command that stores an entry in the room's log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Write {
    Send(String),
    Change(Target, Change),
}

/// A command about a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Change {
    Edit(String),
    Delete,
}

/// The message that a command is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Target {
    /// The last own one that is on the screen or waits.
    Last,
    /// One in the room's log.
    Stored(Seq),
    /// One that waits to be sent.
    Waiting(Ticket),
}

/// The name of a command that waits to be sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Ticket(pub(crate) u64);

impl Write {
    /// Sends it to a room; `None` while its target has no number.
    pub(crate) fn queue(self, client: &Client, room: &RoomId) -> Option<Sending> {
        Some(match self {
            Self::Send(text) => client.send(room, text),
            Self::Change(target, change) => {
                let seq = target.seq()?;
                match change {
                    Change::Edit(text) => client.edit(room, seq, text),
                    Change::Delete => client.delete(room, seq),
                }
            }
        })
    }
}

impl Change {
    /// The verb at the end of "there is no message of yours on the screen to".
    pub(crate) fn verb(&self) -> &'static str {
        match self {
            Self::Edit(_) => "edit",
            Self::Delete => "take back",
        }
    }

    /// The command while it waits, for people; `was` is the text of its target.
    pub(crate) fn describe(&self, was: &str) -> String {
        match self {
            Self::Edit(text) => format!("{text} (instead of: {was})"),
            Self::Delete => format!("taking back: {was}"),
        }
    }
}

impl Target {
    fn seq(self) -> Option<Seq> {
        match self {
            Self::Stored(seq) => Some(seq),
            Self::Last | Self::Waiting(_) => None,
        }
    }
}

/// A command about anything but the room's log, whose answer is one line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Question {
    Online,
    Block(UserId),
    Unblock(UserId),
    Blocks,
}

/// What the author of an entry did, as people read it after the author's name; `None` for an entry
/// that they are not shown. `was` is the text that the entry's target had before.
pub(crate) fn describe(body: &EntryBody, was: Option<&str>) -> Option<String> {
    match body {
        EntryBody::Edit { text, .. } => {
            let was = was.map_or_else(String::new, |was| format!(" (was: {was})"));
            Some(format!("corrected: {}{was}", clean(text)))
        }
        EntryBody::Delete { .. } => {
            let was = was.map_or_else(String::new, |was| format!(": {was}"));
            Some(format!("took a message back{was}"))
        }
        _ => None,
    }
}
