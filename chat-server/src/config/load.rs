//! The sources of a setting, the first of which wins: flag, environment, `.env`, file, default.

use std::{
    collections::BTreeMap,
    ffi::OsString,
    fmt,
    path::{Path, PathBuf},
};

use super::{
    command::{Task, TokenTask, command},
    exposure::{Leak, Row, Standing},
    settings::{Setting, Settings, TABLE},
    source::Origin,
    value::without_password,
};
use crate::admin_command::Invocation;
use crate::files::read::secret;

/// What is wrong with the settings, in one line that names the setting and where it came from.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Problem(String);

/// The settings, and the source of each.
pub struct Loaded {
    /// The values.
    pub settings: Settings,
    /// Each setting with its value as text and its source, in the order of the table.
    pub origins: Vec<(&'static Setting, String, Origin)>,
}

impl Loaded {
    /// Says what the server needs for those who can reach it, and whether it has that.
    pub fn rows(&self) -> Vec<Row> {
        let leaks = self.origins.iter().filter_map(|(setting, text, origin)| {
            let name = ["store", "cache"]
                .into_iter()
                .find(|name| *name == setting.field)?;
            let shows_password = without_password(text) != *text;
            shows_password.then(|| Leak::find(name, origin)).flatten()
        });
        self.settings.rows(&leaks.collect::<Vec<_>>())
    }

    /// The setting by which others than this machine's users can reach the server, and its source.
    pub fn exposed_by(&self) -> Option<String> {
        let name = self.settings.exposed_by(&self.settings.listen)?;
        let (text, origin) = self.find(name);
        Some(format!("{name} {text} ({origin})"))
    }

    /// The first reason not to serve.
    fn refusal(&self) -> Option<Problem> {
        let rows = self.rows();
        let row = rows.iter().find(|row| row.standing == Standing::Fail)?;
        let (text, origin) = self.find(row.setting);
        let exposed = self.exposed_by();
        let exposed = exposed.map(|by| format!(" (others can reach the server, by {by})"));
        Some(Problem(format!(
            "{} ({origin}): {:?} won't do: {}{}",
            row.setting,
            without_password(text),
            row.says,
            exposed.unwrap_or_default()
        )))
    }

    /// The text of a setting, and its source.
    fn find(&self, name: &str) -> (&str, &Origin) {
        let mut all = self.origins.iter();
        all.find(|(setting, ..)| setting.name() == name)
            .map_or(("", &Origin::Default), |(_, text, origin)| (text, origin))
    }
}

impl fmt::Debug for Loaded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The texts may hold a password.
        f.debug_struct("Loaded")
            .field("settings", &self.settings)
            .finish_non_exhaustive()
    }
}

impl fmt::Display for Loaded {
    /// One line each, which is also a file that `--config` reads, but for passwords.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.origins.iter().try_for_each(|(setting, text, origin)| {
            writeln!(
                f,
                "{} = {}  # {origin}",
                setting.name(),
                toml::Value::from(without_password(text))
            )
        })
    }
}

/// What the command line asks for.
pub enum Request {
    /// To serve.
    Serve(Loaded),
    /// To show the settings.
    Print(Loaded),
    /// To say what the server needs for those who can reach it.
    Check(Loaded),
    /// To ask the running server whether it is alive.
    Health(Loaded),
    /// To bring the messages of the old server into the store.
    Import {
        /// The settings.
        loaded: Loaded,
        /// The MongoDB of the old server.
        from: String,
        /// The form of the times, in the notation of `strftime`.
        time_format: Option<String>,
        /// Only say what would be done.
        dry_run: bool,
    },
    /// To do something with tokens.
    Token {
        /// The settings.
        loaded: Loaded,
        /// The task.
        task: TokenTask,
    },
    /// To ask the administration of a running server.
    Admin(Invocation),
    /// To do something with the store that is no serving.
    Maintain {
        /// The settings.
        loaded: Loaded,
        /// The task.
        task: Task,
    },
}

