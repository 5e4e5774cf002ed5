//! Authenticates callers: asks the authenticator, and takes the token out of a request.

use std::{
    borrow::Cow,
    net::IpAddr,
    panic::AssertUnwindSafe,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use axum::http::{HeaderMap, header};
use base64::prelude::{BASE64_URL_SAFE_NO_PAD, Engine as _};
use chat_core::{
    ChatEngine, Error, Principal, UserId,
    metrics::{Counters, Family, Label},
    port::{AuthError, Authenticator, Credential, Secret, Via},
    rate::Budgets,
};
use futures_util::FutureExt;
use percent_encoding::percent_decode_str;
use serde::Deserialize;
use tokio::{
    sync::Semaphore,
    time::{Instant, timeout},
};

use super::{connections::network, known};
use crate::auth::failures::{Failures, POLICY};

/// The longest time for which an authenticator is waited for.
const PATIENCE: Duration = Duration::from_secs(2);

/// How many logins may be checked at once; more than that are refused as unavailable.
const AT_ONCE: usize = 256;

/// How long a client waits after a login that could not be checked.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// How users of a server log in, on every protocol.
#[derive(Debug, Clone)]
pub(crate) enum Login {
    /// Everybody is believed: the token is the user's name.
    Open,
    /// The token has to prove who somebody is.
    Checked(Arc<Checked>),
}

/// A login that asks an authenticator.
#[derive(Debug)]
pub(crate) struct Checked {
    authenticator: Box<dyn Authenticator>,
    at_once: Semaphore,
    failures: Arc<Failures>,
    /// The budget of failed logins of each user that a token claims to be.
    of_users: Mutex<Budgets<UserId>>,
    since: Instant,
    outcomes: Counters<Outcome>,
}

/// The outcome of a login that was checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    Ok,
    Invalid,
    Expired,
    Revoked,
    Banned,
    Unavailable,
    /// Refused after too many failures from the same address, or of tokens that claim to be the same user.
    Limited,
}

impl Label for Outcome {
    const NAME: &'static str = "outcome";
    const ALL: &'static [Self] = &[
        Self::Ok,
        Self::Invalid,
        Self::Expired,
        Self::Revoked,
        Self::Banned,
        Self::Unavailable,
        Self::Limited,
    ];

    fn value(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Invalid => "invalid",
            Self::Expired => "expired",
            Self::Revoked => "revoked",
            Self::Banned => "banned",
            Self::Unavailable => "unavailable",
            Self::Limited => "limited",
        }
    }
}

impl From<&Result<Principal, Error>> for Outcome {
    fn from(login: &Result<Principal, Error>) -> Self {
        match login {
            Ok(_) => Self::Ok,
            Err(Error::TokenExpired) => Self::Expired,
            Err(Error::Revoked) => Self::Revoked,
            Err(Error::Banned { .. }) => Self::Banned,
            Err(Error::AuthUnavailable { .. } | Error::Backend(_)) => Self::Unavailable,
            Err(_) => Self::Invalid,
        }
    }
}

impl Login {
    pub(crate) fn checked(authenticator: impl Authenticator) -> Self {
        Self::Checked(Arc::new(Checked {
            authenticator: Box::new(authenticator),
            at_once: Semaphore::new(AT_ONCE),
            failures: Arc::default(),
            of_users: Mutex::default(),
            since: Instant::now(),
            outcomes: Counters::default(),
        }))
    }

    /// Whether the token is simply the user's name.
    pub(crate) fn is_open(&self) -> bool {
        matches!(self, Self::Open)
    }

    /// The failed logins, where they are counted.
    pub(crate) fn failures(&self) -> Option<Arc<Failures>> {
        match self {
            Self::Open => None,
            Self::Checked(checked) => Some(Arc::clone(&checked.failures)),
        }
    }

    /// The figures of the logins that were checked.
    pub(crate) fn family(&self) -> Family {
        let (name, help) = (
            "chat_logins_total",
            "Logins that were checked, by their outcome.",
        );
        match self {
            Self::Open => Family::counters(name, help, &Counters::<Outcome>::default()),
            Self::Checked(checked) => Family::counters(name, help, &checked.outcomes),
        }
    }

    /// The user that a token proves to be, if no decision speaks against this login, and the address has
    /// failed logins left.
    pub(crate) async fn principal(
        &self,
        engine: &ChatEngine,
        token: &Secret,
        via: Via,
        from: Option<IpAddr>,
    ) -> Result<Arc<Principal>, Error> {
        if let Self::Checked(checked) = self {
            checked.limit(from)?;
        }
        self.renewed(engine, token, via, from).await
    }

