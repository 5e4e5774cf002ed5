//! `chat-cli login`: asks for a server and a token or a name, tries them, and keeps them.

use std::{
    fs::{self, OpenOptions},
    io::{self, BufRead as _, IsTerminal as _, Write as _},
    os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _},
    path::Path,
    time::Duration,
};

use chat_cli::{Client, ClientError, ClientEvent, clean};
use chat_core::UserId;
use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcsetattr};
use tokio::{task::spawn_blocking, time::timeout};

use super::{Profile, ProfileError, check_name, config_path, read, token_path};

/// The time in which the server has to answer.
const PATIENCE: Duration = Duration::from_secs(30);

/// The reason why a login failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LoginError {
    #[error(transparent)]
    Profile(#[from] ProfileError),
    #[error("the input ended before the answer")]
    NoAnswer,
    #[error("the terminal can't be used: {0}")]
    Terminal(#[from] io::Error),
    #[error(transparent)]
    Refused(#[from] ClientError),
    #[error("no answer in 30 s: {0}")]
    TimedOut(String),
    #[error(
        "the profile {0:?} takes its token from its token-file or token-command; change it there"
    )]
    OtherToken(String),
}

/// A login: what is known of it before it asks.
#[derive(Debug)]
pub(crate) struct Login<'a> {
    pub(crate) profile: &'a str,
    /// The address, if it was named.
    pub(crate) url: Option<&'a str>,
    /// The address that is offered.
    pub(crate) offer: &'a str,
    pub(crate) ca: Option<&'a Path>,
}

impl Login<'_> {
    /// Asks, tries and keeps; gives back the sentences that say what was kept.
    pub(crate) async fn run(self) -> Result<String, LoginError> {
        check_name(self.profile)?;
        let config = config_path()?;
        let known = read(&config)?.profiles.remove(self.profile);
        let is_known = known.is_some();
        let profile = known.unwrap_or_default();
        if profile.token_file.is_some() || profile.token_command.is_some() {
            return Err(LoginError::OtherToken(self.profile.to_owned()));
        }
        let url = match self.url.or(profile.url.as_deref()) {
            Some(url) => url.to_owned(),
            None => ask("Server", Some(self.offer)).await?,
        };
        let token = ask_hidden("Token (not shown; empty where the server takes names)").await?;
        let name = match (&token[..], &profile.user) {
            ("", Some(user)) => user.to_string(),
            ("", None) => ask("Name", None).await?,
            _ => String::new(),
        };
        let secret = if token.is_empty() { &name } else { &token };
        let ca = self.ca.or(profile.ca.as_deref());
        let user = whose(&url, secret, ca).await?;
        let mut said = String::new();
        if !token.is_empty() {
            let path = token_path(self.profile)?;
            keep(&path, &token).map_err(|error| failed(&path, &error))?;
            said = format!("\nThe token is in {}, for your user only.", path.display());
        }
        if !is_known {
            let added = Profile {
                url: Some(url.clone()),
                user: Some(user.clone()),
                ca: ca.map(Path::to_owned),
                ..Profile::default()
            };
            append(&config, self.profile, &added).map_err(|error| failed(&config, &error))?;
            said = format!("\nThe profile is in {}.{said}", config.display());
        }
        let command = match self.profile {
            super::DEFAULT => "chat-cli".to_owned(),
            name => format!("chat-cli --profile {name}"),
        };
        let user = clean(user.as_str());
        Ok(format!(
            "Logged in at {url} as {user}; `{command}` opens the screen.{said}"
        ))
    }
}

fn failed(path: &Path, error: &io::Error) -> ProfileError {
    ProfileError::File {
        path: path.to_owned(),
        why: error.to_string(),
    }
}

/// The user that the token stands for.
async fn whose(url: &str, token: &str, ca: Option<&Path>) -> Result<UserId, LoginError> {
    let mut client = Client::builder(url, token);
    if let Some(file) = ca {
        client = client.ca_file(file);
    }
    let (client, mut events) = client.connect()?;
    let mut why = "no server answers".to_owned();
    let user = async {
        while let Some(event) = events.next().await {
            match event {
                ClientEvent::Connected { user, .. } => return Ok(user),
                ClientEvent::Disconnected { reason, .. } => why = reason,
                ClientEvent::Ended(error) => return Err(error.into()),
                _ => {}
            }
        }
        Err(ClientError::Finished.into())
    };
    let user = timeout(PATIENCE, user).await;
    client.close().await;
    user.unwrap_or(Err(LoginError::TimedOut(why)))
}

