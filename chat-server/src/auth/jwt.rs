//! JSON Web Tokens as logins, by the rules of RFC 8725.
//!
//! The library checks the signature and the claims `aud` and `iss`. This file checks the times, by
//! the engine's clock, and refuses what the library accepts and this server doesn't: extra headers,
//! invalid user names, times out of range.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use chat_core::{
    Clock, Principal, Rank, Scopes, TokenId, UserId,
    port::{AuthError, Authenticator, Credential},
};
use chrono::{DateTime, TimeDelta, Utc};
use jsonwebtoken::{Header, TokenData, Validation, decode, decode_header, errors::ErrorKind};
use serde::{Deserialize, Serialize};

use super::{keyring::Keyring, keys::Key};
use crate::config::{Algorithm, Names};

#[cfg(test)]
mod tests;

/// The maximum length of a token, in bytes.
const LONGEST: usize = 4 << 10;

/// The accepted difference between the clocks of the issuer and of this server, in seconds.
const LEEWAY: i64 = 5;

/// The first time that is refused: larger integers are not exact in JSON (RFC 8259, 6).
const TIMES: u64 = 1 << 53;

/// The answer to a token that can't be verified now.
const UNAVAILABLE: AuthError = AuthError::Unavailable {
    retry_after: Duration::from_secs(1),
};

/// The expected claims and limits of a token.
#[derive(Debug, Clone)]
pub(crate) struct Rules {
    /// The claim `aud`, or one of its values.
    pub(crate) audience: String,
    /// The claim `iss`.
    pub(crate) issuer: String,
    /// The maximum lifetime of a token.
    pub(crate) max_lifetime: Duration,
    /// The names that the claim `sub` may have.
    pub(crate) names: Names,
    /// Whether the claim `chat_rank` is accepted.
    pub(crate) ranks: bool,
}

/// The login by tokens that are signed with keys known to this server.
#[derive(Debug)]
pub(crate) struct Jwt {
    pub(crate) keys: Arc<Keyring>,
    pub(crate) rules: Rules,
    pub(crate) clock: Arc<dyn Clock>,
}

/// The claims of a token. A token that repeats a claim is refused.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Claims {
    pub(crate) iss: String,
    pub(crate) sub: String,
    pub(crate) aud: Audience,
    pub(crate) exp: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) nbf: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) iat: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) jti: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) chat_rank: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) scope: Option<String>,
}

/// The claim `aud`; the library compares it.
#[derive(Debug, Serialize, Deserialize)]
#[serde(untagged)]
pub(crate) enum Audience {
    One(String),
    Any(Vec<String>),
}

/// The rule that a token breaks.
#[derive(Debug, thiserror::Error)]
pub enum Refusal {
    /// The text doesn't have the form of a token.
    #[error("form: a token has three parts, separated by dots, and at most {LONGEST} bytes")]
    Form,
    /// The header can't be read, or requires a feature that is not supported.
    #[error("header: {0}")]
    Header(String),
    /// There are no keys: those of the issuer could not be fetched, or not for too long.
    #[error(
        "keys: those of the issuer can't be fetched; see the log, and the setting jwt-keys-url"
    )]
    NoKeys,
    /// No key has this `kid`.
    #[error("kid: no key has this `kid`; a token may leave it out when there is one key only")]
    Kid,
    /// The algorithm is not that of the key.
    #[error("alg: the key is for {0}")]
    Algorithm(&'static str),
    /// The signature was not made with the key.
    #[error("signature: this key has not signed the token")]
    Signature,
    /// A claim is missing or invalid.
    #[error("claim: {0}")]
    Claim(String),
    /// The token is not valid yet.
    #[error("{claim}: the token is not valid for another {seconds} s")]
    Early {
        /// The claim that sets the start.
        claim: &'static str,
        /// The time until the token is valid, in seconds.
        seconds: i64,
    },
    /// The token's lifetime is too long.
    #[error("exp: the token lives longer than jwt-max-lifetime, {0:?}")]
    TooLong(Duration),
    /// The token has expired.
    #[error("exp: the token ended {0} s ago")]
    Expired(i64),
}

