//! Names of users, rooms, messages and sessions; a value that exists is valid.

use std::{fmt, sync::Arc};

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{invalid_id::InvalidId, name, text};

macro_rules! string_id {
    ($type:ident, $parse:expr, $known:expr) => {
        impl $type {
            /// The text of it.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl std::str::FromStr for $type {
            type Err = InvalidId;

            fn from_str(text: &str) -> Result<Self, InvalidId> {
                $parse(text)
            }
        }

        impl TryFrom<String> for $type {
            type Error = InvalidId;

            /// Reads it from the wire or from a store, where it may have been taken under the rules of an
            /// earlier release.
            fn try_from(text: String) -> Result<Self, InvalidId> {
                $known(&text)
            }
        }
    };
}

/// A user's name: 1 to 64 characters, no comma, no space at either end, at most four combining marks in a
/// row, and nothing invisible but the joiners and selectors that a script or an emoji needs.
///
/// Names are kept in their composed form (NFC), with one kind of space, and differ by case. A name that a
/// store or a client names may also keep the rules of an earlier release; nobody new can take one.
///
/// ```
/// use chat_core::UserId;
///
/// assert_eq!(UserId::new("alice")?.as_str(), "alice");
/// assert!(UserId::new("a,b").is_err());
/// # Ok::<(), chat_core::InvalidId>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[cfg_attr(feature = "openapi", schema(value_type = String))]
pub struct UserId(Arc<str>);

impl UserId {
    /// The longest name, in characters.
    pub const MAX_CHARS: usize = name::MAX_CHARS;

    /// Checks and composes a name.
    ///
    /// # Errors
    ///
    /// [`InvalidId`] says which rule it breaks.
    pub fn new(text: impl AsRef<str>) -> Result<Self, InvalidId> {
        name::new("a user name", text.as_ref()).map(Self)
    }

    fn known(text: &str) -> Result<Self, InvalidId> {
        name::known("a user name", text).map(Self)
    }

    /// Whether somebody may still take this name.
    ///
    /// # Errors
    ///
    /// [`InvalidId`] says which rule of today it breaks.
    pub(crate) fn check(&self) -> Result<(), InvalidId> {
        Self::new(self.as_str()).map(drop)
    }
}

string_id!(UserId, UserId::new, UserId::known);

/// A room: `alice,bob` for the direct room of two users, anything without a comma for a group or channel.
///
/// Because no name holds a comma, two pairs of users never share an id and no group takes the id
/// of a direct room.
///
/// ```
/// use chat_core::{RoomId, UserId};
///
/// let room = RoomId::direct(&UserId::new("bob")?, &UserId::new("alice")?)?;
/// assert_eq!(room.as_str(), "alice,bob");
/// # Ok::<(), chat_core::InvalidId>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[cfg_attr(feature = "openapi", schema(value_type = String))]
pub struct RoomId(Arc<str>);

impl RoomId {
    /// The direct room of two users, whichever is named first.
    ///
    /// # Errors
    ///
    /// [`InvalidId::SameUser`] when both are one.
    pub fn direct(one: &UserId, other: &UserId) -> Result<Self, InvalidId> {
        match one.cmp(other) {
            std::cmp::Ordering::Less => Ok(Self(format!("{one},{other}").into())),
            std::cmp::Ordering::Greater => Ok(Self(format!("{other},{one}").into())),
            std::cmp::Ordering::Equal => Err(InvalidId::SameUser),
        }
    }

    /// A group room; its name follows the rules of user names.
    ///
    /// # Errors
    ///
    /// [`InvalidId`] says which rule it breaks.
    pub fn group(text: impl AsRef<str>) -> Result<Self, InvalidId> {
        name::new("a group name", text.as_ref()).map(Self)
    }

    /// Reads an id of either kind, as it stands on the wire.
    ///
    /// # Errors
    ///
    /// [`InvalidId`] says which rule it breaks.
    pub fn new(text: impl AsRef<str>) -> Result<Self, InvalidId> {
        Self::read(text.as_ref(), name::new)
    }

    fn known(text: &str) -> Result<Self, InvalidId> {
        Self::read(text, name::known)
    }

