//! The commands of users and scripts: how each is written, what it sends, and what people see of
//! it.
//!
//! A command that stores a new kind of entry is a change of this file: an arm in
//! [`Command::typed`] and a line in [`HELP`], the same for scripts in [`Script`] and [`JSON`], a
//! variant of [`Change`] or [`Write`], and the arms that the compiler then asks for; beside it, `sentences`
//! says what people see of the entry. A command that asks the server something needs nothing for scripts,
//! which may send any: how it is typed stands in [`rooms`], and what people see of its reply in `answers`.

mod length;
mod request;
mod rooms;

use chat_cli::{Client, Sending};
use chat_core::{RoomId, Seq};
use serde::Deserialize;
use serde_json::{Map, Value};

use request::Request;
pub(crate) use rooms::{HELP as ROOMS_HELP, Rooms, Which};

/// The lines that `/help` shows, before those of rooms.
pub(crate) const HELP: [&str; 8] = [
    "/who          who is online",
    "/block NAME   you and NAME write to each other no more; /unblock NAME, /blocks",
    "/more         earlier messages",
    "/edit TEXT    gives your last message another text, also while it waits",
    "/delete       takes your last message back, also while it waits",
    "/quit         leaves, as do /exit, /q, Ctrl+C and Ctrl+D",
    "//TEXT        sends /TEXT",
    "Pasted text is a message, also when it begins with a slash.",
];

/// The examples of [`Script`] and [`Request`] in `--help`.
pub(crate) const JSON: &str = r#"{"send":"hi"}   {"edit":{"seq":7,"text":"hello"}}   {"delete":{"seq":7}}   {"more":50}
    {"open":{"user":"bob"}}   {"open":{"room":"ID"}}   {"open":{"name":"Team"}}
  Any other command of the protocol (docs/PROTOCOL.md) is written in the same way; its room is
  the open one unless it names another. create, join and accept open the room:
    {"create":{"kind":"group","name":"Team","members":["bob"]}}   {"accept":{"token":"..."}}
    {"inbox":{}}   {"members":{}}   {"role":{"user":"bob","role":"moderator"}}   {"leave":{}}
    {"invite":{"uses":5,"ttl":604800}}   {"ban":{"user":"eve","for":3600}}   {"me":{"pinned":true}}"#;

/// One thing that a line asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Command {
    Write(Write),
    Rooms(Rooms),
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
    Open(Which),
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
    ///
    /// # Errors
    ///
    /// A sentence about what is wrong: for a command that there is, how it is typed.
    pub(crate) fn typed(name: &str, rest: &str) -> Result<Self, String> {
        Ok(match (name, rest) {
            ("/quit" | "/exit" | "/q", "") => Self::Quit,
            ("/more", "") => Self::More(None),
            ("/help", _) => Self::Help,
            ("/delete", "") => Self::change(Target::Last, Change::Delete),
            ("/edit", text) if !text.is_empty() => {
                Self::change(Target::Last, Change::Edit(text.to_owned()))
            }
            _ => {
                let command = rooms::typed(name, rest)?.map(Self::Rooms);
                return command.ok_or_else(|| wrong(name, rest));
            }
        })
    }

    /// The command in a line of a script.
    ///
    /// # Errors
    ///
    /// The fault of the JSON.
    pub(crate) fn from_json(line: &str) -> serde_json::Result<Self> {
        let json: Map<String, Value> = serde_json::from_str(line)?;
        if let [(name, fields)] = &json.iter().collect::<Vec<_>>()[..]
            && fields.is_object()
            && Request::is_known(name)
        {
            let request = Request::new(name, (*fields).clone());
            return Ok(Self::Rooms(Rooms::Request(request)));
        }
        Ok(match serde_json::from_str(line)? {
            Script::Send(text) => Self::send(text),
            Script::Edit { seq, text } => Self::change(Target::Stored(seq), Change::Edit(text)),
            Script::Delete { seq } => Self::change(Target::Stored(seq), Change::Delete),
            Script::More(count) => Self::More(Some(count)),
            Script::Open(which) => Self::Rooms(Rooms::Open(which)),
        })
    }
}

/// The answer to a command that is typed wrongly.
fn wrong(name: &str, rest: &str) -> String {
    if let Some(usage) = usage(name) {
        return format!("usage: {usage}");
    }
    let space = if rest.is_empty() { "" } else { " " };
    format!("not a command: {name}{space}{rest}; /help shows the commands, and //TEXT sends {name}")
}

/// The line of the help about the command of this name.
fn usage(name: &str) -> Option<&'static str> {
    let says = |line: &&str| {
        let mut words = line.split([' ', ',', ';']);
        words.any(|word| word == name)
    };
    HELP.into_iter().chain(ROOMS_HELP).find(says)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_known_command_that_is_typed_wrongly_shows_how_it_is_typed() {
        for (name, rest, usage) in [
            ("/invite", "boss", "usage: /invite [USES] [FOR] [ROLE]"),
            ("/role", "bob boss", "usage: /role NAME ROLE"),
            ("/pin", "maybe", "usage: /pin [off], /hide [off]"),
            ("/unmute", "", "usage: /mute NAME [FOR] [REASON], /unmute"),
            ("/blocks", "bob", "usage: /block NAME"),
            ("/edit", "", "usage: /edit TEXT"),
            ("/more", "5", "usage: /more"),
            ("/quit", "now", "usage: /quit"),
            ("/open", "", "usage: /open NAME"),
            ("/set", "colour red", "usage: /set post|add"),
        ] {
            let why = Command::typed(name, rest).unwrap_err();
            assert!(why.starts_with(usage), "{name} {rest}: {why}");
        }
        let why = Command::typed("/opne", "bob").unwrap_err();
        assert!(why.starts_with("not a command: /opne bob; /help"), "{why}");
    }
}
