//! A login whose tokens say in plain text until when they are good.

use async_trait::async_trait;
use chat_core::{
    Clock as _, Principal, SystemClock, UserId,
    port::{AuthError, Authenticator, Credential},
};
use chrono::{DateTime, TimeDelta, Utc};

/// Believes the tokens of [`DatedLogin::token`].
#[derive(Debug, Clone, Copy)]
pub struct DatedLogin;

impl DatedLogin {
    /// The time by which the tokens end: that of the machine.
    pub fn now() -> DateTime<Utc> {
        SystemClock::default().now()
    }

    /// A token of this user that ends then, such as `alice until 2026-11-28T12:00:00+00:00`.
    pub fn token(user: &str, end: DateTime<Utc>) -> String {
        format!("{user} until {}", end.to_rfc3339())
    }

    /// A token of this user that is good for this time.
    pub fn token_for(user: &str, lifetime: TimeDelta) -> String {
        Self::token(user, Self::now() + lifetime)
    }
}

#[async_trait]
impl Authenticator for DatedLogin {
    async fn authenticate(&self, presented: &Credential<'_>) -> Result<Principal, AuthError> {
        let token = presented.token.text().ok_or(AuthError::Invalid)?;
        let (name, end) = token.split_once(" until ").ok_or(AuthError::Invalid)?;
        let user = UserId::new(name).map_err(|_| AuthError::Invalid)?;
        let end = DateTime::parse_from_rfc3339(end).map_err(|_| AuthError::Invalid)?;
        if end <= Self::now() {
            return Err(AuthError::Expired);
        }
        Ok(Principal {
            expires_at: Some(end.to_utc()),
            ..Principal::trusted(user)
        })
    }
}
