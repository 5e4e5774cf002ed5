//! The command line of `chat-server admin`.

use std::{path::PathBuf, time::Duration};

use chat_core::port::Secret;
use clap::{Arg, ArgAction, ArgMatches, Command};

use super::{error::AdminError, place::Place};

/// The place of the administration unless something else is named.
const DEFAULT_URL: &str = "http://127.0.0.1:5001";

/// What to ask the administration for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AdminTask {
    /// To change something about a user: the action as in the address, and its details.
    OnUser {
        /// The last part of the address, such as `ban`.
        action: &'static str,
        /// The user.
        user: String,
        /// For how long; `None` until it is lifted.
        time: Option<Duration>,
    },
    /// To lift a ban or a mute.
    Lift {
        /// `ban` or `mute`.
        action: &'static str,
        /// The user.
        user: String,
    },
    /// To revoke one token.
    RevokeToken {
        /// Its id (`jti`).
        jti: String,
    },
    /// To give a member of a group another role.
    Assign {
        /// The group.
        room: String,
        /// The member.
        user: String,
        /// The role.
        role: String,
    },
    /// To send a text to everybody who is online.
    Announce {
        /// The text.
        text: String,
    },
    /// To delete a room.
    DeleteRoom {
        /// The room.
        room: String,
    },
    /// To give out what is stored of a user.
    Export {
        /// The user.
        user: String,
    },
    /// To put a notice into a room.
    Notice {
        /// The room.
        room: String,
        /// The text.
        text: String,
    },
    /// To show a user.
    User(String),
    /// To list sessions.
    Sessions {
        /// Only those of this user.
        user: Option<String>,
        /// Only those from this address.
        address: Option<String>,
    },
    /// To show a room.
    Room(String),
    /// To list the record of changes, or the decisions themselves.
    Log {
        /// `audit` or `decisions`.
        what: &'static str,
        /// Begin after this number.
        after: Option<u64>,
        /// The most rows.
        limit: Option<u64>,
    },
}

/// A task, and how the administration is asked.
#[derive(Debug)]
pub struct Invocation {
    /// The task.
    pub task: AdminTask,
    pub(super) place: Place,
    pub(super) token: TokenFrom,
    pub(super) reason: Option<String>,
    pub(super) key: Option<String>,
    pub(super) json: bool,
}

/// The source of the token.
#[derive(Debug)]
pub(super) enum TokenFrom {
    File(PathBuf),
    Environment(Secret),
}

impl Invocation {
    /// Reads the arguments of the subcommand; `variable` gives the value of a variable of the environment.
    ///
    /// # Errors
    ///
    /// A missing token, or an address that can't be one.
    pub(crate) fn of(
        matches: &ArgMatches,
        variable: impl Fn(&str) -> Option<String>,
    ) -> Result<Self, AdminError> {
        let Some((name, given)) = matches.subcommand() else {
            return Err(AdminError::Usage("admin: a command is missing".to_owned()));
        };
        let text = |id: &str| given.try_get_one::<String>(id).ok().flatten().cloned();
        let named = |id: &str| text(id).unwrap_or_default();
        let number = |id: &str| given.try_get_one::<u64>(id).ok().flatten().copied();
        let time = given.try_get_one::<Duration>("for").ok().flatten().copied();
        let user = named("user");
        let task = match name {
            "kick" => on_user("kick", user, None),
            "ban" => on_user("ban", user, time),
            "mute" => on_user("mute", user, time),
            "revoke" => on_user("revoke", user, None),
            "erase" => on_user("erase", user, None),
            "export" => AdminTask::Export { user },
            "delete-room" => AdminTask::DeleteRoom {
                room: named("room"),
            },
            "unban" => AdminTask::Lift {
                action: "ban",
                user,
            },
            "unmute" => AdminTask::Lift {
                action: "mute",
                user,
            },
            "revoke-token" => AdminTask::RevokeToken { jti: named("jti") },
            "role" => AdminTask::Assign {
                room: named("room"),
                user,
                role: named("role"),
            },
            "announce" => AdminTask::Announce {
                text: named("text"),
            },
            "notice" => AdminTask::Notice {
                room: named("room"),
                text: named("text"),
            },
            "user" => AdminTask::User(user),
            "sessions" => AdminTask::Sessions {
                user: text("user"),
                address: text("address"),
            },
            "room" => AdminTask::Room(named("room")),
            "audit" => log("audit", number("after"), number("limit")),
            _ => log("decisions", number("after"), number("limit")),
        };
        let url = matches.get_one::<String>("url").cloned();
        let url = url.or_else(|| variable("CHAT_ADMIN_URL"));
        let file = matches.get_one::<PathBuf>("token-file").cloned();
        let file = file.or_else(|| variable("CHAT_ADMIN_TOKEN_FILE").map(PathBuf::from));
        let token = match (file, variable("CHAT_ADMIN_TOKEN")) {
            (Some(file), _) => TokenFrom::File(file),
            (None, Some(token)) => TokenFrom::Environment(Secret::from(&*token)),
            (None, None) => {
                return Err(AdminError::Usage(
                    "admin: the token is missing; name its file with --token-file or \
                     CHAT_ADMIN_TOKEN_FILE, or set CHAT_ADMIN_TOKEN"
                        .to_owned(),
                ));
            }
        };
        Ok(Self {
            task,
            place: Place::parse(url.as_deref().unwrap_or(DEFAULT_URL))
                .map_err(AdminError::Usage)?,
            token,
            reason: text("reason"),
            key: text("key"),
            json: matches.get_flag("json"),
        })
    }
}