    /// The same for a connection that has a login already, whatever others at its address did.
    pub(crate) async fn renewed(
        &self,
        engine: &ChatEngine,
        token: &Secret,
        via: Via,
        from: Option<IpAddr>,
    ) -> Result<Arc<Principal>, Error> {
        let principal = match self {
            Self::Open => {
                let name = token.text().ok_or(AuthError::Invalid)?;
                let user = UserId::new(name)
                    .map_err(|invalid| Error::Unauthenticated(invalid.to_string()))?;
                // Each login is a new one: there is no token that an earlier revocation could mean.
                let principal = Principal {
                    issued_at: Some(engine.clock().now()),
                    ..Principal::trusted(user)
                };
                engine.admit(&principal).await?;
                principal
            }
            Self::Checked(checked) => {
                let presented = Credential { token, via, from };
                checked.principal(engine, &presented).await?
            }
        };
        Ok(Arc::new(principal))
    }

    /// The user that the token of a request proves to be, from `authorization: Bearer TOKEN`.
    ///
    /// With an open login the token is a name, and may be percent-encoded UTF-8: a browser sends no other
    /// character beyond U+00FF in a header. Any other token is taken as it stands.
    pub(crate) async fn bearer(
        &self,
        engine: &ChatEngine,
        headers: &HeaderMap,
        via: Via,
        from: Option<IpAddr>,
    ) -> Result<Arc<Principal>, Error> {
        let token = self.token(headers);
        let token = token.map_err(|reason| Error::Unauthenticated(reason.to_owned()))?;
        let token = Secret::from(&*token);
        let principal = self.principal(engine, &token, via, from).await?;
        known::note_user(&principal.user);
        Ok(principal)
    }

    fn token<'a>(&self, headers: &'a HeaderMap) -> Result<Cow<'a, str>, &'static str> {
        let token = bearer(headers)?;
        if !self.is_open() {
            return Ok(token.into());
        }
        let decoded = percent_decode_str(token).decode_utf8();
        decoded.map_err(|_| "the percent-encoded name in the header `authorization` is not UTF-8")
    }
}

/// The text of `authorization: Bearer TEXT`, or what is wrong with the header.
pub(crate) fn bearer(headers: &HeaderMap) -> Result<&str, &'static str> {
    let header = headers
        .get(header::AUTHORIZATION)
        .ok_or("the header `authorization: Bearer TOKEN` is missing")?;
    let value = std::str::from_utf8(header.as_bytes()).map_err(
        |_| "the header `authorization` is not UTF-8: send a name in its percent-encoded form",
    )?;
    let (scheme, token) = value.split_once(' ').unwrap_or((value, ""));
    let token = token.trim();
    if !scheme.eq_ignore_ascii_case("bearer") || token.is_empty() {
        return Err("the header `authorization` is not `Bearer TOKEN`");
    }
    Ok(token)
}

/// The user that a JSON Web Token claims to be, without any proof.
fn claimed(token: &Secret) -> Option<UserId> {
    #[derive(Deserialize)]
    struct Claims {
        sub: String,
    }
    let claims = token.text()?.split('.').nth(1)?;
    let claims = BASE64_URL_SAFE_NO_PAD.decode(claims).ok()?;
    let Claims { sub } = serde_json::from_slice(&claims).ok()?;
    UserId::new(sub).ok()
}

impl Checked {
    /// Refuses an address that has used up its failed logins.
    fn limit(&self, from: Option<IpAddr>) -> Result<(), Error> {
        let address = from.map(network);
        let Some(retry_after) = address.and_then(|address| self.failures.wait(address)) else {
            return Ok(());
        };
        self.outcomes.count(Outcome::Limited);
        self.failures.count(address, 1);
        Err(Error::RateLimited {
            retry_after,
            muted_for: None,
        })
    }

