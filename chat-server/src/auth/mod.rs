//! Logins that prove the identity of a user: signed tokens, the keys behind them, and the end of a
//! login.

pub mod command;
pub(crate) mod expiry;
pub(crate) mod failures;
#[cfg(feature = "jwks")]
mod fetch;
#[cfg(feature = "jwks")]
mod issuer;
pub(crate) mod jwt;
pub(crate) mod keyring;
pub(crate) mod keys;
pub(crate) mod renewals;

use std::sync::Arc;

use chat_core::Clock;

use self::{
    jwt::{Jwt, Rules},
    keyring::Keyring,
    keys::Source,
};
use crate::{config::Settings, files::FileError};

/// The login by tokens that the settings describe.
///
/// # Errors
///
/// Keys that can't be used.
pub(crate) fn login_by_token(settings: &Settings, clock: Arc<dyn Clock>) -> Result<Jwt, FileError> {
    Ok(Jwt {
        keys: Arc::new(keyring(settings)?),
        rules: rules(settings),
        clock,
    })
}

/// The keys that the settings name.
fn keyring(settings: &Settings) -> Result<Keyring, FileError> {
    #[cfg(feature = "jwks")]
    if let Some(url) = &settings.jwt_keys_url {
        let publisher = fetch::Fetcher::new(url.0.clone())?;
        let issuer = issuer::Issuer::new(publisher, settings.jwt_keys_stale);
        return Ok(Keyring::Url(issuer));
    }
    Keyring::open(source(settings))
}

/// The file of the keys.
fn source(settings: &Settings) -> Source {
    match (&settings.jwt_keys_file, &settings.jwt_key_file) {
        (Some(set), _) => Source::Set(set.clone()),
        (None, key) => Source::Key(key.clone().unwrap_or_default(), settings.jwt_alg),
    }
}

fn rules(settings: &Settings) -> Rules {
    Rules {
        audience: settings.jwt_audience.clone().unwrap_or_default(),
        issuer: settings.jwt_issuer.clone().unwrap_or_default(),
        max_lifetime: settings.jwt_max_lifetime,
        names: settings.jwt_names,
        ranks: settings.jwt_ranks,
    }
}
