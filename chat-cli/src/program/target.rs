//! The server that the program talks to, and the source of its tokens: from the command line, a profile and
//! the environment.

use std::{env, fs, io, path::PathBuf, process::Stdio};

use chat_cli::{Client, ClientError, Events};
use chat_core::UserId;

use crate::{
    profile::{self, Profile, ProfileError},
    screen::Theme,
};

/// The address without any other.
pub(crate) const LOCAL: &str = "http://127.0.0.1:5000";

/// The server, and the user's token for it, as the command line says.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Server {
    /// A profile of the configuration file: a server, a user, a token and a theme
    #[arg(long, value_name = "NAME")]
    pub(crate) profile: Option<String>,

    #[arg(
        long = "server",
        value_name = "URL",
        help = "The server's address: http://, or https:// for TLS. Without it that of --profile, \
                CHAT_SERVER, or http://127.0.0.1:5000"
    )]
    pub(crate) url: Option<String>,

    /// Trusts only the certificate authorities in FILE (PEM), instead of Mozilla's list
    #[arg(long, value_name = "FILE")]
    pub(crate) ca: Option<PathBuf>,

    /// A shell command whose first line of output is your token, run for each connection and
    /// before a token ends; without it the token is your name
    #[arg(long, value_name = "COMMAND")]
    pub(crate) token_command: Option<String>,
}

/// A server, and what a profile says beside.
#[derive(Debug)]
pub(crate) struct Target {
    pub(crate) url: String,
    pub(crate) user: Option<UserId>,
    pub(crate) theme: Option<Theme>,
    ca: Option<PathBuf>,
    token: Token,
}

/// The source of the token of each connection.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Token {
    /// The user's name.
    Name,
    File(PathBuf),
    Command(String),
}

impl Target {
    /// The target of the command line alone, and of a profile if one is named.
    pub(crate) fn named(server: Server) -> Result<Self, ProfileError> {
        match server.profile.clone() {
            Some(name) => Self::of_profile(server, Some(&name)),
            None => Ok(Self::new(server, None, Profile::default())),
        }
    }

    /// The target of the profile that is named, or else of the preferred one.
    pub(crate) fn preferred(server: Server) -> Result<Self, ProfileError> {
        let name = server.profile.clone();
        Self::of_profile(server, name.as_deref())
    }

    fn of_profile(server: Server, name: Option<&str>) -> Result<Self, ProfileError> {
        let (name, profile) = profile::load(name)?;
        let kept = profile::token_path(&name).ok().filter(|path| path.exists());
        Ok(Self::new(server, kept, profile))
    }

    /// Prefers the command line to the profile that it names, that to the environment, and that to the
    /// preferred profile.
    fn new(server: Server, kept: Option<PathBuf>, profile: Profile) -> Self {
        let named = profile.url.clone().filter(|_| server.profile.is_some());
        let url = server.url.or(named).or_else(environment).or(profile.url);
        let token = match (
            server.token_command,
            profile.token_command,
            profile.token_file,
        ) {
            (Some(command), ..) | (None, Some(command), _) => Token::Command(command),
            (None, None, file) => file.or(kept).map_or(Token::Name, Token::File),
        };
        Self {
            url: url.unwrap_or_else(|| LOCAL.to_owned()),
            user: profile.user,
            theme: profile.theme,
            ca: server.ca.or(profile.ca),
            token,
        }
    }

    /// True if the server knows the user by the token, so that no name is needed.
    pub(crate) fn has_token(&self) -> bool {
        self.token != Token::Name
    }

    /// Starts a client.
    pub(crate) fn connect(&self, user: &str) -> Result<(Client, Events), ClientError> {
        let mut client = Client::builder(&self.url, user);
        if let Some(file) = &self.ca {
            client = client.ca_file(file);
        }
        match self.token.clone() {
            Token::Name => {}
            Token::Command(command) => {
                let user = user.to_owned();
                client = client.token_source(move || token_of(command.clone(), user.clone()));
            }
            Token::File(path) => {
                client = client.token_source(move || std::future::ready(token_in(&path)));
            }
        }
        client.connect()
    }
}

fn environment() -> Option<String> {
    env::var("CHAT_SERVER").ok().filter(|url| !url.is_empty())
}

/// The first line of a file.
fn token_in(path: &PathBuf) -> io::Result<String> {
    let text = fs::read_to_string(path)
        .map_err(|error| io::Error::other(format!("{}: {error}", path.display())))?;
    first_line(&text).ok_or_else(|| io::Error::other(format!("{} is empty", path.display())))
}

/// The first line that a command of the user's shell prints. It finds the user in `CHAT_USER`.
async fn token_of(command: String, user: String) -> io::Result<String> {
    let output = tokio::process::Command::new("sh")
        .args(["-c", &command])
        .env("CHAT_USER", user)
        .stdin(Stdio::null())
        .stderr(Stdio::inherit())
        .kill_on_drop(true)
        .output()
        .await?;
    if !output.status.success() {
        let status = output.status;
        return Err(io::Error::other(format!("the command ended with {status}")));
    }
    let printed = String::from_utf8_lossy(&output.stdout);
    first_line(&printed).ok_or_else(|| io::Error::other("the command printed no token"))
}

fn first_line(text: &str) -> Option<String> {
    let line = text.lines().next().map(str::trim);
    line.filter(|line| !line.is_empty()).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn server(profile: Option<&str>, url: Option<&str>) -> Server {
        Server {
            profile: profile.map(str::to_owned),
            url: url.map(str::to_owned),
            ca: None,
            token_command: None,
        }
    }

    #[test]
    fn the_command_line_goes_before_the_profile() {
        let profile = || Profile {
            url: Some("https://p".to_owned()),
            token_file: Some("/f".into()),
            ..Profile::default()
        };
        let kept = || Some(PathBuf::from("/kept"));
        let of = |server| Target::new(server, kept(), profile());
        assert_eq!(of(server(Some("p"), None)).url, "https://p");
        assert_eq!(of(server(Some("p"), Some("http://c"))).url, "http://c");
        assert_eq!(of(server(None, None)).token, Token::File("/f".into()));
        let command = Server {
            token_command: Some("t".to_owned()),
            ..server(None, None)
        };
        assert_eq!(of(command).token, Token::Command("t".to_owned()));
        let bare = Target::new(server(None, None), kept(), Profile::default());
        assert_eq!(
            bare.token,
            Token::File("/kept".into()),
            "what login has kept"
        );
        let none = Target::new(server(None, None), None, Profile::default());
        assert_eq!(none.token, Token::Name);
    }
}
