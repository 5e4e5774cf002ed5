//! The command line: the flags of all settings, and the subcommands.

use std::{path::PathBuf, time::Duration};

use chat_core::{Rank, UserId};
use clap::{Arg, ArgAction, ArgMatches, Command};

use super::{
    login::Algorithm,
    settings::{Setting, TABLE},
    value::Value as _,
};
use crate::admin_command;

/// What can be done with tokens and their keys.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TokenTask {
    /// To make one.
    Issue {
        /// The user.
        user: UserId,
        /// How long it is valid.
        ttl: Duration,
        /// The user's rank.
        rank: Rank,
    },
    /// To say what one from standard input proves, or which rule it breaks.
    Check,
    /// To make a key in this folder.
    Generate(Algorithm, PathBuf),
}

impl TokenTask {
    pub(super) fn of(subcommand: &str, matches: &ArgMatches) -> Option<Self> {
        Some(match subcommand {
            "token" => Self::Issue {
                user: matches.get_one::<UserId>("user").cloned()?,
                ttl: matches.get_one("ttl").copied()?,
                rank: matches.get_one("rank").copied()?,
            },
            "check-token" => Self::Check,
            "keygen" => Self::Generate(
                matches.get_one("algorithm").copied()?,
                matches.get_one::<PathBuf>("folder").cloned()?,
            ),
            _ => return None,
        })
    }
}

/// What can be done with the file of a store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Task {
    /// To copy it to this file.
    Backup(PathBuf),
    /// To put this copy in its place.
    Restore(PathBuf),
    /// To say what is wrong with it.
    Doctor,
}

impl Task {
    /// The subcommand.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Backup(_) => "backup",
            Self::Restore(_) => "restore",
            Self::Doctor => "doctor",
        }
    }

    pub(super) fn of(subcommand: &str, matches: &ArgMatches) -> Option<Self> {
        let file = || matches.get_one::<PathBuf>("file").cloned();
        Some(match subcommand {
            "backup" => Self::Backup(file()?),
            "restore" => Self::Restore(file()?),
            "doctor" => Self::Doctor,
            _ => return None,
        })
    }
}

/// The whole command line.
pub(super) fn command() -> Command {
    Command::new("chat-server")
        .version(env!("CARGO_PKG_VERSION"))
        .about("Serves chat by WebSocket, REST and Socket.IO")
        .after_help(
            "A flag goes before the variable in brackets, that before .env, that before the file.",
        )
        .arg(config())
        .arg(
            Arg::new("print-config")
                .long("print-config")
                .action(ArgAction::SetTrue)
                .help("Shows every setting and where it came from, and exits"),
        )
        .args(settings(|_| true))
        .args_conflicts_with_subcommands(true)
        .disable_help_subcommand(true)
        .subcommands(maintenance())
        .subcommands(tokens())
        .subcommand(import())
        .subcommand(subcommand(
            "check",
            "Says what a server with these settings needs for those who can reach it, and starts none",
            |_| true,
        ))
        .subcommand(subcommand(
            "health",
            "Asks the server that runs with these settings whether it is alive, and starts none",
            |_| true,
        ))
        .subcommand(admin_command::command(time))
}

fn config() -> Arg {
    Arg::new("config")
        .long("config")
        .value_name("FILE")
        .help("A TOML file with settings, named like the flags [CHAT_CONFIG]")
}

fn time(text: &str) -> Result<Duration, String> {
    Duration::parse(text).map_err(|form| format!("it is not {form}"))
}

/// A subcommand with some of the settings.
fn subcommand(name: &'static str, about: &'static str, chosen: fn(&Setting) -> bool) -> Command {
    Command::new(name)
        .about(about)
        .arg(config())
        .args(settings(chosen))
}

fn of_the_store(setting: &Setting) -> bool {
    ["store", "store_file"].contains(&setting.field) || of_the_log(setting)
}

fn of_tokens(setting: &Setting) -> bool {
    setting.field.starts_with("jwt_") || of_the_log(setting)
}

fn of_the_log(setting: &Setting) -> bool {
    ["log", "log_format"].contains(&setting.field)
}

