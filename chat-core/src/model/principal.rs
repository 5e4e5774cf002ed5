//! The principal: a user as the login knows them, and what the login allows.

use std::{fmt, sync::Arc};

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::{InvalidId, UserId};

/// A user who has logged in, what the login allows, and until when.
///
/// An [`Authenticator`](crate::port::Authenticator) makes it from a token; the engine never sees the token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Principal {
    /// The user.
    pub user: UserId,
    /// The id of the token, by which it can be revoked; `None` when it has none.
    pub token: Option<TokenId>,
    /// When the token was issued; `None` when that is not known. A revocation of the user's logins then
    /// concerns it, whenever it is made.
    pub issued_at: Option<DateTime<Utc>>,
    /// The end of the login; `None` for one without an end.
    pub expires_at: Option<DateTime<Utc>>,
    /// The rank among the users of the whole server.
    pub rank: Rank,
    /// The uses that the login allows.
    pub scopes: Scopes,
}

impl Principal {
    /// A user whom the caller vouches for: no end, the rank of a user, and every scope but `metrics`.
    ///
    /// ```
    /// use chat_core::{Principal, Rank, UserId};
    ///
    /// let alice = Principal::trusted(UserId::new("alice")?);
    /// assert_eq!((alice.rank, alice.expires_at), (Rank::User, None));
    /// # Ok::<(), chat_core::InvalidId>(())
    /// ```
    pub fn trusted(user: UserId) -> Self {
        Self {
            user,
            token: None,
            issued_at: None,
            expires_at: None,
            rank: Rank::User,
            scopes: Scopes::default(),
        }
    }

    /// Whether the login has ended by this time.
    pub fn is_expired(&self, now: DateTime<Utc>) -> bool {
        self.expires_at.is_some_and(|end| end <= now)
    }
}

/// The rank of a user among all users of a server.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Rank {
    /// Anybody.
    #[default]
    User,
    /// A user who keeps order among others.
    Moderator,
    /// A user who runs the server.
    Admin,
}

impl Rank {
    /// The name in tokens and for people.
    pub const fn name(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::Moderator => "moderator",
            Self::Admin => "admin",
        }
    }

    /// The rank of this name.
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::User, Self::Moderator, Self::Admin]
            .into_iter()
            .find(|rank| rank.name() == name)
    }
}

/// What a login may be used for. Default: everything that users do, and not `metrics`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "four independent permissions, each given or not"
)]
pub struct Scopes {
    /// To receive and read what rooms hold, and to state receipts.
    pub read: bool,
    /// To send, edit and delete messages, and to type.
    pub send: bool,
    /// To make rooms and to change their members.
    pub manage: bool,
    /// To read the server's metrics.
    pub metrics: bool,
}

impl Default for Scopes {
    fn default() -> Self {
        Self {
            read: true,
            send: true,
            manage: true,
            metrics: false,
        }
    }
}

/// The id of a token (the claim `jti` of a JWT): 1 to 64 printable ASCII characters.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[cfg_attr(feature = "openapi", schema(value_type = String))]
pub struct TokenId(Arc<str>);

impl TokenId {
    /// Checks an id.
    ///
    /// # Errors
    ///
    /// [`InvalidId`] says which rule it breaks.
    pub fn new(text: impl AsRef<str>) -> Result<Self, InvalidId> {
        super::ids::printable("a token id", text.as_ref()).map(Self)
    }

    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for TokenId {
    type Error = InvalidId;

    fn try_from(text: String) -> Result<Self, InvalidId> {
        Self::new(text)
    }
}

impl fmt::Display for TokenId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
