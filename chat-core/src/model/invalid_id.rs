//! Why a name or an id is refused.

/// Why a name or an id was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidId {
    /// Nothing in it.
    #[error("{what} is empty")]
    Empty {
        /// The kind of name.
        what: &'static str,
    },
    /// Longer than allowed.
    #[error("{what} is longer than {max} characters")]
    TooLong {
        /// The kind of name.
        what: &'static str,
        /// The limit, in characters.
        max: usize,
    },
    /// Takes more bytes than allowed.
    #[error("{what} takes more than {max} bytes")]
    TooLarge {
        /// The kind of value.
        what: &'static str,
        /// The limit, in bytes.
        max: usize,
    },
    /// Has more objects and lists within one another than allowed.
    #[error("{what} has more than {max} objects and lists within one another")]
    TooDeep {
        /// The kind of value.
        what: &'static str,
        /// The limit, the outermost counted.
        max: usize,
    },
    /// Holds a character that it may not hold.
    #[error("{what} may not hold the character U+{:04X}", u32::from(*.found))]
    Character {
        /// The kind of name.
        what: &'static str,
        /// The character.
        found: char,
    },
    /// Begins or ends with a space.
    #[error("{what} may not begin or end with a space")]
    Padded {
        /// The kind of name.
        what: &'static str,
    },
    /// Is `.` or `..`, which no address on the web can hold.
    #[error("{what} may not be `.` or `..`")]
    Dots {
        /// The kind of name.
        what: &'static str,
    },
    /// Has too many combining marks on one letter.
    #[error("{what} may not have more than {max} marks on one letter")]
    Marks {
        /// The kind of name.
        what: &'static str,
        /// The limit.
        max: usize,
    },
    /// A direct room with one user only.
    #[error("a direct room needs two different users")]
    SameUser,
    /// Is no place in an inbox.
    #[error("this is no place in an inbox; take `next` from the page before")]
    NoPlace,
    /// The two names of a direct room stand in the wrong order, or there are more than two.
    #[error("a direct room is named by its two users, sorted and joined by one comma")]
    NotAPair,
}