impl fmt::Debug for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The address of the old server may hold a password.
        match self {
            Self::Serve(loaded) => f.debug_tuple("Serve").field(loaded).finish(),
            Self::Admin(invocation) => f.debug_tuple("Admin").field(&invocation.task).finish(),
            Self::Print(loaded) => f.debug_tuple("Print").field(loaded).finish(),
            Self::Check(loaded) => f.debug_tuple("Check").field(loaded).finish(),
            Self::Health(loaded) => f.debug_tuple("Health").field(loaded).finish(),
            Self::Import { loaded, .. } => f.debug_tuple("Import").field(loaded).finish(),
            Self::Token { loaded, task } => {
                f.debug_tuple("Token").field(task).field(loaded).finish()
            }
            Self::Maintain { loaded, task } => {
                f.debug_tuple("Maintain").field(task).field(loaded).finish()
            }
        }
    }
}

impl Settings {
    /// The defaults with some settings given as text, by their names.
    ///
    /// ```
    /// use chat_server::config::Settings;
    ///
    /// let settings = Settings::with(&[("rate-limit", "off")])?;
    /// assert_eq!(settings.rate_limit, None);
    /// assert!(Settings::with(&[("rate-limit", "often")]).is_err());
    /// # Ok::<(), chat_server::config::Problem>(())
    /// ```
    ///
    /// # Errors
    ///
    /// A name that doesn't exist, a value that can't be read, or values that don't fit together.
    pub fn with(values: &[(&str, &str)]) -> Result<Self, Problem> {
        let flags = values
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        let loaded = resolve(flags.collect(), &[], None)?;
        loaded.refusal().map_or(Ok(loaded.settings), Err)
    }
}

impl Default for Settings {
    /// The defaults that `--help` shows.
    fn default() -> Self {
        match Self::with(&[]) {
            Ok(settings) => settings,
            Err(problem) => unreachable!("a default of the table is wrong: {problem}"),
        }
    }
}

/// Reads the command line, the environment, the text of `.env` and the file that they name.
///
/// # Errors
///
/// [`clap::Error`] also for `--help` and `--version`: print it and exit with its code; a problem
/// with a value has code 2 and is one line.
pub fn load(
    args: impl IntoIterator<Item = OsString>,
    environment: impl Iterator<Item = (String, String)>,
    dot_env: Option<&str>,
) -> Result<Request, clap::Error> {
    let all = command().try_get_matches_from(args)?;
    let subcommand = all.subcommand();
    if let Some(matches) = all.subcommand_matches("admin") {
        let variables = variables(environment, dot_env).map_err(|problem| wrong(&problem))?;
        let variable = |name: &str| Some(find(&variables, name)?.0);
        let invocation = Invocation::of(matches, variable);
        return invocation
            .map(Request::Admin)
            .map_err(|error| wrong(&error));
    }
    let import = all.subcommand_matches("import");
    let task = subcommand.and_then(|(name, matches)| Task::of(name, matches));
    let token = subcommand.and_then(|(name, matches)| TokenTask::of(name, matches));
    let matches = subcommand.map_or(&all, |(_, matches)| matches);
    let flags = TABLE.iter().filter_map(|setting| {
        // A subcommand has some of them.
        let given = matches.try_get_many(setting.field).ok()??;
        let given: Vec<&String> = given.collect();
        let text: Vec<&str> = given.into_iter().map(String::as_str).collect();
        Some((setting.name(), text.join(",")))
    });
    let loaded = (|| {
        let variables = variables(environment, dot_env)?;
        let path = matches.get_one::<String>("config").cloned();
        let path = path.or_else(|| Some(find(&variables, "CHAT_CONFIG")?.0));
        resolve(flags.collect(), &variables, path.map(PathBuf::from))
    })();
    let loaded = match (loaded, task, token) {
        (Ok(loaded), Some(task), _) => return Ok(Request::Maintain { loaded, task }),
        (Ok(loaded), _, Some(task)) => return Ok(Request::Token { loaded, task }),
        (Ok(loaded), ..) if all.subcommand_matches("check").is_some() => {
            return Ok(Request::Check(loaded));
        }
        (Ok(loaded), ..) if all.subcommand_matches("health").is_some() => {
            return Ok(Request::Health(loaded));
        }
        (loaded, ..) => loaded,
    };
    match (loaded, import) {
        (Ok(loaded), Some(import)) => Ok(Request::Import {
            loaded,
            from: import.get_one("from").cloned().unwrap_or_default(),
            time_format: import.get_one("time-format").cloned(),
            dry_run: import.get_flag("dry-run"),
        }),
        (Ok(loaded), None) if all.get_flag("print-config") => Ok(Request::Print(loaded)),
        (Ok(loaded), None) => match loaded.refusal() {
            None => Ok(Request::Serve(loaded)),
            Some(problem) => Err(problem),
        },
        (Err(problem), _) => Err(problem),
    }
    .map_err(|problem| wrong(&problem))
}

