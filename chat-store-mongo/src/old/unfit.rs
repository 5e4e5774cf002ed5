//! The reasons why a message of the old server can't become an entry.

/// The reason why an old document can't be imported.
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
    /// Its room is missing or not a text.
    #[error("no room")]
    NoRoom,
    /// Its room is not named by two users that are valid [`UserId`](chat_core::UserId)s.
    #[error("a name that is not allowed")]
    Name,
    /// The author and the recipient are the same user.
    #[error("written to oneself")]
    Alone,
    /// Its author or its recipient is not a user of its room.
    #[error("not from and to the users of its room")]
    Stranger,
    /// Its text is missing or not a text.
    #[error("no text")]
    NoText,
}
