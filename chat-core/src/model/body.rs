//! What an entry says, what it does to its room, and how stores write it down: all that a kind of
//! entry is, in one file.
//!
//! A new kind takes these steps, and the compiler asks for each of them:
//!
//! 1. a variant of [`EntryBody`], whose fields are its JSON on the wire and in cached windows;
//! 2. an arm of [`EntryBody::effect`]: what it does beside standing in the log;
//! 3. a variant of [`EntryKind`], and an arm each of [`EntryBody::flatten`] and [`FlatBody::unflatten`];
//! 4. an example in [`EntryKind::example`], which the conformance suite gives to each store.
//!
//! Stores and caches know effects and flat bodies, so a new kind with an effect that exists needs no
//! change in them.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::{
    model::precision::whole_micros,
    model::{Data, Details, Role, RoomChange, Seq, UserId},
};

/// The body of an entry: what it says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
#[non_exhaustive]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub enum EntryBody {
    /// A message, with the text it has now.
    Message {
        /// The text.
        text: Arc<str>,
        /// When it was last edited.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        edited_at: Option<DateTime<Utc>>,
    },
    /// The author gave the message `target` another text.
    Edit {
        /// The message.
        target: Seq,
        /// Its new text.
        text: Arc<str>,
    },
    /// The author took the message `target` back, or a moderator of the group deleted it; its text is gone
    /// from the store.
    Delete {
        /// The message.
        target: Seq,
    },
    /// What is left of a message, or of an edit of it, after a [`Delete`](EntryBody::Delete).
    Deleted,
    /// `user` became a member of the group.
    Joined {
        /// The new member.
        user: UserId,
        /// The role of the new member. Entries from before there were roles have none, which is
        /// [`Role::Member`].
        #[serde(default)]
        role: Role,
    },
    /// `user` is a member no longer.
    Left {
        /// The former member.
        user: UserId,
        /// How it came to that. Entries from before it was said have [`LeftWhy::Left`].
        #[serde(default)]
        why: LeftWhy,
    },
    /// `user`, a member of the group, has another role.
    Role {
        /// The member.
        user: UserId,
        /// The new role.
        role: Role,
    },
    /// What the room says about itself has changed: its name, topic, data or settings, or it was archived or
    /// opened again.
    Room(Arc<RoomChange>),
    /// The application, or an administrator, says something in the room. The author is the user `system`.
    Notice(Arc<Notice>),
}

/// What a [notice](EntryBody::Notice) says.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Notice {
    /// The text; may be empty if there is data.
    pub text: Arc<str>,
    /// The application's own data.
    #[serde(default, skip_serializing_if = "Data::is_empty")]
    pub data: Data,
}

/// How a membership ended.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub enum LeftWhy {
    /// The member has left.
    #[default]
    Left,
    /// Somebody else has removed the member.
    Removed,
    /// The member was banned from the room.
    Banned,
}

/// The effect of an entry on its room beside standing in the log. A store carries it out in one step
/// with the entry.
///
/// A new effect is a change of every store, which is why it can be matched without a wildcard.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effect<'a> {
    /// Nothing.
    None,
    /// The message `target`, which must be one of the entry's author, gets another text.
    Replace {
        /// The message.
        target: Seq,
        /// Its new text.
        text: &'a Arc<str>,
    },
    /// Nothing is left of the message `target`, nor of the texts that it had. It is one of the entry's
    /// author, or one that a moderator [may](crate::NewEntry::is_allowed) delete.
    Erase {
        /// The message.
        target: Seq,
    },
    /// `user` becomes a member with this role, or has it from now on if they are one.
    Admit {
        /// The new member.
        user: &'a UserId,
        /// The role.
        role: Role,
    },
    /// `user`, who must be a member, has this role from now on.
    Assign {
        /// The member.
        user: &'a UserId,
        /// The role.
        role: Role,
    },
    /// `user` is a member no longer, if they were one. A room that this leaves without members is archived.
    Dismiss {
        /// The former member.
        user: &'a UserId,
    },
    /// The room says something else about itself: its details are [changed](crate::Details::changed).
    Describe {
        /// The change.
        change: &'a RoomChange,
    },
}

impl<'a> Effect<'a> {
    /// The message that it changes. Without it, the entry is refused as
    /// [`NoTarget`](crate::port::AppendError::NoTarget); so it is when
    /// [`on`](Self::on) says `None` for it.
    pub fn target(self) -> Option<Seq> {
        match self {
            Self::Replace { target, .. } | Self::Erase { target } => Some(target),
            Self::None
            | Self::Admit { .. }
            | Self::Assign { .. }
            | Self::Dismiss { .. }
            | Self::Describe { .. } => None,
        }
    }

