//! Why a message of the old server can't become an entry.

/// Why something that stands among the old messages can't be brought over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum Unfit {
    /// Its id can't be read.
    #[error("an id that can't be read")]
    Id,
    /// Its document has a text that is not valid UTF-8.
    #[error("a text that is not UTF-8")]
    NotUtf8,
    /// It has a field `seq` that this store did not write, and would take for a number of its own.
    #[error("a field seq of its own; rename it to bring the message over")]
    Seq,
    /// No text is its room.
    #[error("no room")]
    NoRoom,
    /// Its room is not named by two users, as [`UserId`](chat_core::UserId) has them.
    #[error("a name that is not allowed")]
    Name,
    /// Somebody wrote to themselves.
    #[error("written to oneself")]
    Alone,
    /// Who wrote it, or to whom, is not in its room.
    #[error("not from and to the users of its room")]
    Stranger,
    /// No text is its text.
    #[error("no text")]
    NoText,
}
