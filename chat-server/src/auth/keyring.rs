//! The keys that tokens are verified with at this moment, from files or from an issuer.

use std::sync::Arc;

use chat_core::metrics::Counter;

#[cfg(feature = "jwks")]
use super::issuer::Issuer;
use super::keys::{KeySet, Source};
use crate::files::{
    FileError,
    reload::{InUse, Reloading},
};

/// The keys in use, and the task that keeps them current.
#[derive(Debug)]
pub(crate) enum Keyring {
    /// From files that the settings name.
    Files {
        keys: InUse<Source>,
        reloading: Reloading<Source>,
    },
    /// From the URL of an identity provider.
    #[cfg(feature = "jwks")]
    Url(Issuer),
}

impl Keyring {
    /// The keys of files.
    ///
    /// # Errors
    ///
    /// Keys that can't be used.
    pub(crate) fn open(source: Source) -> Result<Self, FileError> {
        let (keys, reloading) = Reloading::open(source)?;
        Ok(Self::Files { keys, reloading })
    }

    /// The keys of this moment; `None` when they are too old to be trusted, or were never there.
    pub(crate) fn current(&self) -> Option<Arc<KeySet>> {
        match self {
            Self::Files { keys, .. } => Some(keys.load_full()),
            #[cfg(feature = "jwks")]
            Self::Url(issuer) => issuer.current(),
        }
    }

    /// Whether a key that is not among the current ones may be a new one. If so, it is looked for in the
    /// background.
    pub(crate) fn may_have_more(&self) -> bool {
        match self {
            Self::Files { .. } => false,
            #[cfg(feature = "jwks")]
            Self::Url(issuer) => issuer.may_have_more(),
        }
    }

    /// Fetches the keys for the first time, if they are not in a file.
    pub(crate) async fn prepare(&self) {
        match self {
            Self::Files { .. } => {}
            #[cfg(feature = "jwks")]
            Self::Url(issuer) => drop(issuer.fetch().await),
        }
    }

    /// Keeps the keys current, for as long as it is polled.
    pub(crate) async fn follow(&self) {
        match self {
            Self::Files { reloading, .. } => reloading.follow().await,
            #[cfg(feature = "jwks")]
            Self::Url(issuer) => issuer.follow().await,
        }
    }

    /// The fault of the keys, as a sentence for operators; `None` if there is none.
    pub(crate) fn fault(&self) -> Option<&'static str> {
        match self {
            Self::Files { reloading, .. } => reloading
                .is_failing()
                .then_some("the file of the keys can't be used: the keys are those of before"),
            #[cfg(feature = "jwks")]
            Self::Url(issuer) => issuer.fault(),
        }
    }

    /// The number of attempts to read the keys again that failed.
    pub(crate) fn failures(&self) -> &Counter {
        match self {
            Self::Files { reloading, .. } => &reloading.failures,
            #[cfg(feature = "jwks")]
            Self::Url(issuer) => issuer.failures(),
        }
    }
}