#[async_trait]
impl Authenticator for Jwt {
    async fn authenticate(&self, presented: &Credential<'_>) -> Result<Principal, AuthError> {
        let token = presented.token.text().ok_or(AuthError::Invalid)?;
        self.verify(token).map_err(|refusal| {
            tracing::debug!(via = ?presented.via, %refusal, "a token was refused");
            match refusal {
                Refusal::Expired(_) => AuthError::Expired,
                // The key may be so new that this server has yet to fetch it.
                Refusal::Kid if self.keys.may_have_more() => UNAVAILABLE,
                Refusal::NoKeys => UNAVAILABLE,
                _ => AuthError::Invalid,
            }
        })
    }
}

impl Jwt {
    /// Verifies a token, and returns the user that it identifies.
    ///
    /// # Errors
    ///
    /// The first rule that the token breaks.
    pub(crate) fn verify(&self, token: &str) -> Result<Principal, Refusal> {
        let header = head(token)?;
        let keys = self.keys.current().ok_or(Refusal::NoKeys)?;
        let key = keys.find(header.kid.as_deref()).ok_or(Refusal::Kid)?;
        if header.alg != key.algorithm.into() {
            return Err(Refusal::Algorithm(key.algorithm.name()));
        }
        let claims = self.claims(token, key)?;
        self.principal(&claims)
    }

    /// Decodes the claims, after checking the signature, `aud` and `iss`.
    fn claims(&self, token: &str, key: &Key) -> Result<Claims, Refusal> {
        let mut validation = Validation::new(key.algorithm.into());
        validation.leeway = 0;
        validation.validate_exp = false;
        validation.set_audience(&[&self.rules.audience]);
        validation.set_issuer(&[&self.rules.issuer]);
        validation.set_required_spec_claims(&["aud", "exp", "iss", "sub"]);
        let mut refusal = Refusal::Signature;
        for key in &key.verifying {
            match decode(token, key, &validation) {
                Ok(TokenData { claims, .. }) => return Ok(claims),
                Err(error) => match error.kind() {
                    ErrorKind::InvalidSignature => {}
                    _ => refusal = Refusal::Claim(error.to_string()),
                },
            }
        }
        Err(refusal)
    }

    /// Checks the times and the user in the claims.
    fn principal(&self, claims: &Claims) -> Result<Principal, Refusal> {
        let now = self.clock.now().timestamp();
        let expires = time("exp", claims.exp)?;
        let issued = claims.iat.map(|iat| time("iat", iat)).transpose()?;
        let begins = claims.nbf.map(|nbf| time("nbf", nbf)).transpose()?;
        for (claim, at) in [("nbf", begins), ("iat", issued)] {
            let seconds = at.map_or(0, |at| at.timestamp() - now);
            if seconds > LEEWAY {
                return Err(Refusal::Early { claim, seconds });
            }
        }
        let since = issued.map_or(now, |at| at.timestamp());
        let longest = i64::try_from(self.rules.max_lifetime.as_secs()).unwrap_or(i64::MAX);
        if expires.timestamp() - since > longest {
            return Err(Refusal::TooLong(self.rules.max_lifetime));
        }
        if now >= expires.timestamp() + LEEWAY {
            return Err(Refusal::Expired(now - expires.timestamp()));
        }
        let user = UserId::new(&claims.sub)
            .map_err(|invalid| Refusal::Claim(format!("sub: {invalid}")))?;
        if user.as_str() != claims.sub {
            let why = "sub: it is not in Unicode's normal form C";
            return Err(Refusal::Claim(why.to_owned()));
        }
        if !self.rules.names.allow(&claims.sub) {
            let why = format!("sub: jwt-names allows {} only", self.rules.names.name());
            return Err(Refusal::Claim(why));
        }
        let token = claims
            .jti
            .as_ref()
            .map(TokenId::new)
            .transpose()
            .map_err(|invalid| Refusal::Claim(format!("jti: {invalid}")))?;
        let now = self.clock.now();
        let leeway = if expires <= now { LEEWAY } else { 0 };
        Ok(Principal {
            user,
            token,
            // An issuer's clock may be ahead: a login is no later than its token, whatever that says.
            issued_at: issued.map(|at| at.min(now)),
            // Whoever comes with a token just after its end has what is left of the leeway; nobody else has it.
            expires_at: Some(expires + TimeDelta::seconds(leeway)),
            rank: self.rank(claims)?,
            scopes: claims.scope.as_deref().map(scopes).unwrap_or_default(),
        })
    }

