//! Decisions about users and their logins: all that a kind of ruling is, in one file.
//!
//! A new kind of ruling takes these steps, and the compiler asks for the first three:
//!
//! 1. a variant of [`Ruling`], whose fields are its JSON in stores and for administrators;
//! 2. an arm of [`Ruling::end`], and of `Ruling::in_micros` if it holds a time;
//! 3. an arm of `Standings::apply` in the engine, which says what the ruling changes; one that is only a
//!    record changes nothing;
//! 4. an example in [`Ruling::examples`], which the conformance suite gives to each store.
//!
//! Stores know when a ruling ends and what it lifts, so a new kind needs no change in them. No ruling holds
//! the text of a message, or a token; the text of an announcement is public.

use std::{fmt, net::IpAddr, sync::Arc, time::Duration};

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::{
    ClientMessageId, InvalidId, NameHash, Role, RoomId, TokenId, UserId, precision::whole_micros,
    text::is_invisible,
};

/// The number of a decision: 1, 2, 3, ... in the order in which decisions were stored.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(transparent)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Version(pub u64);

impl Version {
    /// Before the first decision.
    pub const ZERO: Self = Self(0);

    /// The next number.
    #[must_use]
    pub fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The way by which a login or a decision came to the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub enum Via {
    /// The native WebSocket protocol.
    Native,
    /// REST.
    Rest,
    /// Socket.IO, by an old client.
    SocketIo,
    /// The interface for administrators.
    Admin,
    /// The program that embeds the engine.
    Host,
}

impl Via {
    const ALL: [Self; 5] = [
        Self::Native,
        Self::Rest,
        Self::SocketIo,
        Self::Admin,
        Self::Host,
    ];

    /// The name in JSON and in stores.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Native => "native",
            Self::Rest => "rest",
            Self::SocketIo => "socket_io",
            Self::Admin => "admin",
            Self::Host => "host",
        }
    }

    /// The way of this name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|via| via.name() == name)
    }
}

/// The reason for a decision, in words: at most 256 characters, none of them a control character.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[cfg_attr(feature = "openapi", schema(value_type = String))]
pub struct Reason(Arc<str>);

impl Reason {
    /// The longest reason, in characters.
    pub const MAX_CHARS: usize = 256;

