//! What a server needs that others than this machine's users can reach.
//!
//! Each requirement is a row. One that is not met stops the start, unless the setting that overrides it is
//! named too; then it is logged as a warning at each start.

use std::fmt;

use super::{
    address::Address,
    hosts::{Hosts, PublicUrl},
    login::Auth,
    origins::Origins,
    settings::Settings,
    source::Origin,
};

/// How a server stands in one row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// The requirement is met, or the server needs nothing of it.
    Pass,
    /// It is not met, and that is wanted.
    Warn,
    /// It is not met.
    Fail,
}

/// One requirement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// The setting that decides about it.
    pub setting: &'static str,
    /// How the server stands.
    pub standing: Standing,
    /// The reason, and a remedy.
    pub says: String,
}

impl fmt::Display for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let standing = match self.standing {
            Standing::Pass => "pass",
            Standing::Warn => "warn",
            Standing::Fail => "fail",
        };
        let Self { setting, says, .. } = self;
        write!(f, "{standing}  {setting:<15}  {says}")
    }
}

/// A password in a setting that others can read.
#[derive(Debug)]
pub(super) struct Leak {
    pub(super) setting: &'static str,
    pub(super) says: String,
}

impl Leak {
    /// The way in which others can read a password that comes from there, if they can.
    pub(super) fn find(setting: &'static str, origin: &Origin) -> Option<Self> {
        let says = match origin {
            Origin::Flag => format!(
                "its password is in the command line, which others on this machine see in `ps`; name a file \
                 with {setting}-file, or set {}",
                variable(setting)
            ),
            #[cfg(unix)]
            Origin::File(path) => readable_by_others(path)?,
            #[cfg(unix)]
            Origin::DotEnv(_) => readable_by_others(std::path::Path::new(".env"))?,
            _ => return None,
        };
        Some(Self { setting, says })
    }
}

fn variable(setting: &str) -> String {
    format!("CHAT_{}", setting.to_uppercase())
}

#[cfg(unix)]
fn readable_by_others(path: &std::path::Path) -> Option<String> {
    use std::os::unix::fs::MetadataExt as _;
    let mode = std::fs::metadata(path).ok()?.mode() & 0o777;
    (mode & 0o077 != 0).then(|| {
        let path = path.display();
        format!("its password is in {path}, which others may read (its mode is {mode:04o}); chmod 600 it")
    })
}

impl Settings {
    /// The setting by which others than this machine's users can reach a server that listens there.
    pub(crate) fn exposed_by(&self, address: &Address) -> Option<&'static str> {
        let public = self.public_url.as_ref().and_then(PublicUrl::host);
        if !address.is_local() {
            Some("listen")
        } else if !self.trusted_proxy.is_empty() {
            Some("trusted-proxy")
        } else if public.is_some_and(|host| !host.is_loopback()) {
            Some("public-url")
        } else {
            None
        }
    }

    /// All requirements.
    pub(super) fn rows(&self, leaks: &[Leak]) -> Vec<Row> {
        let exposed = self.exposed_by(&self.listen).is_some();
        let mut rows = vec![
            self.login_row(),
            self.tls_row(),
            self.origins_row(),
            self.hosts_row(),
            self.metrics_row(),
        ];
        if !exposed {
            for row in &mut rows {
                if row.standing != Standing::Pass {
                    row.standing = Standing::Pass;
                    "only users of this machine can reach the server".clone_into(&mut row.says);
                }
            }
        }
        if leaks.is_empty() {
            let says = "no password is where others can read it".to_owned();
            rows.push(row("store", Standing::Pass, says));
        }
        rows.extend(leaks.iter().map(|leak| {
            let standing = if exposed {
                Standing::Fail
            } else {
                Standing::Warn
            };
            row(leak.setting, standing, leak.says.clone())
        }));
        rows.push(self.tokens_row());
        rows
    }

    fn login_row(&self) -> Row {
        let (standing, says) = match self.auth {
            Auth::Jwt => (Standing::Pass, "a token proves who somebody is"),
            Auth::Open if self.allow_open_network => (
                Standing::Warn,
                "anybody can take any name, by allow-open-network",
            ),
            Auth::Open => (
                Standing::Fail,
                "anybody could take any name; set auth to jwt, or also say --allow-open-network",
            ),
        };
        row("auth", standing, says)
    }

    fn tls_row(&self) -> Row {
        let (standing, says) = if self.tls_cert_file.is_some() {
            (Standing::Pass, "the server speaks TLS")
        } else if matches!(self.listen, Address::Unix(_)) {
            (Standing::Pass, "nobody can listen in on a Unix socket")
        } else if !self.trusted_proxy.is_empty() {
            (Standing::Pass, "TLS is left to the trusted proxy")
        } else if self.allow_plaintext {
            (
                Standing::Warn,
                "the network can read everything, by allow-plaintext",
            )
        } else {
            (
                Standing::Fail,
                "the network could read everything; name a certificate and its key, or also say \
                 --allow-plaintext",
            )
        };
        row("tls-cert-file", standing, says)
    }

    fn origins_row(&self) -> Row {
        let (standing, says) = match self.cors_origin {
            Origins::Any => (Standing::Warn, "pages of every origin may use the server"),
            _ => (
                Standing::Pass,
                "only pages of known origins may use the server",
            ),
        };
        row("cors-origin", standing, says)
    }

    fn hosts_row(&self) -> Row {
        let known = self.allowed_host != Hosts::Auto
            || self.tls_cert_file.is_some()
            || self.public_url.is_some();
        let (standing, says) = if known {
            (Standing::Pass, "the server knows the hosts that it goes by")
        } else {
            (
                Standing::Fail,
                "the server has to know the hosts that it goes by; name them, or the public-url",
            )
        };
        row("allowed-host", standing, says)
    }

    fn metrics_row(&self) -> Row {
        let (standing, says) = if self.metrics_public {
            (
                Standing::Warn,
                "everybody can read the metrics, by metrics-public",
            )
        } else {
            (
                Standing::Pass,
                "the metrics need a token with the scope chat:metrics",
            )
        };
        row("metrics-public", standing, says)
    }

    /// Needed on every server whose users log in by token.
    fn tokens_row(&self) -> Row {
        match (self.auth, self.jwt_conflict()) {
            (Auth::Open, _) => row(
                "jwt-key-file",
                Standing::Pass,
                "users log in without tokens",
            ),
            (Auth::Jwt, None) => {
                let says = "tokens have a key, an audience, an issuer and a longest lifetime";
                row("jwt-key-file", Standing::Pass, says)
            }
            (Auth::Jwt, Some((setting, why))) => row(setting, Standing::Fail, why),
        }
    }
}

fn row(setting: &'static str, standing: Standing, says: impl Into<String>) -> Row {
    Row {
        setting,
        standing,
        says: says.into(),
    }
}