    /// The user whose membership it changes, and the role after it, `None` for no member.
    pub fn membership(self) -> Option<(&'a UserId, Option<Role>)> {
        match self {
            Self::Admit { user, role } | Self::Assign { user, role } => Some((user, Some(role))),
            Self::Dismiss { user } => Some((user, None)),
            Self::None | Self::Replace { .. } | Self::Erase { .. } | Self::Describe { .. } => None,
        }
    }

    /// The details and the number of members of a room after the effect, from those before it. `was_member`
    /// tells whether the user whose membership changes was a member before.
    ///
    /// This is the one place that says what becomes of a room; stores keep the answer.
    pub fn room_after(self, details: &Details, members: u64, was_member: bool) -> (Details, u64) {
        match self {
            Self::Describe { change } => (details.changed(change), members),
            Self::Admit { .. } => (details.clone(), members + u64::from(!was_member)),
            Self::Dismiss { .. } => {
                let left = members.saturating_sub(u64::from(was_member));
                let archived = details.archived || left == 0;
                let details = Details {
                    archived,
                    ..details.clone()
                };
                (details, left)
            }
            Self::None | Self::Replace { .. } | Self::Erase { .. } | Self::Assign { .. } => {
                (details.clone(), members)
            }
        }
    }
}

impl EntryBody {
    /// A message with this text, as it is first sent.
    pub fn message(text: impl Into<Arc<str>>) -> Self {
        Self::Message {
            text: text.into(),
            edited_at: None,
        }
    }

    /// The text that it carries, of a message or an edit.
    pub fn text(&self) -> Option<&Arc<str>> {
        match self {
            Self::Message { text, .. } | Self::Edit { text, .. } => Some(text),
            Self::Delete { .. }
            | Self::Deleted
            | Self::Joined { .. }
            | Self::Left { .. }
            | Self::Role { .. }
            | Self::Room(_)
            | Self::Notice(_) => None,
        }
    }

    /// The effect of the entry beside standing in the log.
    pub fn effect(&self) -> Effect<'_> {
        match self {
            Self::Edit { target, text } => Effect::Replace {
                target: *target,
                text,
            },
            Self::Delete { target } => Effect::Erase { target: *target },
            Self::Joined { user, role } => Effect::Admit { user, role: *role },
            Self::Left { user, .. } => Effect::Dismiss { user },
            Self::Role { user, role } => Effect::Assign { user, role: *role },
            Self::Room(change) => Effect::Describe { change },
            Self::Message { .. } | Self::Deleted | Self::Notice(_) => Effect::None,
        }
    }

    /// True if asking for this body repeats what `first` was stored for, under the same client id: both are
    /// of one kind, and about the same entry or user. The text may differ; the first one counts.
    pub(crate) fn repeats(&self, first: &Self) -> bool {
        if let (Self::Message { .. } | Self::Edit { .. }, Self::Deleted) = (self, first) {
            // What is left of either does not say which it was.
            return true;
        }
        let (asked, first) = (self.flatten(), first.flatten());
        (asked.kind, asked.target, asked.user) == (first.kind, first.target, first.user)
    }

    /// Whether it changes what other entries say, or may have: an edit, a deletion, and what is left
    /// of either.
    pub fn changes_others(&self) -> bool {
        self.effect().target().is_some() || *self == Self::Deleted
    }

    /// The body as the fields of a row or a document.
    pub fn flatten(&self) -> FlatBody {
        let flat = |kind| FlatBody {
            kind,
            text: None,
            target: None,
            user: None,
            role: None,
            edited_at: None,
        };
        match self {
            Self::Message { text, edited_at } => FlatBody {
                text: Some(Arc::clone(text)),
                edited_at: *edited_at,
                ..flat(EntryKind::Message)
            },
            Self::Edit { target, text } => FlatBody {
                target: Some(*target),
                text: Some(Arc::clone(text)),
                ..flat(EntryKind::Edit)
            },
            Self::Delete { target } => FlatBody {
                target: Some(*target),
                ..flat(EntryKind::Delete)
            },
            Self::Deleted => flat(EntryKind::Deleted),
            Self::Joined { user, role } => FlatBody {
                user: Some(user.clone()),
                role: Some(*role),
                ..flat(EntryKind::Joined)
            },
            Self::Left { user, why } => FlatBody {
                user: Some(user.clone()),
                ..flat(match why {
                    LeftWhy::Left => EntryKind::Left,
                    LeftWhy::Removed => EntryKind::Removed,
                    LeftWhy::Banned => EntryKind::Banned,
                })
            },
            Self::Role { user, role } => FlatBody {
                user: Some(user.clone()),
                role: Some(*role),
                ..flat(EntryKind::Role)
            },
            Self::Room(change) => FlatBody {
                text: Some(json(change)),
                ..flat(EntryKind::Room)
            },
            Self::Notice(notice) => FlatBody {
                text: Some(json(notice)),
                ..flat(EntryKind::Notice)
            },
        }
    }

    /// The body with times in whole microseconds, the precision that every store keeps.
    pub(super) fn in_micros(mut self) -> Self {
        if let Self::Message { edited_at, .. } = &mut self {
            *edited_at = edited_at.map(whole_micros);
        }
        self
    }
}

