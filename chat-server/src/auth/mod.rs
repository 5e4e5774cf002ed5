//! Logins that prove the identity of a user: signed tokens, the keys behind them, and the end of a
//! login.

pub mod command;
pub(crate) mod expiry;
pub(crate) mod failures;
pub(crate) mod jwt;
pub(crate) mod keys;
pub(crate) mod renewals;

use std::sync::Arc;

use chat_core::Clock;

use self::{
    jwt::{Jwt, Rules},
    keys::Source,
};
use crate::{
    config::Settings,
    files::{FileError, reload::Reloading},
};

/// The login by tokens that the settings describe, and the state of its keys.
///
/// # Errors
///
/// Keys that can't be used.
pub(crate) fn login_by_token(
    settings: &Settings,
    clock: Arc<dyn Clock>,
) -> Result<(Jwt, Arc<Reloading<Source>>), FileError> {
    let (keys, reloading) = Reloading::open(source(settings))?;
    let rules = rules(settings);
    Ok((Jwt { keys, rules, clock }, Arc::new(reloading)))
}

/// The source of the keys. The settings name exactly one.
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
        ranks: settings.jwt_ranks,
    }
}