    fn read(
        text: &str,
        name: fn(&'static str, &str) -> Result<Arc<str>, InvalidId>,
    ) -> Result<Self, InvalidId> {
        match text.split_once(',') {
            None => name("a group name", text).map(Self),
            Some((one, other)) if !other.contains(',') => {
                let user = |text| name("a user name", text).map(UserId);
                let room = Self::direct(&user(one)?, &user(other)?)?;
                if room.as_str() == text::nfc(text) {
                    Ok(room)
                } else {
                    Err(InvalidId::NotAPair)
                }
            }
            Some(_) => Err(InvalidId::NotAPair),
        }
    }

    /// True if it is the id of a direct room.
    pub fn is_direct(&self) -> bool {
        self.0.contains(',')
    }

    /// The two users of a direct room, sorted; `None` for a group.
    pub fn pair(&self) -> Option<[UserId; 2]> {
        let (one, other) = self.0.split_once(',')?;
        Some([UserId(one.into()), UserId(other.into())])
    }

    /// The other user of a direct room that `user` is in.
    pub fn peer_of(&self, user: &UserId) -> Option<UserId> {
        let [one, other] = self.pair()?;
        if one == *user {
            Some(other)
        } else if other == *user {
            Some(one)
        } else {
            None
        }
    }
}

string_id!(RoomId, RoomId::new, RoomId::known);

/// The sender's own id of a message, which makes a retry safe: 1 to 64 printable ASCII characters.
///
/// It is unique per room and sender, for ever; a second send with it answers with the first.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[cfg_attr(feature = "openapi", schema(value_type = String))]
pub struct ClientMessageId(Arc<str>);

impl ClientMessageId {
    /// The longest id, in characters.
    pub const MAX_CHARS: usize = PRINTABLE_MAX_CHARS;

    /// Checks an id.
    ///
    /// # Errors
    ///
    /// [`InvalidId`] says which rule it breaks.
    pub fn new(text: impl AsRef<str>) -> Result<Self, InvalidId> {
        printable("a client message id", text.as_ref()).map(Self)
    }
}

/// The longest id that others make, in characters.
const PRINTABLE_MAX_CHARS: usize = 64;

/// Checks an id that others make: 1 to 64 printable ASCII characters.
pub(super) fn printable(what: &'static str, text: &str) -> Result<Arc<str>, InvalidId> {
    if text.is_empty() {
        return Err(InvalidId::Empty { what });
    }
    if let Some(found) = text.chars().find(|c| !c.is_ascii_graphic()) {
        return Err(InvalidId::Character { what, found });
    }
    let max = PRINTABLE_MAX_CHARS;
    if text.len() > max {
        return Err(InvalidId::TooLong { what, max });
    }
    Ok(text.into())
}

string_id!(ClientMessageId, ClientMessageId::new, ClientMessageId::new);

macro_rules! uuid_id {
    ($(#[$doc:meta])* $type:ident) => {
        $(#[$doc])*
        #[derive(
            Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
        )]
        #[serde(transparent)]
        #[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
        pub struct $type(pub Uuid);

        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    };
}

uuid_id!(
    /// The server's id of an entry (UUIDv7): unique everywhere, and no measure of order.
    MessageId
);
uuid_id!(
    /// One connected device of a user.
    SessionId
);
uuid_id!(
    /// One incarnation of a room's log. A room that lost its log gets another.
    Epoch
);

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn names_that_could_be_mistaken_or_break_a_room_id_are_refused() {
        for bad in [
            "",
            " bob",
            "bob ",
            "a,b",
            "a\u{200b}b",
            "a\u{202e}b",
            "a\nb",
            "a\u{1b}[31m",
        ] {
            assert!(UserId::new(bad).is_err(), "{bad:?}");
        }
        assert!(UserId::new("x".repeat(65)).is_err());
        for good in [
            "a",
            "Zoë",
            "O'Neil",
            "李雷",
            "anna maria",
            "auth0|5f7c",
            &"x".repeat(64),
        ] {
            assert!(UserId::new(good).is_ok(), "{good:?}");
        }
    }

    #[test]
    fn one_look_has_one_name() {
        assert_eq!(UserId::new("e\u{301}"), UserId::new("\u{e9}"));
    }

    #[test]
    fn a_room_id_on_the_wire_is_sorted_and_has_at_most_one_comma() {
        assert!(RoomId::new("alice,bob").is_ok());
        assert_eq!(RoomId::new("bob,alice"), Err(InvalidId::NotAPair));
        assert_eq!(RoomId::new("a,b,c"), Err(InvalidId::NotAPair));
        assert_eq!(RoomId::new("a,a"), Err(InvalidId::SameUser));
        assert_eq!(
            RoomId::new("general").map(|room| room.is_direct()),
            Ok(false)
        );
    }

    proptest! {
        #[test]
        fn two_pairs_of_users_never_share_a_room(
            a in "[a-c]{1,3}", b in "[a-c]{1,3}", c in "[a-c]{1,3}", d in "[a-c]{1,3}"
        ) {
            prop_assume!(a != b && c != d);
            let user = |name: &str| UserId::new(name).unwrap();
            let one = RoomId::direct(&user(&a), &user(&b)).unwrap();
            let other = RoomId::direct(&user(&c), &user(&d)).unwrap();
            let same_pair = (a == c && b == d) || (a == d && b == c);
            prop_assert_eq!(one == other, same_pair);
            prop_assert_eq!(RoomId::new(one.as_str()), Ok(one.clone()));
            prop_assert_eq!(one.peer_of(&user(&a)), Some(user(&b)));
        }
    }
}
