//! The subcommands `token`, `check-token` and `keygen`.

use std::{fs, io, io::Write as _, path::Path, sync::Arc, time::Duration};

use aws_lc_rs::{
    encoding::{AsDer as _, PublicKeyX509Der},
    rsa,
    signature::{Ed25519KeyPair, KeyPair as _},
};
use base64::prelude::{BASE64_STANDARD, Engine as _};
use chat_core::{Clock, IdGen, RandomIds, Rank, SystemClock, UserId};
use jsonwebtoken::{Header, encode};
use pem::Pem;

pub use super::jwt::Refusal;
use super::{
    jwt::{self, Audience, Claims},
    login_by_token, source,
};
use crate::{
    config::{Algorithm, Settings},
    files::{FileError, reload::Source as _},
};

/// The failure of a subcommand about tokens, in one line.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TokenError {
    /// The keys can't be used.
    #[error(transparent)]
    Keys(#[from] FileError),
    /// A setting is missing, or the keys can't be used for this purpose.
    #[error("{0}")]
    Usage(String),
    /// The token was refused.
    #[error("refused: {0}")]
    Refused(#[from] Refusal),
    /// The keys can't be written.
    #[error("keygen: {0}")]
    Write(#[from] io::Error),
}

impl TokenError {
    /// The exit code of the process: 1 for a refused token and for a failure, 2 for a wrong
    /// setting.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Refused(_) | Self::Write(_) => 1,
            Self::Keys(_) | Self::Usage(_) => 2,
        }
    }
}

/// Issues a token for this user, signed with `jwt-key-file`.
///
/// # Errors
///
/// A missing setting, or a key that can't sign.
pub fn issue(
    settings: &Settings,
    user: &UserId,
    lifetime: Duration,
    rank: Rank,
) -> Result<String, TokenError> {
    complete(settings)?;
    if lifetime > settings.jwt_max_lifetime {
        let longest = settings.jwt_max_lifetime;
        return Err(TokenError::Usage(format!(
            "ttl: {lifetime:?} is longer than jwt-max-lifetime, {longest:?}"
        )));
    }
    let keys = source(settings).read()?;
    let key = keys.find(None).filter(|key| key.signing.is_some());
    let Some((key, signing)) = key.and_then(|key| Some((key, key.signing.as_ref()?))) else {
        let why = "jwt-key-file: it has no key that signs: name a secret or a private key";
        return Err(TokenError::Usage(why.to_owned()));
    };
    let now = u64::try_from(SystemClock::default().now().timestamp()).unwrap_or_default();
    let claims = Claims {
        iss: settings.jwt_issuer.clone().unwrap_or_default(),
        sub: user.to_string(),
        aud: Audience::One(settings.jwt_audience.clone().unwrap_or_default()),
        exp: now + lifetime.as_secs(),
        nbf: None,
        iat: Some(now),
        jti: Some(RandomIds.next().to_string()),
        chat_rank: (rank != Rank::User).then(|| rank.name().to_owned()),
        scope: None,
    };
    encode(&Header::new(key.algorithm.into()), &claims, &signing.0)
        .map_err(|error| TokenError::Usage(format!("jwt-key-file: it can't sign: {error}")))
}

/// Verifies a token, and describes in one line the user, the rank and the end of the login.
///
/// # Errors
///
/// The rule that the token breaks, or a missing setting.
pub async fn check(settings: &Settings, token: &str) -> Result<String, TokenError> {
    complete(settings)?;
    let jwt = login_by_token(settings, Arc::new(SystemClock::default()))?;
    jwt.keys.prepare().await;
    let principal = jwt.verify(token.trim_end_matches(['\r', '\n']))?;
    let until = principal.expires_at.unwrap_or_default().to_rfc3339();
    let (user, rank) = (principal.user, principal.rank.name());
    Ok(format!("valid: user {user}, rank {rank}, until {until}"))
}

/// Writes a new key, and its public half for algorithms that have one, into a folder. Returns the
/// names of the files.
///
/// # Errors
///
/// A file that can't be written; existing files are not overwritten.
pub fn generate(algorithm: Algorithm, folder: &Path) -> Result<String, TokenError> {
    let unwritten = |path: &Path, error| FileError::new("keygen", path, error);
    fs::create_dir_all(folder).map_err(|error| unwritten(folder, error))?;
    let failed = |_| io::Error::other("no key could be made");
    let write = |name: &str, content: &[u8]| -> Result<String, TokenError> {
        let path = folder.join(name);
        write_new(&path, content).map_err(|error| unwritten(&path, error))?;
        Ok(path.display().to_string())
    };
    let (private, public) = match algorithm {
        Algorithm::Hs256 => {
            let mut secret = [0; 32];
            aws_lc_rs::rand::fill(&mut secret).map_err(failed)?;
            // The secret is written as text, so that it can be pasted into the issuer's settings.
            let text = BASE64_STANDARD.encode(secret);
            return write("jwt-secret", format!("{text}\n").as_bytes());
        }
        Algorithm::EdDsa => {
            let private = Ed25519KeyPair::generate_pkcs8v1(&aws_lc_rs::rand::SystemRandom::new())
                .map_err(failed)?;
            let pair = Ed25519KeyPair::from_pkcs8(private.as_ref())
                .map_err(|_| io::Error::other("no key could be made"))?;
            let public: PublicKeyX509Der<'_> = pair.public_key().as_der().map_err(failed)?;
            (private.as_ref().to_vec(), public.as_ref().to_vec())
        }
        Algorithm::Rs256 => {
            let pair = rsa::KeyPair::generate(rsa::KeySize::Rsa3072).map_err(failed)?;
            let private = pair.as_der().map_err(failed)?;
            let public: PublicKeyX509Der<'_> = pair.public_key().as_der().map_err(failed)?;
            let private: aws_lc_rs::encoding::Pkcs8V1Der<'_> = private;
            (private.as_ref().to_vec(), public.as_ref().to_vec())
        }
    };
    let pem = |label, der| pem::encode(&Pem::new(label, der)).replace("\r\n", "\n");
    let private = write("jwt-private.pem", pem("PRIVATE KEY", private).as_bytes())?;
    let public = write("jwt-public.pem", pem("PUBLIC KEY", public).as_bytes())?;
    Ok(format!("{private}\n{public}"))
}

/// Checks that all settings are present that determine the claims of a token.
fn complete(settings: &Settings) -> Result<(), TokenError> {
    settings.jwt_conflict().map_or(Ok(()), |(setting, why)| {
        Err(TokenError::Usage(format!("{setting}: {why}")))
    })
}

/// Writes a new file that only its owner may read. Fails if the file exists.
fn write_new(path: &Path, content: &[u8]) -> io::Result<()> {
    let mut options = fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(path)?;
    file.write_all(content)?;
    file.sync_all()
}

/// Whether the head of a token breaks no rule: for fuzzing, and for checking clients.
pub fn has_good_head(token: &str) -> bool {
    jwt::head(token).is_ok()
}
