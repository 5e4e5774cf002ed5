//! The output of the program, as lines for people or as JSON for scripts.

use std::{
    fmt::Write as _,
    io::{self, IsTerminal as _},
    sync::Arc,
};

use chat_cli::clean;
use chat_core::{
    ClientMessageId, Entry, EntryBody, Epoch, ErrorBody, Event, InboxPage, Presence, Reply, RoomId,
    RoomKind, RoomView, Sent, Seq, UserId, Watermarks,
};
use chrono::{DateTime, Local, Utc};
use serde::Serialize;

use super::sentences::sentence;

/// One thing to show. Its JSON is documented in `--help`.
#[derive(Debug, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(crate) enum Shown {
    Connected {
        user: UserId,
        #[serde(skip_serializing_if = "Option::is_none")]
        peer: Option<UserId>,
        #[serde(skip_serializing_if = "Option::is_none")]
        room: Option<RoomId>,
        #[serde(skip_serializing_if = "Option::is_none")]
        online: Option<Vec<UserId>>,
    },
    /// For scripts only: the rooms of the user.
    Inbox(InboxPage),
    /// For scripts only: a room was opened.
    Opened(Box<RoomView>),
    /// For scripts only: the reply to a command.
    Answer {
        to: &'static str,
        result: Box<Reply>,
    },
    Disconnected {
        reason: String,
        retry_in_ms: u64,
    },
    Entry {
        #[serde(flatten)]
        entry: Arc<Entry>,
        past: bool,
        /// For people: how far an own message has got already.
        #[serde(skip)]
        state: Option<State>,
        /// For people: the text that the message which this entry is about had before.
        #[serde(skip)]
        was: Option<Arc<str>>,
        /// For people: the kind of the room.
        #[serde(skip)]
        kind: RoomKind,
    },
    Sent {
        #[serde(flatten)]
        sent: Sent,
        client_id: Option<ClientMessageId>,
    },
    Receipt {
        room: RoomId,
        user: UserId,
        #[serde(flatten)]
        marks: Watermarks,
    },
    Typing {
        room: RoomId,
        user: UserId,
        active: bool,
    },
    Presence(Presence),
    Skipped {
        from: Seq,
        to: Seq,
    },
    Reset {
        epoch: Epoch,
    },
    Error {
        #[serde(flatten)]
        error: ErrorBody,
        #[serde(skip_serializing_if = "Option::is_none")]
        text: Option<String>,
        #[serde(skip_serializing_if = "Option::is_none")]
        client_id: Option<ClientMessageId>,
        /// The command that was refused, if it was no message.
        #[serde(skip_serializing_if = "Option::is_none")]
        to: Option<&'static str>,
    },
    /// For people only: how far one's messages have got, shown when it settles.
    #[serde(skip)]
    State {
        state: State,
        text: String,
    },
    /// For people only.
    #[serde(skip)]
    Note(String),
    /// For people only: a day begins.
    #[serde(skip)]
    Day(DateTime<Utc>),
    /// For scripts only: news of the inbox, as the server sends them.
    #[serde(untagged)]
    News(Box<Event>),
}

/// The state of an own message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum State {
    Sent,
    Delivered,
    Read,
    /// Read by these members of a group.
    ReadBy(String),
}

impl State {
    pub(crate) fn of(seq: Seq, marks: Watermarks) -> Self {
        if seq <= marks.read {
            Self::Read
        } else if seq <= marks.delivered {
            Self::Delivered
        } else {
            Self::Sent
        }
    }

    fn name(&self) -> String {
        match self {
            Self::Sent => "[SENT]".to_owned(),
            Self::Delivered => "[DELIVERED]".to_owned(),
            Self::Read => "[READ]".to_owned(),
            Self::ReadBy(names) => format!("[READ by {names}]"),
        }
    }
}

/// The status line of a terminal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Status {
    Nothing,
    /// This line says which users are typing.
    Typing(String),
    Offline,
}

/// Colours, or none.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Style {
    pub(crate) colours: bool,
}

impl Style {
    /// Colours on a terminal that has some, unless `NO_COLOR` is set.
    pub(crate) fn of_environment() -> Self {
        let colours = io::stdout().is_terminal()
            && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
            && std::env::var_os("TERM").is_none_or(|term| term != "dumb");
        Self { colours }
    }

    fn paint(self, code: &str, text: &str) -> String {
        if self.colours {
            format!("\x1b[{code}m{text}\x1b[0m")
        } else {
            text.to_owned()
        }
    }

    pub(crate) fn dim(self, text: &str) -> String {
        self.paint("2", text)
    }
}

