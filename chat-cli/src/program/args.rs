//! The command line.

use std::{env, ffi::OsString, path::PathBuf, time::Duration};

use chat_core::UserId;
use clap::{CommandFactory as _, FromArgMatches as _, Parser, Subcommand, error::ErrorKind};
use clap_complete::Shell;

use super::{command::JSON, target::Server};
use crate::{screen::Theme, script::HELP as SCRIPT};

/// Chat in the terminal, or from a script.
#[derive(Debug, Parser)]
#[command(name = "chat-cli", version, after_help = help())]
pub(crate) struct Args {
    /// Your name; without any name, the full screen opens
    pub(crate) me: Option<UserId>,

    /// The name of the user you chat with; without it, your rooms are listed
    pub(crate) peer: Option<UserId>,

    #[command(flatten)]
    pub(crate) server: Server,

    #[arg(long, help = "The colours of the full screen; NO_COLOR=1 means none")]
    pub(crate) theme: Option<Theme>,

    /// How many of the last entries to show, at most 200
    #[arg(long, value_name = "COUNT", default_value_t = 20, value_parser = clap::value_parser!(u16).range(0..=200))]
    pub(crate) last: u16,

    /// Prints one JSON object per line, and reads one message or JSON command per line
    #[arg(long)]
    pub(crate) json: bool,

    /// Goes on listening after the end of the input
    #[arg(long)]
    pub(crate) follow: bool,

    /// Gives up after this time without a connection; on a terminal, never
    #[arg(long, value_name = "SECONDS", default_value_t = 60)]
    pub(crate) patience: u64,
}

/// The work that the command line asks for.
#[derive(Debug)]
pub(crate) enum Asked {
    Chat(Args),
    Task(Task),
}

/// A command, which is the first word. A user of this name stands behind `--`.
#[derive(Debug, Subcommand)]
pub(crate) enum Task {
    /// Asks for a server and a token or a name, tries them, and keeps them as a profile
    Login {
        #[command(flatten)]
        server: Server,
    },
    /// Types the lines of a file for several users, and checks what they see
    #[command(after_help = SCRIPT)]
    Script {
        /// The file; - is the standard input
        file: PathBuf,
        #[command(flatten)]
        server: Server,
    },
    /// Prints the completions for a shell
    Completions {
        /// The shell
        shell: Shell,
    },
    /// Prints the man page, or writes those of all commands into a folder
    Man {
        /// The folder
        folder: Option<PathBuf>,
    },
}

impl Asked {
    /// Reads the command line of the program; explains it and ends the program where that is asked for, or
    /// where it is wrong.
    pub(crate) fn read() -> Self {
        let words: Vec<OsString> = env::args_os().collect();
        let first = words.get(1).and_then(|word| word.to_str());
        // The names of users are no commands, wherever else they stand.
        if !first.is_some_and(Task::has_subcommand) {
            match Args::try_parse_from(&words) {
                Ok(args) => return Self::Chat(args),
                Err(error) if error.kind() == ErrorKind::DisplayHelp => {}
                Err(error) => error.exit(),
            }
        }
        let mut matches = whole().get_matches_from(words);
        match Task::from_arg_matches_mut(&mut matches) {
            Ok(task) => Self::Task(task),
            Err(error) => error.exit(),
        }
    }
}

/// The whole command line, for its explanation.
pub(crate) fn whole() -> clap::Command {
    Task::augment_subcommands(Args::command())
        .args_conflicts_with_subcommands(true)
        .disable_help_subcommand(true)
}

impl Args {
    pub(crate) fn patience(&self) -> Duration {
        Duration::from_secs(self.patience)
    }
}

/// The part of `--help` after the options.
fn help() -> String {
    format!(
        r#"The full screen opens without a name, for the user of the profile; F1 shows its keys.
A command is the first word; a user who is called like one stands behind --.

On a terminal, with a name:
  Type a message and press Enter. /help shows the commands. Ctrl+C or Ctrl+D leaves.
  [SENT] stored by the server, [DELIVERED] reached the other, [READ] was shown to the other.
  Only what was shown counts as read: /more shows what was missed beyond the last messages.
  NO_COLOR=1 turns colours off.
  With your name alone, your rooms are listed: /open NAME enters one, /new NAME MEMBER... makes a
  group. Times are written as 30s, 5m, 1h, 7d.

From a script:
  Without a terminal, each line of the input is a message; with your name alone, commands are
  read as on a terminal. At its end the program waits until
  all messages are answered, then leaves (--follow: it stays). When the server says that there
  are too many messages, a line waits as long as the server says and is sent then; with --json
  it is refused, and the script decides.

  --json: a line that begins with {{ is a command, any other line is a message.
    {JSON}
  Output, one object per line; "type" says which:
    connected     user, peer, room, online: after each (re)connect; without an open room, user
    inbox         rooms, next: after the first connect, with your name alone
    opened        room, me, members: the room that was opened; its past entries follow
    disconnected  reason, retry_in_ms
    entry         room, seq, id, author, client_id, at, body, past (true: from the history)
    sent          room, id, seq, at, duplicate, client_id: your message is stored for good
    receipt       room, user, delivered, read: everything up to these has been received, read
    typing        room, user, active
    presence      user, online, last_seen
    skipped       from, to: too many entries were missed; the history has them
    reset         the room's log began anew on the server
    answer        to, result: the reply to a command, which is named as in the protocol
    room          why (added, removed), room, me, unread and more: a room has come or gone
    me            room, role, notify, pinned, hidden, muted_until: set on another device
    closed        room: the user is in it no longer
    error         code, name, message, retry_after_ms, text, client_id, to: what was refused, and why
  With your name alone, entry comes from all your rooms, the others from the open one.
  Control characters are escaped as \uXXXX.

Exit codes: 0 left in order; 1 the server was lost or closed for good, or a message was not
sent; 2 wrong usage."#
    )
}