fn path(name: &'static str, value: &'static str, help: &'static str) -> Arg {
    Arg::new(name)
        .value_name(value)
        .required(true)
        .value_parser(clap::value_parser!(PathBuf))
        .help(help)
}

fn maintenance() -> [Command; 3] {
    [
        subcommand(
            "backup",
            "Copies an SQLite store to a new file, also while a server runs",
            of_the_store,
        )
        .arg(path(
            "file",
            "FILE",
            "The copy; it is checked before it gets this name",
        )),
        subcommand(
            "restore",
            "Puts a backup in the place of an SQLite store; no server may run on it",
            of_the_store,
        )
        .arg(path(
            "file",
            "FILE",
            "The backup; it is checked first, and stays",
        )),
        subcommand(
            "doctor",
            "Says what is wrong with an SQLite store, and what to do; writes nothing",
            of_the_store,
        ),
    ]
}

fn tokens() -> [Command; 3] {
    let user = Arg::new("user")
        .value_name("USER")
        .required(true)
        .value_parser(|name: &str| UserId::new(name))
        .help("The user's name");
    let ttl = Arg::new("ttl")
        .long("ttl")
        .value_name("TIME")
        .default_value("1h")
        .value_parser(time)
        .help("How long it is valid");
    let rank = Arg::new("rank")
        .long("rank")
        .value_name("user|moderator|admin")
        .default_value("user")
        .value_parser(|name: &str| {
            Rank::from_name(name).ok_or("it is not user, moderator or admin")
        })
        .help("The user's rank; the server believes it with --jwt-ranks");
    let algorithm = Arg::new("algorithm")
        .value_name("hs256|eddsa|rs256")
        .required(true)
        .value_parser(|name: &str| {
            let all = [Algorithm::Hs256, Algorithm::EdDsa, Algorithm::Rs256];
            all.into_iter()
                .find(|one| one.name().eq_ignore_ascii_case(name))
                .ok_or("it is not hs256, eddsa or rs256")
        })
        .help("The algorithm of the key");
    [
        subcommand(
            "token",
            "Makes a token for a user, signed with jwt-key-file",
            of_tokens,
        )
        .args([user, ttl, rank]),
        subcommand(
            "check-token",
            "Reads a token from standard input and says what it proves, or which rule it breaks",
            of_tokens,
        ),
        subcommand(
            "keygen",
            "Makes a key for tokens; its files are readable by their owner only",
            of_the_log,
        )
        .arg(algorithm)
        .arg(path(
            "folder",
            "DIR",
            "The folder for the files; files that are there stay",
        )),
    ]
}

fn import() -> Command {
    let from = Arg::new("from")
        .long("from")
        .value_name("mongodb://HOST/DATABASE")
        .required(true)
        .help("The MongoDB of the old server, as its Atlas_URI has it");
    let time_format = Arg::new("time-format")
        .long("time-format")
        .value_name("FORM")
        .help("The form of the times, in the notation of strftime: '%d/%m/%Y %H:%M:%S'");
    let dry_run = Arg::new("dry-run")
        .long("dry-run")
        .action(ArgAction::SetTrue)
        .help("Reads everything and says what would be done, but writes nothing");
    subcommand(
        "import",
        "Brings the messages of the old Node server into the store",
        of_the_store,
    )
    .after_help(
        "It may be stopped and run again, and goes on. The old server wrote times in its own time \
         zone: run this in the same one, such as TZ=Asia/Kolkata.",
    )
    .args([from, time_format, dry_run])
}

fn settings(chosen: fn(&Setting) -> bool) -> impl Iterator<Item = Arg> {
    TABLE
        .iter()
        .filter(move |setting| chosen(setting))
        .map(|setting| {
            let help = format!(
                "{} [{}] [default: {}]",
                setting.help.trim(),
                setting.variable(),
                setting.default
            );
            let arg = Arg::new(setting.field)
                .long(setting.name())
                .value_name(setting.form)
                .help(help);
            match setting.field {
                "allowed_host" | "cors_origin" | "trusted_proxy" => arg.action(ArgAction::Append),
                _ if setting.form == "BOOL" => arg
                    .num_args(0..=1)
                    .require_equals(true)
                    .default_missing_value("true"),
                _ => arg,
            }
        })
}