impl Shown {
    /// The line for people; `None` for what they are not shown.
    pub(crate) fn line(&self, me: &UserId, style: Style) -> Option<String> {
        Some(match self {
            Self::Entry {
                entry,
                state,
                was,
                kind,
                ..
            } => {
                let was = was.as_deref().map(shortened);
                return entry_line(entry, state.as_ref(), was.as_deref(), *kind, me, style);
            }
            Self::Connected { online, .. } => {
                let online = online.as_deref()?;
                let names: Vec<_> = online.iter().map(|user| clean(user.as_str())).collect();
                style.dim(&format!("online: {}", names.join(", ")))
            }
            Self::Disconnected { reason, .. } => {
                style.paint("33", &format!("-- not connected: {}", clean(reason)))
            }
            Self::Presence(presence) => style.dim(&presence_line(presence)),
            Self::Skipped { from, to } => {
                style.dim(&format!("-- entries {from} to {to} are left out"))
            }
            Self::Reset { .. } => style.paint("33", "-- the server began this room anew"),
            Self::Error { error, text, .. } => {
                let mut line = format!("[REFUSED] {}", clean(&error.message));
                let wait = error.retry_after_ms.map(|wait| wait.div_ceil(1_000));
                if let Some(wait) = wait
                    && !line.contains("wait")
                {
                    let _ = write!(line, " (wait {wait} s)");
                }
                if let Some(text) = text.as_deref().filter(|text| !text.is_empty()) {
                    let _ = write!(line, ": {}", shortened(text));
                }
                style.paint("31", &line)
            }
            Self::State { state, text } => {
                style.dim(&format!("      {} {}", state.name(), shortened(text)))
            }
            Self::Note(note) => style.dim(&format!("-- {}", clean(note))),
            Self::Day(day) => {
                let day = day.with_timezone(&Local).format("%A, %-d %B %Y");
                style.dim(&format!("-- {day}"))
            }
            Self::Sent { .. }
            | Self::Receipt { .. }
            | Self::Typing { .. }
            | Self::Inbox(_)
            | Self::Opened(_)
            | Self::Answer { .. }
            | Self::News(_) => return None,
        })
    }

    /// The JSON line for scripts; `None` for what they are not shown.
    pub(crate) fn json(&self) -> Option<String> {
        let json = serde_json::to_string(self).ok()?;
        // JSON leaves DEL, C1 and direction marks as they are; a terminal would obey them.
        let mut safe = String::with_capacity(json.len());
        for c in json.chars() {
            if *clean(c.encode_utf8(&mut [0; 4])) == *c.encode_utf8(&mut [0; 4]) {
                safe.push(c);
            } else {
                for unit in c.encode_utf16(&mut [0; 2]) {
                    let _ = write!(safe, "\\u{unit:04x}");
                }
            }
        }
        Some(safe)
    }
}

fn entry_line(
    entry: &Entry,
    state: Option<&State>,
    was: Option<&str>,
    kind: RoomKind,
    me: &UserId,
    style: Style,
) -> Option<String> {
    let time = entry.at.with_timezone(&Local).format("%H:%M").to_string();
    let author = clean(entry.author.as_str());
    let EntryBody::Message { text, edited_at } = &entry.body else {
        let what = sentence(entry, was, kind)?;
        return Some(style.dim(&format!("{time} {author} {what}")));
    };
    let name = style.paint(if entry.author == *me { "1" } else { "1;36" }, &author);
    let mut line = format!("{} {name}: {}", style.dim(&time), clean(text));
    if edited_at.is_some() {
        line += &style.dim(" (edited)");
    }
    if let Some(state) = state {
        line += &style.dim(&format!(" {}", state.name()));
    }
    Some(line)
}

/// A line that says whether a user is online, and if not, when they were last seen.
pub(crate) fn presence_line(presence: &Presence) -> String {
    let user = clean(presence.user.as_str());
    match (presence.online, presence.last_seen) {
        (true, _) => format!("{user} is online"),
        (false, None) => format!("{user} is not online"),
        (false, Some(at)) => {
            let at = at.with_timezone(&Local).format("%-d %b %H:%M");
            format!("{user} is not online, last seen {at}")
        }
    }
}

/// The beginning of a text, enough to recognise it.
pub(crate) fn shortened(text: &str) -> String {
    const CHARS: usize = 40;
    let text = clean(text);
    if text.chars().count() <= CHARS {
        return text.into_owned();
    }
    let start: String = text.chars().take(CHARS - 1).collect();
    format!("{start}…")
}