    fn rank(&self, claims: &Claims) -> Result<Rank, Refusal> {
        match claims.chat_rank.as_deref() {
            Some(rank) if self.rules.ranks => Rank::from_name(rank).ok_or_else(|| {
                Refusal::Claim("chat_rank: it is user, moderator or admin".to_owned())
            }),
            _ => Ok(Rank::User),
        }
    }
}

/// Reads the head of a token, which nobody has proved yet.
///
/// # Errors
///
/// The first rule that the form of the token, or its head, breaks.
pub(crate) fn head(token: &str) -> Result<Header, Refusal> {
    if token.len() > LONGEST || token.bytes().filter(|byte| *byte == b'.').count() != 2 {
        return Err(Refusal::Form);
    }
    let header = decode_header(token).map_err(|error| Refusal::Header(error.to_string()))?;
    check_header(&header)?;
    Ok(header)
}

/// Refuses headers by which a token would choose its own key or its own rules (RFC 8725, 3.1, 3.10, 3.11).
fn check_header(header: &Header) -> Result<(), Refusal> {
    let asks = [
        ("jku", header.jku.is_some()),
        ("x5u", header.x5u.is_some()),
        ("x5c", header.x5c.is_some()),
        ("jwk", header.jwk.is_some()),
        ("crit", header.crit.is_some()),
        ("zip", header.zip.is_some()),
        ("b64", header.extras.inner().contains_key("b64")),
    ];
    if let Some((name, _)) = asks.into_iter().find(|(_, there)| *there) {
        return Err(Refusal::Header(format!(
            "the header `{name}` is not allowed"
        )));
    }
    match header.typ.as_deref() {
        None => Ok(()),
        Some(typ) if typ.eq_ignore_ascii_case("JWT") || typ.eq_ignore_ascii_case("at+jwt") => {
            Ok(())
        }
        Some(_) => Err(Refusal::Header("`typ` is JWT or at+jwt".to_owned())),
    }
}

/// Converts a claim to a time; refuses numbers that are out of range.
fn time(claim: &str, seconds: u64) -> Result<DateTime<Utc>, Refusal> {
    let seconds = (seconds < TIMES).then_some(seconds);
    let at = seconds.and_then(|seconds| DateTime::from_timestamp(seconds.try_into().ok()?, 0));
    at.ok_or_else(|| Refusal::Claim(format!("{claim}: it is no time")))
}

/// The scopes that the claim `scope` (RFC 8693, 4.2) names. A claim without any of our scopes
/// restricts nothing, because identity providers put scopes of their own there.
fn scopes(claim: &str) -> Scopes {
    let ours: Vec<_> = claim
        .split(' ')
        .filter_map(|scope| scope.strip_prefix("chat:"))
        .collect();
    if ours.is_empty() {
        return Scopes::default();
    }
    let has = |scope| ours.contains(&scope);
    Scopes {
        read: has("read"),
        send: has("send"),
        manage: has("manage"),
        metrics: has("metrics"),
    }
}

impl From<Algorithm> for jsonwebtoken::Algorithm {
    fn from(algorithm: Algorithm) -> Self {
        match algorithm {
            Algorithm::Hs256 => Self::HS256,
            Algorithm::EdDsa => Self::EdDSA,
            Algorithm::Rs256 => Self::RS256,
        }
    }
}

impl Algorithm {
    /// The algorithm of a key in a set, if this server supports it.
    pub(super) fn of_key(algorithm: jsonwebtoken::jwk::KeyAlgorithm) -> Option<Self> {
        use jsonwebtoken::jwk::KeyAlgorithm;
        match algorithm {
            KeyAlgorithm::HS256 => Some(Self::Hs256),
            KeyAlgorithm::EdDSA => Some(Self::EdDsa),
            KeyAlgorithm::RS256 => Some(Self::Rs256),
            _ => None,
        }
    }
}