    /// Asks the authenticator, and then the engine.
    async fn principal(
        &self,
        engine: &ChatEngine,
        presented: &Credential<'_>,
    ) -> Result<Principal, Error> {
        let address = presented.from.map(network);
        let asked = self.ask(presented).await;
        // Many clients behind one address may hold tokens that expire together, or are of users who are banned.
        if let Err(AuthError::Invalid | AuthError::Revoked) = &asked {
            self.failures.count(address, 1);
            if let Some(address) = address {
                self.failures.note(address);
            }
            // After the check, so that a user is not locked out by others who claim to be that user.
            if let Some(retry_after) = self.note_user(presented.token) {
                self.outcomes.count(Outcome::Limited);
                return Err(Error::RateLimited {
                    retry_after,
                    muted_for: None,
                });
            }
        }
        let login = match asked {
            Ok(principal) => engine.admit(&principal).await.map(|()| principal),
            Err(why) => Err(why.into()),
        };
        self.outcomes.count((&login).into());
        login.inspect_err(|why| {
            tracing::debug!(via = ?presented.via, %why, "a login was refused");
        })
    }

    /// Takes a failed login from the budget of the user that the token claims to be; the time to wait, if it
    /// is used up.
    fn note_user(&self, token: &Secret) -> Option<Duration> {
        let user = claimed(token)?;
        let mut budgets = self.of_users.lock().unwrap_or_else(PoisonError::into_inner);
        let decision = budgets.decide(&user, &POLICY, self.since.elapsed());
        decision.retry_after()
    }

    /// Asks the authenticator, which may be slow, hang or panic: that costs this login only.
    async fn ask(&self, presented: &Credential<'_>) -> Result<Principal, AuthError> {
        const UNAVAILABLE: AuthError = AuthError::Unavailable {
            retry_after: RETRY_AFTER,
        };
        let Ok(_place) = self.at_once.try_acquire() else {
            tracing::warn!("more than {AT_ONCE} logins wait for the authenticator");
            return Err(UNAVAILABLE);
        };
        let asked = AssertUnwindSafe(self.authenticator.authenticate(presented)).catch_unwind();
        match timeout(PATIENCE, asked).await {
            Ok(Ok(answer)) => answer,
            Ok(Err(_)) => {
                tracing::error!("the authenticator panicked");
                Err(UNAVAILABLE)
            }
            Err(_) => {
                tracing::warn!("the authenticator gave no answer within {PATIENCE:?}");
                Err(UNAVAILABLE)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use async_trait::async_trait;
    use axum::http::HeaderValue;

    use super::*;

    fn token(login: &Login, value: &[u8]) -> Result<String, &'static str> {
        let value = HeaderValue::from_bytes(value).unwrap();
        let headers = HeaderMap::from_iter([(header::AUTHORIZATION, value)]);
        login.token(&headers).map(Cow::into_owned)
    }

    #[test]
    fn a_name_in_a_header_may_be_percent_encoded() {
        let open = Login::Open;
        for (value, name) in [
            ("Bearer alice", "alice"),
            ("bearer  alice ", "alice"),
            ("Bearer \u{5d3}\u{5e0}\u{5d4}", "\u{5d3}\u{5e0}\u{5d4}"),
            ("Bearer %D7%93%D7%A0%d7%94", "\u{5d3}\u{5e0}\u{5d4}"),
            ("Bearer 100%25", "100%"),
            ("Bearer 100%", "100%"),
        ] {
            assert_eq!(token(&open, value.as_bytes()).as_deref(), Ok(name));
        }
    }

    #[test]
    fn a_token_that_is_no_name_is_taken_as_it_stands() {
        #[derive(Debug)]
        struct Nobody;

        #[async_trait]
        impl Authenticator for Nobody {
            async fn authenticate(&self, _: &Credential<'_>) -> Result<Principal, AuthError> {
                Err(AuthError::Invalid)
            }
        }

        let login = Login::checked(Nobody);
        assert_eq!(token(&login, b"Bearer a%41").as_deref(), Ok("a%41"));
    }

    #[test]
    fn what_is_wrong_with_the_header_is_what_the_error_says() {
        let open = Login::Open;
        for (value, says) in [
            (&b"Bearer J\xfcrgen"[..], "not UTF-8"),
            (b"Bearer J%FCrgen", "percent-encoded name"),
            (b"Basic YWxpY2U6", "is not `Bearer TOKEN`"),
            (b"Bearer ", "is not `Bearer TOKEN`"),
            (b"Bearer", "is not `Bearer TOKEN`"),
        ] {
            let error = token(&open, value).unwrap_err();
            assert!(error.contains(says), "{value:?}: {error}");
        }
        let missing = open.token(&HeaderMap::new()).unwrap_err();
        assert!(missing.contains("missing"), "{missing}");
    }
}