fn wrong(problem: &dyn fmt::Display) -> clap::Error {
    let kind = clap::error::ErrorKind::ValueValidation;
    clap::Error::raw(kind, format!("{problem}\n"))
}

/// The variables of the environment, and after them those of `.env`.
fn variables(
    environment: impl Iterator<Item = (String, String)>,
    dot_env: Option<&str>,
) -> Result<Vec<(Origin, String)>, Problem> {
    let dot_env = dotenvy::from_read_iter(dot_env.unwrap_or_default().as_bytes())
        .collect::<Result<Vec<_>, _>>()
        .map_err(|error| Problem(format!(".env can't be read: {error}")))?;
    let dot_env = dot_env.into_iter();
    Ok(environment
        .map(|(name, value)| (Origin::Environment(name), value))
        .chain(dot_env.map(|(name, value)| (Origin::DotEnv(name), value)))
        .collect())
}

/// The value and the source of the first variable of this name.
fn find(variables: &[(Origin, String)], wanted: &str) -> Option<(String, Origin)> {
    let found = variables.iter().find(|(origin, _)| {
        matches!(origin, Origin::Environment(name) | Origin::DotEnv(name) if name == wanted)
    });
    found.map(|(origin, value)| (value.clone(), origin.clone()))
}

/// The variables that the old server, or every Rust program, reads.
fn alias(setting: &Setting, variables: &[(Origin, String)]) -> Option<(String, Origin)> {
    match setting.field {
        "listen" => {
            let port = find(variables, "PORT").filter(|(port, _)| !port.is_empty());
            port.map(|(port, origin)| (format!("127.0.0.1:{port}"), origin))
        }
        "store" => find(variables, "Atlas_URI"),
        "log" => find(variables, "RUST_LOG").filter(|(filter, _)| !filter.is_empty()),
        _ => None,
    }
}

/// Picks each setting's value from its best source, and checks it.
fn resolve(
    mut flags: BTreeMap<String, String>,
    variables: &[(Origin, String)],
    path: Option<PathBuf>,
) -> Result<Loaded, Problem> {
    let mut file = path
        .as_ref()
        .map_or_else(|| Ok(BTreeMap::new()), read_file)?;
    let file_origin = path.map_or(Origin::Default, Origin::File);
    let mut origins = Vec::new();
    for setting in TABLE {
        let name = setting.name();
        // Removed also when it loses, so that what remains is unknown.
        let from_file = file.remove(&name).map(|text| (text, file_origin.clone()));
        let (text, origin) = flags
            .remove(&name)
            .map(|text| (text, Origin::Flag))
            .or_else(|| find(variables, &setting.variable()))
            .or_else(|| alias(setting, variables))
            .or(from_file)
            .unwrap_or_else(|| (setting.default.to_owned(), Origin::Default));
        (setting.check)(&text).map_err(|form| {
            let text = without_password(&text);
            Problem(format!("{name} ({origin}): {text:?} is not {form}"))
        })?;
        origins.push((setting, text, origin));
    }
    for (unknown, origin) in [
        (flags.keys().next(), &Origin::Flag),
        (file.keys().next(), &file_origin),
    ] {
        if let Some(unknown) = unknown {
            return Err(Problem(format!(
                "{unknown} ({origin}): there is no such setting"
            )));
        }
    }
    read_secrets(&mut origins)?;
    let text = |field: &str| {
        let found = origins.iter().find(|(setting, ..)| setting.field == field);
        found.map(|(_, text, _)| text.clone()).unwrap_or_default()
    };
    let settings = Settings::read(text).map_err(Problem)?;
    let loaded = Loaded { settings, origins };
    if let Some((name, why)) = loaded.settings.conflict() {
        let (text, origin) = loaded.find(name);
        return Err(Problem(format!(
            "{name} ({origin}): {text:?} won't do: {why}"
        )));
    }
    Ok(loaded)
}

