//! Logging in: the authenticator of a server, and the token of a request.

use std::sync::Arc;

use async_trait::async_trait;
use axum::http::{HeaderMap, header};
use chat_core::{
    Error, UserId,
    port::{Authenticator, Unauthenticated},
};

/// An open login, which believes everybody: the token is the name.
#[derive(Debug, Clone, Copy, Default)]
pub struct OpenAuthenticator;

#[async_trait]
impl Authenticator for OpenAuthenticator {
    async fn authenticate(&self, token: &str) -> Result<UserId, Unauthenticated> {
        UserId::new(token).map_err(|invalid| Unauthenticated {
            reason: invalid.to_string(),
        })
    }
}

/// How users of a server log in, on every protocol.
#[derive(Debug, Clone)]
pub(crate) struct Login {
    authenticator: Arc<dyn Authenticator>,
    open: bool,
}

impl Login {
    pub(crate) fn open() -> Self {
        Self {
            authenticator: Arc::new(OpenAuthenticator),
            open: true,
        }
    }

    pub(crate) fn with(authenticator: impl Authenticator) -> Self {
        Self {
            authenticator: Arc::new(authenticator),
            open: false,
        }
    }

    /// Whether nobody has to prove who they are.
    pub(crate) fn is_open(&self) -> bool {
        self.open
    }

    /// The user that a token proves to be.
    pub(crate) async fn user(&self, token: &str) -> Result<UserId, Error> {
        Ok(self.authenticator.authenticate(token).await?)
    }

    /// The user that the token of a request proves to be, from `authorization: Bearer TOKEN`.
    pub(crate) async fn bearer(&self, headers: &HeaderMap) -> Result<UserId, Error> {
        let header = headers.get(header::AUTHORIZATION);
        let value = header.and_then(|value| std::str::from_utf8(value.as_bytes()).ok());
        match value.and_then(|value| value.split_once(' ')) {
            Some((scheme, token)) if scheme.eq_ignore_ascii_case("bearer") => {
                self.user(token.trim()).await
            }
            _ => Err(Unauthenticated {
                reason: "the header `authorization: Bearer TOKEN` is missing".to_owned(),
            }
            .into()),
        }
    }
}