    /// Checks a reason.
    ///
    /// # Errors
    ///
    /// [`InvalidId`] says which rule it breaks.
    pub fn new(text: impl AsRef<str>) -> Result<Self, InvalidId> {
        let (what, text) = ("a reason", text.as_ref());
        if let Some(found) = text.chars().find(|c| c.is_control()) {
            return Err(InvalidId::Character { what, found });
        }
        if text.chars().count() > Self::MAX_CHARS {
            let max = Self::MAX_CHARS;
            return Err(InvalidId::TooLong { what, max });
        }
        Ok(Self(text.into()))
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for Reason {
    type Error = InvalidId;

    fn try_from(text: String) -> Result<Self, InvalidId> {
        Self::new(text)
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The text of an announcement: 1 to 1,000 characters, one of them visible, and no control characters but
/// tabs and line breaks.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[cfg_attr(feature = "openapi", schema(value_type = String))]
pub struct Announcement(Arc<str>);

impl Announcement {
    /// The longest text, in characters.
    pub const MAX_CHARS: usize = 1_000;

    /// Checks a text.
    ///
    /// # Errors
    ///
    /// [`InvalidId`] says which rule it breaks.
    pub fn new(text: impl AsRef<str>) -> Result<Self, InvalidId> {
        let (what, text) = ("an announcement", text.as_ref());
        let is_control = |c: &char| c.is_control() && !"\t\n".contains(*c);
        if let Some(found) = text.chars().find(is_control) {
            return Err(InvalidId::Character { what, found });
        }
        if !text.chars().any(|c| !c.is_whitespace() && !is_invisible(c)) {
            return Err(InvalidId::Empty { what });
        }
        if text.chars().count() > Self::MAX_CHARS {
            let max = Self::MAX_CHARS;
            return Err(InvalidId::TooLong { what, max });
        }
        Ok(Self(text.into()))
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for Announcement {
    type Error = InvalidId;

    fn try_from(text: String) -> Result<Self, InvalidId> {
        Self::new(text)
    }
}

/// Where a ban or a mute holds.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[non_exhaustive]
pub enum Scope {
    /// On the whole server.
    #[default]
    Server,
    /// In one group or channel.
    Room(RoomId),
}

/// The end of a ruling that only a [`Lift`](Ruling::Lift) ends: the last moment of the year 9999, which every
/// store and every program can hold.
pub const NO_END: DateTime<Utc> = match DateTime::from_timestamp(253_402_300_799, 0) {
    Some(end) => end,
    None => DateTime::<Utc>::MAX_UTC,
};

/// A ruling: the content of a decision.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "action", rename_all = "snake_case")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[non_exhaustive]
pub enum Ruling {
    /// A token is accepted no more.
    RevokeToken {
        /// The id of the token.
        jti: TokenId,
        /// The time from which on no server would accept the token anyway; the ruling ends then.
        until: DateTime<Utc>,
    },
    /// The tokens of a user that were issued before a moment are accepted no more.
    RevokeUser {
        /// The user.
        user: UserId,
        /// A login that was issued at this moment, or later, is not concerned.
        issued_before: DateTime<Utc>,
        /// The time from which on no server would accept these tokens anyway; the ruling ends then.
        until: DateTime<Utc>,
    },
    /// A user may not be here.
    Ban {
        /// The user.
        user: UserId,
        /// Where.
        #[serde(default)]
        scope: Scope,
        /// Its end; `None` for a ban without one.
        until: Option<DateTime<Utc>>,
    },
    /// A user may read, and not speak: no message, no edit, no typing.
    Mute {
        /// The user.
        user: UserId,
        /// Where.
        #[serde(default)]
        scope: Scope,
        /// Its end; `None` for a mute without one.
        until: Option<DateTime<Utc>>,
    },
    /// An earlier decision is in force no more.
    Lift {
        /// The decision that ends.
        version: Version,
    },
    /// The connections of a user are closed, once; the user may come back.
    Kick {
        /// The user.
        user: UserId,
    },
    /// A text is sent to everybody who is connected, once.
    Announce {
        /// The text.
        text: Announcement,
    },
    /// A member of a group gets another role, by an entry of its log: here a record only.
    Assign {
        /// The group.
        room: RoomId,
        /// The member.
        user: UserId,
        /// The role.
        role: Role,
    },
    /// An administrator has read a room: a record only.
    Inspect {
        /// The room.
        room: RoomId,
    },
    /// A notice was put into a room, by an entry of its log: here a record only.
    Notice {
        /// The room.
        room: RoomId,
    },
    /// A room was deleted: here a record only.
    DeleteRoom {
        /// The room.
        room: RoomId,
    },
    /// All that is stored of a user was given out: a record only.
    Export {
        /// The user.
        user: UserId,
    },
    /// A user is erased: the tokens that were issued before a moment are accepted no more, and nothing is left of
    /// the name but its hash.
    Erase {
        /// The hash of the name.
        name: NameHash,
        /// A login that was issued at this moment, or later, is not concerned.
        issued_before: DateTime<Utc>,
        /// The time from which on no server would accept these tokens anyway; the ruling ends then.
        until: DateTime<Utc>,
    },
    /// Logins from the address of the decision have failed within a minute: a record only.
    FailedLogins {
        /// The number of logins.
        count: u64,
    },
}

impl Ruling {
    /// The longest ban or mute that has an end: a hundred years.
    pub const LONGEST: Duration = Duration::from_hours(876_600);

    /// The end of a ruling that is in force for some time, in whole microseconds: [`NO_END`] when only a
    /// [`Lift`](Self::Lift) ends it. `None` for a ruling that is carried out once, or is only a record.
    pub fn end(&self) -> Option<DateTime<Utc>> {
        let end = match self {
            Self::RevokeToken { until, .. }
            | Self::RevokeUser { until, .. }
            | Self::Erase { until, .. } => *until,
            Self::Ban { until, .. } | Self::Mute { until, .. } => until.unwrap_or(NO_END),
            Self::Lift { .. }
            | Self::Kick { .. }
            | Self::Announce { .. }
            | Self::Assign { .. }
            | Self::Inspect { .. }
            | Self::Notice { .. }
            | Self::DeleteRoom { .. }
            | Self::Export { .. }
            | Self::FailedLogins { .. } => return None,
        };
        Some(whole_micros(end.min(NO_END)))
    }

    /// The decision that it lifts.
    pub fn lifts(&self) -> Option<Version> {
        match self {
            Self::Lift { version } => Some(*version),
            _ => None,
        }
    }

    /// The user that it is about, by name.
    pub fn user(&self) -> Option<&UserId> {
        match self {
            Self::RevokeUser { user, .. }
            | Self::Ban { user, .. }
            | Self::Mute { user, .. }
            | Self::Kick { user }
            | Self::Assign { user, .. }
            | Self::Export { user } => Some(user),
            _ => None,
        }
    }

    /// The ruling with another name for a user, also in the id of a direct room.
    #[must_use]
    pub fn renamed(mut self, user: &UserId, name: &UserId) -> Self {
        match &mut self {
            Self::RevokeUser { user: about, .. }
            | Self::Ban { user: about, .. }
            | Self::Mute { user: about, .. }
            | Self::Kick { user: about }
            | Self::Assign { user: about, .. }
            | Self::Export { user: about }
                if about == user =>
            {
                *about = name.clone();
            }
            // The id of a direct room has the names of both.
            Self::Inspect { room } | Self::Notice { room } | Self::DeleteRoom { room } => {
                let peer = room.peer_of(user);
                if let Some(Ok(renamed)) = peer.map(|peer| RoomId::direct(&peer, name)) {
                    *room = renamed;
                }
            }
            _ => {}
        }
        self
    }

    /// The ruling with times in whole microseconds, the precision that every store keeps.
    fn in_micros(mut self) -> Self {
        match &mut self {
            Self::RevokeToken { until, .. } => *until = whole_micros(*until),
            Self::RevokeUser {
                issued_before,
                until,
                ..
            }
            | Self::Erase {
                issued_before,
                until,
                ..
            } => {
                *issued_before = whole_micros(*issued_before);
                *until = whole_micros(*until);
            }
            Self::Ban { until, .. } | Self::Mute { until, .. } => *until = until.map(whole_micros),
            Self::Lift { .. }
            | Self::Kick { .. }
            | Self::Announce { .. }
            | Self::Assign { .. }
            | Self::Inspect { .. }
            | Self::Notice { .. }
            | Self::DeleteRoom { .. }
            | Self::Export { .. }
            | Self::FailedLogins { .. } => {}
        }
        self
    }

    /// One ruling of each kind, about this user.
    #[cfg(any(test, feature = "testing"))]
    pub fn examples(user: &UserId) -> Vec<Self> {
        let (user, scope) = (|| user.clone(), Scope::Server);
        let issued_before = DateTime::UNIX_EPOCH + Duration::from_micros(1_234_567_890);
        let until = issued_before + Duration::from_mins(1);
        let jti = TokenId::new("an-example").into_iter();
        let mut all: Vec<Self> = jti.map(|jti| Self::RevokeToken { jti, until }).collect();
        all.extend([
            Self::RevokeUser {
                user: user(),
                issued_before,
                until,
            },
            Self::Ban {
                user: user(),
                scope: scope.clone(),
                until: None,
            },
            Self::Mute {
                user: user(),
                scope,
                until: Some(until),
            },
            Self::Lift {
                version: Version(1),
            },
            Self::Kick { user: user() },
            Self::FailedLogins { count: 7 },
        ]);
        all.extend(Announcement::new("Back\nat \"noon\"").map(|text| Self::Announce { text }));
        let room = RoomId::new("a group");
        all.extend(room.clone().map(|room| Self::Inspect { room }));
        all.extend(room.clone().map(|room| Self::Notice { room }));
        all.extend(room.clone().map(|room| Self::DeleteRoom { room }));
        all.extend([
            Self::Export { user: user() },
            Self::Erase {
                name: NameHash::of(&user()),
                issued_before,
                until,
            },
        ]);
        all.extend(room.clone().map(|room| Self::Ban {
            user: user(),
            scope: Scope::Room(room),
            until: Some(until),
        }));
        all.extend(room.map(|room| Self::Assign {
            room,
            user: user(),
            role: Role::Moderator,
        }));
        all
    }
}

impl Decision {
    /// True if a user made it, or it is about them.
    pub fn is_about(&self, user: &UserId) -> bool {
        self.by == *user || self.what.user() == Some(user)
    }

    /// The decision with another name for a user, whether they made it or it is about them.
    #[must_use]
    pub fn renamed(self, user: &UserId, name: &UserId) -> Self {
        Self {
            by: if self.by == *user {
                name.clone()
            } else {
                self.by
            },
            what: self.what.renamed(user, name),
            ..self
        }
    }
}

/// A decision on its way to the store, which gives it a version.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NewDecision {
    /// The server's clock.
    pub at: DateTime<Utc>,
    /// The user who decides.
    pub by: UserId,
    /// The way by which it came.
    pub via: Via,
    /// The address from which it came; `None` when that is not known.
    pub address: Option<IpAddr>,
    /// The reason, for the record.
    pub reason: Reason,
    /// The decider's own id of it, which makes a retry safe: a second decision of theirs under the same id
    /// answers with the first.
    pub client_id: ClientMessageId,
    /// The content of the decision.
    pub what: Ruling,
}

impl NewDecision {
    /// The decision with its times in whole microseconds, the precision that every store keeps.
    #[must_use]
    pub fn in_micros(self) -> Self {
        Self {
            at: whole_micros(self.at),
            what: self.what.in_micros(),
            ..self
        }
    }

    /// The decision that it becomes under this version.
    pub fn numbered(self, version: Version) -> Decision {
        let Self {
            at,
            by,
            via,
            address,
            reason,
            client_id,
            what,
        } = self;
        Decision {
            version,
            at,
            by,
            via,
            address,
            reason,
            client_id,
            what,
        }
    }
}

/// One line of the log of decisions, which is also the record of who decided what, when and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Decision {
    /// Its number in the log.
    pub version: Version,
    /// The server's clock at the time.
    pub at: DateTime<Utc>,
    /// The user who decided.
    pub by: UserId,
    /// The way by which it came.
    pub via: Via,
    /// The address from which it came; `None` when that is not known.
    #[cfg_attr(feature = "openapi", schema(value_type = Option<String>))]
    pub address: Option<IpAddr>,
    /// The reason, for the record.
    pub reason: Reason,
    /// The decider's own id of it.
    pub client_id: ClientMessageId,
    /// What was decided.
    pub what: Ruling,
}

/// The place of a decision among those in force: the end of its ruling, then its version.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Ends {
    /// The end of the ruling.
    pub at: DateTime<Utc>,
    /// Its version.
    pub version: Version,
}

impl Ends {
    /// Before every decision that ends later than this moment.
    pub fn after(moment: DateTime<Utc>) -> Self {
        Self {
            at: whole_micros(moment),
            version: Version(u64::MAX),
        }
    }

    /// The place of this decision; `None` for one that is never in force.
    pub fn of(decision: &Decision) -> Option<Self> {
        let version = decision.version;
        decision.what.end().map(|at| Self { at, version })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_json_of_each_ruling_names_its_action_and_reads_back() {
        let bob = UserId::new("bob").unwrap();
        let names = [
            "revoke_token",
            "revoke_user",
            "ban",
            "mute",
            "lift",
            "kick",
            "failed_logins",
            "announce",
            "inspect",
            "notice",
            "delete_room",
            "export",
            "erase",
            "ban",
            "assign",
        ];
        let examples = Ruling::examples(&bob);
        for (name, ruling) in names.into_iter().zip(&examples) {
            let json = serde_json::to_value(ruling).unwrap();
            assert_eq!(json["action"], name);
            assert_eq!(serde_json::from_value::<Ruling>(json).unwrap(), *ruling);
        }
        assert_eq!(examples.len(), names.len());
    }

    #[test]
    fn a_way_has_one_name_in_json_and_in_stores() {
        for via in Via::ALL {
            assert_eq!(serde_json::to_value(via).unwrap(), via.name());
            assert_eq!(Via::from_name(via.name()), Some(via));
        }
        assert_eq!(Via::from_name("telex"), None);
    }

    #[test]
    fn a_ban_that_names_no_scope_is_one_of_the_server() {
        let ban = r#"{"action":"ban","user":"bob","until":null}"#;
        let bob = UserId::new("bob").unwrap();
        assert_eq!(
            serde_json::from_str::<Ruling>(ban).unwrap(),
            Ruling::Ban {
                user: bob,
                scope: Scope::Server,
                until: None
            }
        );
    }

    #[test]
    fn an_announcement_says_something_in_at_most_1000_characters() {
        assert!(Announcement::new("two\nlines").is_ok());
        assert!(Announcement::new("ü".repeat(1_000)).is_ok());
        for bad in ["", " \n", "\u{200b}", "a\u{1b}b", &"ü".repeat(1_001)] {
            assert!(Announcement::new(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn a_reason_has_at_most_256_characters_and_no_control_characters() {
        assert!(Reason::new("ü".repeat(256)).is_ok());
        assert!(Reason::new("ü".repeat(257)).is_err());
        assert!(Reason::new("two\nlines").is_err());
        assert!(Reason::new("").is_ok());
    }
}
