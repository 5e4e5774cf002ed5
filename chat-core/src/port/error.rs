//! The one error of all backends.

use std::{error, fmt, sync::Arc};

/// The kind of a backend's failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum BackendErrorKind {
    /// It can't be reached, or refuses to serve for now.
    Unavailable,
    /// It did not answer in time.
    Timeout,
    /// It has no room for more.
    Full,
    /// Its data is damaged.
    Corrupt,
    /// It refused our credentials.
    Unauthorized,
    /// Its settings, or its version, don't fit.
    Misconfigured,
    /// Anything else.
    Other,
}

/// Whether the same call may be made again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Retry {
    /// It would fail again.
    No,
    /// Nothing was applied.
    Safe,
    /// It may have been applied; only a call that is idempotent may be repeated.
    IfIdempotent,
}

/// A failure of a store, a cache, a broker or a moderator. Clones share the source.
#[derive(Debug, Clone)]
pub struct BackendError {
    /// The kind of failure.
    pub kind: BackendErrorKind,
    /// Whether the call may be repeated.
    pub retry: Retry,
    /// Which backend, such as `sqlite`.
    pub backend: &'static str,
    /// Which operation, such as `append`.
    pub operation: &'static str,
    /// The driver's error.
    pub source: Option<Arc<dyn error::Error + Send + Sync>>,
}

impl BackendError {
    /// A failure with its cause: the driver's own error, or a sentence.
    pub fn new(
        backend: &'static str,
        kind: BackendErrorKind,
        retry: Retry,
        operation: &'static str,
        source: impl Into<Box<dyn error::Error + Send + Sync>>,
    ) -> Self {
        Self {
            kind,
            retry,
            backend,
            operation,
            source: Some(Arc::from(source.into())),
        }
    }

    /// The failure of a call that only reads: whatever became of it, nothing was applied.
    #[must_use]
    pub fn of_a_read(mut self) -> Self {
        if self.retry == Retry::IfIdempotent {
            self.retry = Retry::Safe;
        }
        self
    }
}

impl fmt::Display for BackendError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = match self.kind {
            BackendErrorKind::Unavailable => "is unavailable",
            BackendErrorKind::Timeout => "did not answer in time",
            BackendErrorKind::Full => "has no room for more",
            BackendErrorKind::Corrupt => "holds damaged data",
            BackendErrorKind::Unauthorized => "refused our credentials",
            BackendErrorKind::Misconfigured => "is set up wrongly",
            BackendErrorKind::Other => "failed",
        };
        write!(f, "{} {what} ({})", self.backend, self.operation)
    }
}

impl error::Error for BackendError {
    fn source(&self) -> Option<&(dyn error::Error + 'static)> {
        self.source.as_deref().map(|source| source as _)
    }
}
