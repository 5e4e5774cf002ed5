//! The configuration file: profiles, each a server and a user, and where tokens are kept.

pub(crate) mod login;

use std::{
    collections::BTreeMap,
    env, fs, io,
    path::{Path, PathBuf},
};

use chat_core::UserId;
use serde::Deserialize;

use crate::screen::Theme;

/// The profile that is meant when none is named.
pub(crate) const DEFAULT: &str = "default";

/// A server and a user. All of it may be absent.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) struct Profile {
    /// The server's address.
    pub(crate) url: Option<String>,
    pub(crate) user: Option<UserId>,
    /// A file whose first line is the token, read for each connection.
    pub(crate) token_file: Option<PathBuf>,
    /// A shell command whose first line of output is the token.
    pub(crate) token_command: Option<String>,
    /// The certificate authorities to trust, in PEM form.
    pub(crate) ca: Option<PathBuf>,
    pub(crate) theme: Option<Theme>,
}

/// The configuration file.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Config {
    /// The name of the profile that is meant when none is named.
    profile: Option<String>,
    #[serde(default)]
    profiles: BTreeMap<String, Profile>,
}

/// The reason why a profile can't be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ProfileError {
    #[error("there is no home folder: set HOME, or XDG_CONFIG_HOME and XDG_STATE_HOME")]
    NoHome,
    #[error("{name:?} is no name of a profile: use letters, digits, - and _, at most 64")]
    Name { name: String },
    #[error("{} can't be used: {why}", .path.display())]
    File { path: PathBuf, why: String },
    #[error("there is no profile {name:?} in {}{}; `chat-cli login --profile {name}` makes it", .path.display(), among(.known))]
    Unknown {
        name: String,
        path: PathBuf,
        known: Vec<String>,
    },
    #[error("the profile {name:?} has a token-file and a token-command: keep one of them")]
    TwoTokens { name: String },
}

fn among(names: &[String]) -> String {
    match names {
        [] => String::new(),
        names => format!(", but {}", names.join(", ")),
    }
}

/// A folder of the XDG base directories.
fn folder(variable: &str, in_home: &str) -> Result<PathBuf, ProfileError> {
    let absolute = |name: &str| {
        env::var_os(name)
            .map(PathBuf::from)
            .filter(|path| path.is_absolute())
    };
    let base = absolute(variable).or_else(|| Some(absolute("HOME")?.join(in_home)));
    Ok(base.ok_or(ProfileError::NoHome)?.join("chat-cli"))
}

/// The path of the configuration file.
pub(crate) fn config_path() -> Result<PathBuf, ProfileError> {
    Ok(folder("XDG_CONFIG_HOME", ".config")?.join("config.toml"))
}

/// The path of the token that `login` keeps for a profile: apart from the configuration, which people
/// publish.
pub(crate) fn token_path(name: &str) -> Result<PathBuf, ProfileError> {
    Ok(folder("XDG_STATE_HOME", ".local/state")?
        .join("tokens")
        .join(name))
}

/// The profile of this name, or the one that the configuration file prefers; its name comes with it.
///
/// A configuration file that is not there has no profiles. One that is named must be there; without a name,
/// a profile may be absent.
pub(crate) fn load(name: Option<&str>) -> Result<(String, Profile), ProfileError> {
    let path = config_path();
    let path = match (path, name) {
        (Ok(path), _) => path,
        (Err(_), None) => return Ok((DEFAULT.to_owned(), Profile::default())),
        (Err(error), Some(_)) => return Err(error),
    };
    let config = read(&path)?;
    let preferred = name.or(config.profile.as_deref());
    let wanted = preferred.unwrap_or(DEFAULT);
    check_name(wanted)?;
    let mut profiles = config.profiles;
    match profiles.remove(wanted) {
        Some(profile) if profile.token_file.is_some() && profile.token_command.is_some() => {
            Err(ProfileError::TwoTokens {
                name: wanted.to_owned(),
            })
        }
        Some(profile) => Ok((wanted.to_owned(), profile)),
        None if preferred.is_none() => Ok((DEFAULT.to_owned(), Profile::default())),
        None => Err(ProfileError::Unknown {
            name: wanted.to_owned(),
            path,
            known: profiles.into_keys().collect(),
        }),
    }
}

fn read(path: &Path) -> Result<Config, ProfileError> {
    let failed = |why: String| ProfileError::File {
        path: path.to_owned(),
        why,
    };
    match fs::read_to_string(path) {
        Ok(text) => toml::from_str(&text).map_err(|error| failed(error.to_string())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Config::default()),
        Err(error) => Err(failed(error.to_string())),
    }
}

/// A name is also that of a file.
pub(crate) fn check_name(name: &str) -> Result<(), ProfileError> {
    let is_good = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
    if name.is_empty() || name.len() > 64 || !name.chars().all(is_good) {
        return Err(ProfileError::Name {
            name: name.to_owned(),
        });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_profile_has_the_keys_that_the_readme_lists() {
        let config: Config = toml::from_str(
            r#"
            profile = "work"
            [profiles.work]
            url = "https://chat.example"
            user = "alice"
            token-command = "pass chat/token"
            ca = "/etc/ca.pem"
            theme = "light"
            [profiles.home]
            token-file = "/run/token"
            "#,
        )
        .unwrap();
        let work = &config.profiles["work"];
        assert_eq!(work.theme, Some(Theme::Light));
        assert_eq!(work.user, Some(UserId::new("alice").unwrap()));
        assert_eq!(config.profiles.len(), 2);
    }

    #[test]
    fn a_key_that_is_not_known_is_refused_with_those_that_are() {
        let wrong = toml::from_str::<Config>("[profiles.a]\ntokenfile = \"x\"");
        let why = wrong.unwrap_err().to_string();
        assert!(why.contains("token-file"), "{why}");
    }

    #[test]
    fn a_name_is_no_path() {
        assert!(check_name("work-2_b").is_ok());
        for name in ["", "../x", "a/b", "a.b", "é"] {
            assert!(check_name(name).is_err(), "{name}");
        }
    }
}
