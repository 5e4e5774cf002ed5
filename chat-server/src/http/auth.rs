//! Logging in.

use async_trait::async_trait;
use chat_core::{
    UserId,
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
