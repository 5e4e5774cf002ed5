//! The source of the token of each connection.

use std::{fmt, io, pin::Pin};

/// A token that is under way.
pub(super) type Next = Pin<Box<dyn Future<Output = io::Result<String>> + Send>>;

type Source = dyn Fn() -> Next + Send + Sync;

/// A token, or what gives a new one. Its `Debug` form shows no token.
pub(super) enum Token {
    /// The same for all connections.
    Fixed(String),
    /// A new one for each connection.
    Renewed(Box<Source>),
}

impl Token {
    pub(super) fn from_source<F, T>(source: F) -> Self
    where
        F: Fn() -> T + Send + Sync + 'static,
        T: Future<Output = io::Result<String>> + Send + 'static,
    {
        Self::Renewed(Box::new(move || Box::pin(source())))
    }

    pub(super) fn is_renewable(&self) -> bool {
        matches!(self, Self::Renewed(_))
    }

    /// The token for the next connection. The future is independent of the source.
    pub(super) fn next(&self) -> Next {
        match self {
            Self::Fixed(token) => Box::pin(std::future::ready(Ok(token.clone()))),
            Self::Renewed(source) => source(),
        }
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Fixed(_) => "Fixed",
            Self::Renewed(_) => "Renewed",
        })
    }
}
