//! The failures of the subcommand.

/// The failure of the subcommand, in one line.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AdminError {
    /// A flag, a variable or a file is wrong.
    #[error("{0}")]
    Usage(String),
    /// The server gave no answer, or refused.
    #[error("{0}")]
    Failed(String),
}

impl AdminError {
    /// The exit code of the process: 2 for wrong usage, 1 for a server that can't be reached or refuses.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Usage(_) => 2,
            Self::Failed(_) => 1,
        }
    }
}
