//! The look of a name, which names that people can't tell apart have in common.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use unicode_security::skeleton;

use super::UserId;

/// The look of a user's name: its skeleton by Unicode Technical Standard #39, section 4.
///
/// ```
/// use chat_core::{Look, UserId};
///
/// let look = |name| Look::of(&UserId::new(name).unwrap());
/// // The second one has a Cyrillic letter.
/// assert_eq!(look("alice"), look("\u{430}lice"));
/// assert_ne!(look("alice"), look("Alice"));
/// ```
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Look(Arc<str>);

impl Look {
    /// The look of this name.
    pub fn of(user: &UserId) -> Self {
        let skeleton: String = skeleton(user.as_str()).collect();
        Self(skeleton.into())
    }

    /// The look as a text that stores can compare byte by byte; it may be the name of nobody.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_look_alike_have_one_look() {
        let look = |name: &str| Look::of(&UserId::new(name).unwrap());
        for (one, other) in [
            ("paypal", "p\u{430}yp\u{430}l"),
            ("modern", "rnodern"),
            ("bill", "bil1"),
            ("scope", "\u{455}\u{441}\u{43e}\u{440}\u{435}"),
            ("jos\u{e9}", "jose\u{301}"),
        ] {
            assert_eq!(look(one), look(other), "{one} {other}");
        }
        for (one, other) in [("alice", "Alice"), ("anna", "ana"), ("jose", "jos\u{e9}")] {
            assert_ne!(look(one), look(other), "{one} {other}");
        }
    }
}