/// A body as the fields of a row or a document: the form in which stores keep it.
///
/// A kind that needs to say more than its fields hold, such as "on" or "off", is stored under two
/// [kinds](EntryKind).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FlatBody {
    /// The kind, which gives the fields their meaning.
    pub kind: EntryKind,
    /// A text, or the JSON of a change of the room or of a notice.
    pub text: Option<Arc<str>>,
    /// Another entry of the room.
    pub target: Option<Seq>,
    /// A user other than the author.
    pub user: Option<UserId>,
    /// The role of that user.
    pub role: Option<Role>,
    /// When the text was last replaced.
    pub edited_at: Option<DateTime<Utc>>,
}

impl FlatBody {
    /// The body that these fields stand for; `None` when one of them is missing, as in a damaged row.
    pub fn unflatten(self) -> Option<EntryBody> {
        let Self {
            kind,
            text,
            target,
            user,
            role,
            edited_at,
        } = self;
        Some(match kind {
            EntryKind::Message => EntryBody::Message {
                text: text?,
                edited_at,
            },
            EntryKind::Edit => EntryBody::Edit {
                target: target?,
                text: text?,
            },
            EntryKind::Delete => EntryBody::Delete { target: target? },
            EntryKind::Deleted => EntryBody::Deleted,
            EntryKind::Joined => EntryBody::Joined {
                user: user?,
                role: role.unwrap_or_default(),
            },
            EntryKind::Left => EntryBody::Left {
                user: user?,
                why: LeftWhy::Left,
            },
            EntryKind::Removed => EntryBody::Left {
                user: user?,
                why: LeftWhy::Removed,
            },
            EntryKind::Banned => EntryBody::Left {
                user: user?,
                why: LeftWhy::Banned,
            },
            EntryKind::Role => EntryBody::Role {
                user: user?,
                role: role?,
            },
            EntryKind::Room => EntryBody::Room(serde_json::from_str(&text?).ok()?),
            EntryKind::Notice => EntryBody::Notice(serde_json::from_str(&text?).ok()?),
        })
    }
}

/// A value as JSON, to be kept as one text. It always has a JSON; its reader would report what has none.
fn json(value: &impl Serialize) -> Arc<str> {
    serde_json::to_string(value).unwrap_or_default().into()
}

/// Under which number, or name, stores keep a body. Neither ever changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
#[repr(u8)]
pub enum EntryKind {
    /// [`EntryBody::Message`].
    Message = 0,
    /// [`EntryBody::Edit`], the one kind whose effect is [`Effect::Replace`].
    Edit = 1,
    /// [`EntryBody::Delete`].
    Delete = 2,
    /// [`EntryBody::Deleted`], which an [`Effect::Erase`] leaves.
    Deleted = 3,
    /// [`EntryBody::Joined`].
    Joined = 4,
    /// [`EntryBody::Left`].
    Left = 5,
    /// [`EntryBody::Role`].
    Role = 6,
    /// [`EntryBody::Room`].
    Room = 7,
    /// [`EntryBody::Left`], of a member whom somebody else has removed.
    Removed = 8,
    /// [`EntryBody::Left`], of a member who was banned.
    Banned = 9,
    /// [`EntryBody::Notice`].
    Notice = 10,
}

impl EntryKind {
    /// All kinds, in the order of their numbers.
    pub const ALL: &[Self] = &[
        Self::Message,
        Self::Edit,
        Self::Delete,
        Self::Deleted,
        Self::Joined,
        Self::Left,
        Self::Role,
        Self::Room,
        Self::Removed,
        Self::Banned,
        Self::Notice,
    ];

    /// Its number, for stores that keep numbers.
    pub const fn number(self) -> i64 {
        self as i64
    }