/// The settings whose value may be in a file of its own, each with the setting that names the file.
const IN_FILES: [(&str, &str); 2] = [("store", "store_file"), ("cache", "cache_file")];

/// Takes the values that files of their own hold.
fn read_secrets(origins: &mut [(&'static Setting, String, Origin)]) -> Result<(), Problem> {
    for (wanted, by_file) in IN_FILES {
        let mut named = origins
            .iter()
            .filter(|(setting, ..)| setting.field == by_file);
        let Some((setting, path, origin)) = named.next().filter(|(_, path, _)| !path.is_empty())
        else {
            continue;
        };
        let wrong = |why: &dyn fmt::Display| {
            Problem(format!(
                "{} ({origin}): {path} can't be used: {why}",
                setting.name()
            ))
        };
        let read = secret(Path::new(path)).map_err(|error| wrong(&error))?;
        let text = read
            .text()
            .map(str::trim)
            .ok_or_else(|| wrong(&"it is not UTF-8"))?;
        let (value, source) = (text.to_owned(), Origin::File(path.into()));
        let mut all = origins.iter();
        let found = all.find(|(setting, ..)| setting.field == wanted);
        if let Some((target, _, former)) = found {
            if *former != Origin::Default {
                let why = format!("there is a {wanted} too ({former}); name one of them");
                return Err(wrong(&why));
            }
            (target.check)(&value).map_err(|form| wrong(&format!("it does not hold {form}")))?;
        }
        for (setting, text, origin) in &mut *origins {
            if setting.field == wanted {
                (*text, *origin) = (value.clone(), source.clone());
            }
        }
    }
    Ok(())
}

/// The keys of the file, each value as the text that a flag would have.
fn read_file(path: &PathBuf) -> Result<BTreeMap<String, String>, Problem> {
    let shown = path.display();
    let text = std::fs::read_to_string(path)
        .map_err(|error| Problem(format!("config (file {shown}): can't be read: {error}")))?;
    let table: toml::Table = text.parse().map_err(|error: toml::de::Error| {
        let line = error
            .span()
            .map_or(0, |span| text[..span.start].lines().count().max(1));
        let message = error.message();
        Problem(format!(
            "config (file {shown}): line {line} is not TOML: {message}"
        ))
    })?;
    let as_text = |value: toml::Value| match value {
        toml::Value::String(text) => Some(text),
        toml::Value::Integer(number) => Some(number.to_string()),
        toml::Value::Boolean(switch) => Some(switch.to_string()),
        toml::Value::Array(items) => {
            let items: Option<Vec<_>> = items.iter().map(toml::Value::as_str).collect();
            items.map(|items| items.join(","))
        }
        _ => None,
    };
    let entries = table.into_iter().map(|(name, value)| match as_text(value) {
        Some(text) => Ok((name, text)),
        None => Err(Problem(format!(
            "{name} (file {shown}): a value is a string, a number, a boolean or a list of strings"
        ))),
    });
    entries.collect()
}