/// Asks on the terminal, or reads a line of the input; an empty answer is the offer.
///
/// Cancel safe but for the line that is being typed.
pub(crate) async fn ask(question: &str, offer: Option<&str>) -> Result<String, LoginError> {
    if io::stdin().is_terminal() {
        let offered = offer.map_or_else(String::new, |offer| format!(" [{offer}]"));
        write!(io::stderr(), "{question}{offered}: ")?;
        io::stderr().flush()?;
    }
    let read = || {
        let mut line = String::new();
        let count = io::stdin().lock().read_line(&mut line)?;
        Ok::<_, io::Error>((count, line))
    };
    let (count, line) = spawn_blocking(read).await.map_err(io::Error::other)??;
    match (count, line.trim(), offer) {
        (0, ..) => Err(LoginError::NoAnswer),
        (_, "", Some(offer)) => Ok(offer.to_owned()),
        (_, answer, _) => Ok(answer.to_owned()),
    }
}

/// Asks without showing what is typed.
async fn ask_hidden(question: &str) -> Result<String, LoginError> {
    if !io::stdin().is_terminal() {
        return ask(question, None).await;
    }
    let hidden = Hidden::new()?;
    let answer = ask(question, None).await;
    drop(hidden);
    writeln!(io::stderr())?;
    answer
}

/// The terminal doesn't show what is typed, until this is dropped.
struct Hidden(Termios);

impl Hidden {
    fn new() -> io::Result<Self> {
        let before = tcgetattr(io::stdin())?;
        let mut mode = before.clone();
        mode.local_modes -= LocalModes::ECHO;
        tcsetattr(io::stdin(), OptionalActions::Now, &mode)?;
        Ok(Self(before))
    }
}

impl Drop for Hidden {
    fn drop(&mut self) {
        let _ = tcsetattr(io::stdin(), OptionalActions::Now, &self.0);
    }
}

/// Writes a token into a file that only this user may read.
fn keep(path: &Path, token: &str) -> io::Result<()> {
    if let Some(folder) = path.parent() {
        fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(folder)?;
    }
    // Under another name first: whoever reads it meanwhile has the old token or the new one.
    let new = path.with_extension("new");
    let mut file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&new)?;
    // A file that was there before keeps its mode otherwise.
    file.set_permissions(fs::Permissions::from_mode(0o600))?;
    writeln!(file, "{token}")?;
    file.sync_all()?;
    fs::rename(new, path)
}

/// Adds a profile at the end of the configuration file, which stays as it is otherwise.
fn append(path: &Path, name: &str, profile: &Profile) -> io::Result<()> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    let text = |value: &str| toml::Value::String(value.to_owned()).to_string();
    let mut table = format!("\n[profiles.{name}]\n");
    let fields = [
        ("url", profile.url.clone()),
        ("user", profile.user.as_ref().map(ToString::to_string)),
        (
            "ca",
            profile.ca.as_ref().map(|path| path.display().to_string()),
        ),
    ];
    for (key, value) in fields {
        if let Some(value) = value {
            table += &[key, " = ", &text(&value), "\n"].concat();
        }
    }
    let mut file = OpenOptions::new().append(true).create(true).open(path)?;
    file.write_all(table.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_for_its_user_only_also_where_a_file_was_open_before() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("tokens/work");
        for token in ["one", "two"] {
            keep(&path, token).unwrap();
            assert_eq!(fs::read_to_string(&path).unwrap(), format!("{token}\n"));
            let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
            assert_eq!(mode(&path), 0o600);
            assert_eq!(mode(path.parent().unwrap()), 0o700);
            fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        }
    }

    #[test]
    fn a_profile_is_added_and_the_rest_of_the_file_stays() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("config.toml");
        fs::write(&path, "# mine\nprofile = \"work\"\n").unwrap();
        let profile = Profile {
            url: Some("https://chat.example/\"x\"".to_owned()),
            user: Some("alice".parse().unwrap()),
            ..Profile::default()
        };
        append(&path, "work", &profile).unwrap();
        assert!(fs::read_to_string(&path).unwrap().starts_with("# mine\n"));
        let mut config = read(&path).unwrap();
        assert_eq!(config.profiles.remove("work"), Some(profile));
        assert_eq!(config.profile.as_deref(), Some("work"));
    }
}