    /// Its name, for stores that keep names; also the `kind` of the body in JSON, if it has one.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Message => "message",
            Self::Edit => "edit",
            Self::Delete => "delete",
            Self::Deleted => "deleted",
            Self::Joined => "joined",
            Self::Left => "left",
            Self::Role => "role",
            Self::Room => "room",
            Self::Removed => "removed",
            Self::Banned => "banned",
            Self::Notice => "notice",
        }
    }

    /// The kind with this number; `None` for one that is newer than this code.
    pub fn numbered(number: i64) -> Option<Self> {
        let at = usize::try_from(number).ok()?;
        Self::ALL.get(at).copied()
    }

    /// A body of this kind, which may be appended after a message by the same author, number 1, in a room
    /// with this member.
    #[cfg(any(test, feature = "testing"))]
    pub fn example(self, user: UserId) -> EntryBody {
        let (target, text) = (Seq(1), || Arc::from("an example"));
        match self {
            Self::Message => EntryBody::message(text()),
            Self::Edit => EntryBody::Edit {
                target,
                text: text(),
            },
            Self::Delete => EntryBody::Delete { target },
            Self::Deleted => EntryBody::Deleted,
            Self::Joined => EntryBody::Joined {
                user,
                role: Role::Reader,
            },
            Self::Left | Self::Removed | Self::Banned => EntryBody::Left {
                user,
                why: match self {
                    Self::Removed => LeftWhy::Removed,
                    Self::Banned => LeftWhy::Banned,
                    _ => LeftWhy::Left,
                },
            },
            Self::Role => EntryBody::Role {
                user,
                role: Role::Owner,
            },
            Self::Room => EntryBody::Room(Arc::new(RoomChange {
                name: crate::RoomName::new("an example").ok(),
                ..RoomChange::default()
            })),
            Self::Notice => EntryBody::Notice(Arc::new(Notice {
                text: text(),
                data: serde_json::from_value(serde_json::json!({ "an": "example" }))
                    .unwrap_or_default(),
            })),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn user(name: &str) -> UserId {
        UserId::new(name).unwrap()
    }

    #[test]
    fn every_kind_is_kept_under_its_number_and_its_name() {
        for kind in EntryKind::ALL {
            let body = kind.example(user("bob"));
            let flat = body.flatten();
            assert_eq!(flat.kind, *kind);
            assert_eq!(EntryKind::numbered(kind.number()), Some(*kind));
            assert_eq!(serde_json::to_value(kind).unwrap(), kind.name());
            assert_eq!(flat.unflatten(), Some(body));
        }
        let next = EntryKind::ALL.len();
        assert_eq!(EntryKind::numbered(next.try_into().unwrap()), None);
        assert_eq!(EntryKind::numbered(-1), None);
    }

    #[test]
    fn numbers_and_names_of_kinds_stay() {
        let names: Vec<_> = EntryKind::ALL.iter().map(|kind| kind.name()).collect();
        let first = [
            "message", "edit", "delete", "deleted", "joined", "left", "role", "room", "removed",
            "banned", "notice",
        ];
        assert_eq!(names[..first.len()], first);
    }

    #[test]
    fn a_body_is_repeated_by_one_of_its_kind_about_the_same() {
        let edit = |target| EntryBody::Edit {
            target: Seq(target),
            text: "new".into(),
        };
        let delete = EntryBody::Delete { target: Seq(1) };
        let message = |text: &str| EntryBody::message(text);
        for (asked, first, same) in [
            (message("a"), message("b"), true),
            (message("a"), EntryBody::Deleted, true),
            (edit(1), EntryBody::Deleted, true),
            (delete.clone(), EntryBody::Deleted, false),
            (edit(1), edit(1), true),
            (edit(1), edit(2), false),
            (edit(1), message("a"), false),
            (delete.clone(), edit(1), false),
            (delete.clone(), delete, true),
        ] {
            assert_eq!(asked.repeats(&first), same, "{asked:?} {first:?}");
        }
        let mut kinds = EntryKind::ALL
            .iter()
            .filter(|kind| **kind != EntryKind::Deleted);
        assert!(kinds.all(|kind| {
            let body = |name| kind.example(user(name));
            let about_a_user = body("bob") != body("carol");
            body("bob").repeats(&body("bob")) && about_a_user != body("bob").repeats(&body("carol"))
        }));
    }

    #[test]
    fn a_flat_body_that_lacks_a_field_is_none() {
        for kind in EntryKind::ALL {
            let whole = kind.example(user("bob")).flatten();
            let nothing = FlatBody {
                text: None,
                target: None,
                user: None,
                role: None,
                ..whole.clone()
            };
            let needs_nothing = nothing == whole;
            assert_eq!(nothing.unflatten().is_some(), needs_nothing, "{kind:?}");
        }
    }
}
