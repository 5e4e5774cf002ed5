//! Logging in: the authenticator of a server, and the token of a request.

use std::{net::IpAddr, panic::AssertUnwindSafe, sync::Arc, time::Duration};

use axum::http::{HeaderMap, header};
use chat_core::{
    Error, Principal, UserId,
    port::{AuthError, Authenticator, Credential, Secret, Via},
};
use futures_util::FutureExt;
use tokio::{sync::Semaphore, time::timeout};

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
    Checked {
        authenticator: Arc<dyn Authenticator>,
        at_once: Arc<Semaphore>,
    },
}

impl Login {
    pub(crate) fn checked(authenticator: impl Authenticator) -> Self {
        Self::Checked {
            authenticator: Arc::new(authenticator),
            at_once: Arc::new(Semaphore::new(AT_ONCE)),
        }
    }

    /// Whether nobody has to prove who they are.
    pub(crate) fn is_open(&self) -> bool {
        matches!(self, Self::Open)
    }

    /// The user that a token proves to be.
    pub(crate) async fn principal(
        &self,
        token: &Secret,
        via: Via,
        from: Option<IpAddr>,
    ) -> Result<Arc<Principal>, Error> {
        let principal = match self {
            Self::Open => {
                let name = token.text().ok_or(AuthError::Invalid)?;
                let user = UserId::new(name);
                user.map(Principal::trusted)
                    .map_err(|invalid| Error::Unauthenticated(invalid.to_string()))?
            }
            Self::Checked {
                authenticator,
                at_once,
            } => {
                let presented = Credential { token, via, from };
                let asked = ask(&**authenticator, at_once, &presented).await;
                asked.inspect_err(|why| tracing::debug!(?via, %why, "a login was refused"))?
            }
        };
        Ok(Arc::new(principal))
    }

    /// The user that the token of a request proves to be, from `authorization: Bearer TOKEN`.
    pub(crate) async fn bearer(
        &self,
        headers: &HeaderMap,
        via: Via,
        from: Option<IpAddr>,
    ) -> Result<Arc<Principal>, Error> {
        let header = headers.get(header::AUTHORIZATION);
        let value = header.and_then(|value| std::str::from_utf8(value.as_bytes()).ok());
        match value.and_then(|value| value.split_once(' ')) {
            Some((scheme, token)) if scheme.eq_ignore_ascii_case("bearer") => {
                self.principal(&Secret::from(token.trim()), via, from).await
            }
            _ => Err(Error::Unauthenticated(
                "the header `authorization: Bearer TOKEN` is missing".to_owned(),
            )),
        }
    }
}

/// Asks the authenticator, which may be slow, hang or panic: that costs this login only.
async fn ask(
    authenticator: &dyn Authenticator,
    at_once: &Semaphore,
    presented: &Credential<'_>,
) -> Result<Principal, AuthError> {
    const UNAVAILABLE: AuthError = AuthError::Unavailable {
        retry_after: RETRY_AFTER,
    };
    let Ok(_place) = at_once.try_acquire() else {
        tracing::warn!("more than {AT_ONCE} logins wait for the authenticator");
        return Err(UNAVAILABLE);
    };
    let asked = AssertUnwindSafe(authenticator.authenticate(presented)).catch_unwind();
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