fn on_user(action: &'static str, user: String, time: Option<Duration>) -> AdminTask {
    AdminTask::OnUser { action, user, time }
}

fn log(what: &'static str, after: Option<u64>, limit: Option<u64>) -> AdminTask {
    AdminTask::Log { what, after, limit }
}

/// The subcommand; `time` reads a length of time.
pub(crate) fn command(time: fn(&str) -> Result<Duration, String>) -> Command {
    Command::new("admin")
        .about("Asks the administration of a running server: to ban, revoke, inspect, ...")
        .subcommand_required(true)
        .disable_help_subcommand(true)
        .arg(
            option(
                "url",
                "URL",
                "Where it is: http://127.0.0.1:5001, https://HOST:PORT or unix:PATH [CHAT_ADMIN_URL]",
            )
            .global(true),
        )
        .arg(
            option(
                "token-file",
                "FILE",
                "The file of the token [CHAT_ADMIN_TOKEN_FILE], or the token itself in CHAT_ADMIN_TOKEN",
            )
            .value_parser(clap::value_parser!(PathBuf))
            .global(true),
        )
        .arg(
            Arg::new("json")
                .long("json")
                .action(ArgAction::SetTrue)
                .global(true)
                .help("Prints the answer as JSON"),
        )
        .subcommands(changes(time))
        .subcommands(reads())
}

fn changes(time: fn(&str) -> Result<Duration, String>) -> [Command; 13] {
    let period = || {
        Arg::new("for")
            .long("for")
            .value_name("TIME")
            .value_parser(time)
            .help("For how long, such as 30m, 12h or 7d; without it until it is lifted")
    };
    let changes = [
        (Command::new("kick")
            .about("Closes the connections of a user, who may come back")
            .arg(user())),
        Command::new("ban")
            .about("Keeps a user out")
            .args([user(), period()]),
        Command::new("unban")
            .about("Lifts the bans of a user")
            .arg(user()),
        Command::new("mute")
            .about("Lets a user read and not write")
            .args([user(), period()]),
        Command::new("unmute")
            .about("Lifts the mutes of a user")
            .arg(user()),
        Command::new("revoke")
            .about("Refuses all tokens that a user has by now")
            .arg(user()),
        Command::new("erase")
            .about("Erases a user: their direct rooms, what they wrote elsewhere, and their name")
            .arg(user()),
        Command::new("export")
            .about("Prints all that is stored of a user as lines of JSON")
            .arg(user()),
        Command::new("delete-room")
            .about("Deletes a room with all that is stored of it")
            .arg(named("room", "ROOM", "The room's id")),
        Command::new("revoke-token")
            .about("Refuses one token")
            .arg(named("jti", "JTI", "The token's id, its claim jti")),
        Command::new("role")
            .about("Gives a member of a group another role")
            .args([
                named("room", "ROOM", "The group's id"),
                user(),
                named("role", "ROLE", "owner, moderator, member or reader"),
            ]),
        Command::new("announce")
            .about("Sends a text to everybody who is online")
            .arg(named("text", "TEXT", "The text")),
        Command::new("notice")
            .about("Puts a notice into a room, also into an archived one")
            .args([
                named("room", "ROOM", "The room's id"),
                named("text", "TEXT", "The text"),
            ]),
    ];
    changes.map(|change| {
        change.args([
            option("reason", "TEXT", "The reason, for the record"),
            option(
                "key",
                "KEY",
                "Makes a repetition safe: the same key again changes nothing, and gives the first answer",
            ),
        ])
    })
}

fn reads() -> [Command; 5] {
    let number = |name, help| option(name, "N", help).value_parser(clap::value_parser!(u64));
    let page = || {
        [
            number("after", "Begin after this number"),
            number("limit", "The most rows"),
        ]
    };
    [
        Command::new("user")
            .about("Shows where a user is connected, in which rooms they are, and what is in force about them")
            .arg(user()),
        Command::new("sessions")
            .about("Lists the sessions that are connected to the node")
            .args([
                option("user", "USER", "Only those of this user"),
                option("address", "IP", "Only those from this address"),
            ]),
        Command::new("room")
            .about("Shows a room, its members and its newest entries, which is put on record")
            .arg(named("room", "ROOM", "The room's id")),
        Command::new("audit")
            .about("Lists the record of what administrators did")
            .args(page()),
        Command::new("decisions")
            .about("Lists the decisions as they are stored")
            .args(page()),
    ]
}

fn user() -> Arg {
    named("user", "USER", "The user's name")
}

fn named(id: &'static str, value: &'static str, help: &'static str) -> Arg {
    Arg::new(id).value_name(value).required(true).help(help)
}

fn option(id: &'static str, value: &'static str, help: &'static str) -> Arg {
    Arg::new(id).long(id).value_name(value).help(help)
}
