//! Rights in a group or channel: what its roles and settings allow, decided just before an entry gets its
//! number.
//!
//! Stores ask [`NewEntry::is_allowed`] in the step that stores the entry, so that an author who has
//! lost the right before it stores nothing, however long the entry was on its way.

use super::{Effect, Entry, EntryBody, NewEntry, OpenTo, Role, Room, RoomKind, UserId};

impl NewEntry {
    /// True if the answer of [`is_allowed`](Self::is_allowed) depends on roles and settings; if not, that
    /// answer is `true`.
    pub fn asks_roles(&self) -> bool {
        let required = self.require.is_some() && !self.room.is_direct();
        required || self.body.effect().membership().is_some()
    }

    /// Whether it may change this entry, its target, as far as that depends on who wrote the target: edits
    /// are for one's own messages, and whether others' may be deleted is a question of roles.
    pub fn reaches(&self, target: &Entry) -> bool {
        let erases = matches!(self.body.effect(), Effect::Erase { .. });
        target.author == self.author || erases && self.asks_roles()
    }

    /// True if it would give its room more members than it [may](Self::max_members) have. `room` is the room
    /// just before its number, and `was_member` tells whether the user whose membership changes is a member.
    pub fn overfills(&self, room: &Room, was_member: bool) -> bool {
        let admits = matches!(self.body.effect(), Effect::Admit { .. });
        let full = self.max_members.is_some_and(|max| room.members >= max);
        admits && full && !was_member
    }

    /// True if the roles and the settings of the room just before its number allow it.
    ///
    /// `room` is the room as it is then, `role` gives the role of a user, `None` for one who is no member, and
    /// `owns_beside` whether the group has an owner beside a user. Both are asked only where the answer counts.
    ///
    /// - The author has at least the role that the entry [requires](Self::require), and is a moderator where
    ///   the settings say so.
    /// - An archived room takes nothing but the end of a membership and being opened again.
    /// - Anybody may come into a channel, as a member.
    /// - Moderators and owners change the membership of those below them only, and give no more than they
    ///   may: owners any role, all others at most [`Role::Member`]. Members let others in; a user who is a
    ///   member already can't join.
    /// - Anybody may leave, or take a lower role, but the last owner, who may leave when nobody else is there.
    /// - Moderators delete any message but those of owners; owners delete any.
    ///
    /// This holds for an entry that requires nothing, too:
    ///
    /// - Only a member can be given a role.
    /// - Nobody comes in by themselves as a member already, or into an archived room.
    /// - A room with an owner keeps one until its last member leaves.
    ///
    /// # Errors
    ///
    /// Those of `role` and `owns_beside`.
    pub fn is_allowed<E>(
        &self,
        room: &Room,
        target: Option<&Entry>,
        mut role: impl FnMut(&UserId) -> Result<Option<Role>, E>,
        owns_beside: impl FnOnce(&UserId) -> Result<bool, E>,
    ) -> Result<bool, E> {
        if !self.asks_roles() {
            return Ok(true);
        }
        if !self.is_possible(room, &mut role, owns_beside)? {
            return Ok(false);
        }
        let Some(require) = self.require else {
            return Ok(true);
        };
        if room.details.archived && !self.is_for_an_archive() {
            return Ok(false);
        }
        let effect = self.body.effect();
        if let Effect::Admit { user, role: given } = effect
            && *user == self.author
        {
            return Ok(room.kind == RoomKind::Channel && given <= Role::Member);
        }
        let least = require.max(self.least_by_settings(room));
        let Some(author) = role(&self.author)?.filter(|author| *author >= least) else {
            return Ok(false);
        };
        if let (Effect::Erase { .. }, Some(target)) = (effect, target)
            && target.author != self.author
            && matches!(target.body, EntryBody::Message { .. })
        {
            return Ok(match author {
                Role::Owner => true,
                Role::Moderator => role(&target.author)? != Some(Role::Owner),
                Role::Member | Role::Reader => false,
            });
        }
        let Some((user, after)) = effect.membership() else {
            return Ok(true);
        };
        let before = role(user)?;
        if *user == self.author {
            return Ok(after <= before);
        }
        let admits = matches!(effect, Effect::Admit { .. });
        let fits = !admits || before.is_none();
        let keeps_order = author >= Role::Moderator || admits;
        Ok(fits && keeps_order && before < Some(author) && after <= Some(author.gives_up_to()))
    }

    /// True if a change of a membership is possible, with whatever right.
    fn is_possible<E>(
        &self,
        room: &Room,
        mut role: impl FnMut(&UserId) -> Result<Option<Role>, E>,
        owns_beside: impl FnOnce(&UserId) -> Result<bool, E>,
    ) -> Result<bool, E> {
        let effect = self.body.effect();
        let Some((user, after)) = effect.membership() else {
            return Ok(true);
        };
        let before = role(user)?;
        let fits = match effect {
            Effect::Admit { .. } if *user == self.author => {
                before.is_none() && !room.details.archived
            }
            Effect::Assign { .. } => before.is_some(),
            _ => true,
        };
        let steps_down = before == Some(Role::Owner) && after != before;
        let is_last = after.is_none() && room.members <= 1;
        Ok(fits && (!steps_down || is_last || owns_beside(user)?))
    }

    /// True if even an archived room takes it.
    fn is_for_an_archive(&self) -> bool {
        match self.body.effect() {
            Effect::Dismiss { .. } => true,
            Effect::Describe { change } => change.archived == Some(false),
            _ => false,
        }
    }

    /// The least role that the settings of the room ask for.
    fn least_by_settings(&self, room: &Room) -> Role {
        let settings = room.details.settings.unwrap_or_default();
        let open_to = match (&self.body, self.body.effect()) {
            (_, Effect::Admit { .. }) => settings.add,
            (EntryBody::Message { .. } | EntryBody::Edit { .. }, _) => settings.post,
            _ => OpenTo::Everyone,
        };
        match open_to {
            OpenTo::Everyone => Role::Reader,
            OpenTo::Moderators => Role::Moderator,
        }
    }
}

impl Role {
    /// The highest role that a member with this one may give to others.
    pub(crate) const fn gives_up_to(self) -> Self {
        match self {
            Self::Owner => Self::Owner,
            Self::Moderator | Self::Member | Self::Reader => Self::Member,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{convert::Infallible, sync::Arc};

    use chrono::DateTime;
    use uuid::Uuid;

    use super::*;
    use crate::model::{
        ClientMessageId, Details, Epoch, LeftWhy, MessageId, RoomChange, RoomId, Seq, Settings,
    };

    fn room(kind: RoomKind, settings: Settings) -> Room {
        Room {
            id: RoomId::group("team").unwrap(),
            kind,
            epoch: Epoch(Uuid::nil()),
            head: Seq::ZERO,
            created_at: DateTime::UNIX_EPOCH,
            created_by: None,
            details: Details {
                settings: Some(settings),
                ..Details::default()
            },
            members: 4,
        }
    }

    /// True if `author` may have a body in a room of an owner, a moderator, a member and a reader, each named
    /// as the role.
    fn allowed_in(room: &Room, author: &str, require: Role, body: EntryBody) -> bool {
        let user = |name: &str| UserId::new(name).unwrap();
        let entry = NewEntry {
            room: room.id.clone(),
            id: MessageId(Uuid::nil()),
            author: user(author),
            client_id: ClientMessageId::new("c").unwrap(),
            at: DateTime::UNIX_EPOCH,
            body,
            require: Some(require),
            max_members: None,
        };
        let role = |user: &UserId| Ok::<_, Infallible>(Role::from_name(user.as_str()));
        entry.is_allowed(room, None, role, |_| Ok(false)).unwrap()
    }

    fn allowed(author: &str, require: Role, body: EntryBody) -> bool {
        let room = room(RoomKind::Group, Settings::default());
        allowed_in(&room, author, require, body)
    }

    #[test]
    fn nobody_changes_an_equal_or_gives_more_than_allowed() {
        let user = |name: &str| UserId::new(name).unwrap();
        let names = ["reader", "member", "moderator", "owner"];
        for author in names {
            for about in names.into_iter().filter(|about| *about != author) {
                for given in Role::ALL {
                    let (of_author, of_about) = (Role::from_name(author), Role::from_name(about));
                    let user = user(about);
                    let body = EntryBody::Role { user, role: given };
                    let may = of_author >= Some(Role::Moderator)
                        && of_about < of_author
                        && (of_author == Some(Role::Owner) || given <= Role::Member);
                    let found = allowed(author, Role::Moderator, body);
                    assert_eq!(found, may, "{author} makes {about} {given:?}");
                }
            }
        }
    }

    fn joined(name: &str, role: Role) -> EntryBody {
        let user = UserId::new(name).unwrap();
        EntryBody::Joined { user, role }
    }

    fn left(name: &str) -> EntryBody {
        let (user, why) = (UserId::new(name).unwrap(), LeftWhy::Left);
        EntryBody::Left { user, why }
    }

    #[test]
    fn a_member_lets_strangers_in_and_changes_no_member() {
        let joins = |author, name: &str, role| allowed(author, Role::Member, joined(name, role));
        assert!(joins("member", "stranger", Role::Member));
        assert!(joins("owner", "stranger", Role::Owner));
        assert!(!joins("member", "stranger", Role::Moderator));
        assert!(!joins("moderator", "stranger", Role::Moderator));
        assert!(!joins("reader", "stranger", Role::Reader));
        assert!(!joins("stranger", "stranger", Role::Member));
        assert!(!joins("owner", "reader", Role::Member));
    }

    #[test]
    fn a_stranger_comes_into_a_channel_and_into_nothing_else() {
        let join = |kind, role| {
            let room = room(kind, Settings::default());
            allowed_in(&room, "stranger", Role::Reader, joined("stranger", role))
        };
        assert!(join(RoomKind::Channel, Role::Member));
        assert!(!join(RoomKind::Channel, Role::Moderator));
        assert!(!join(RoomKind::Group, Role::Member));
    }

    #[test]
    fn settings_leave_messages_and_additions_to_moderators() {
        let moderated = Settings {
            post: OpenTo::Moderators,
            add: OpenTo::Moderators,
            ..Settings::default()
        };
        let room = room(RoomKind::Group, moderated);
        for (name, may) in [("member", false), ("moderator", true), ("owner", true)] {
            let message = EntryBody::message("hello");
            assert_eq!(
                allowed_in(&room, name, Role::Member, message),
                may,
                "{name}"
            );
            let joined = joined("stranger", Role::Member);
            assert_eq!(allowed_in(&room, name, Role::Member, joined), may, "{name}");
        }
        assert!(allowed_in(&room, "member", Role::Reader, left("member")));
    }

    #[test]
    fn an_archived_room_takes_farewells_and_its_opening() {
        let mut room = room(RoomKind::Group, Settings::default());
        room.details.archived = true;
        let change = |archived| {
            EntryBody::Room(Arc::new(RoomChange {
                archived: Some(archived),
                ..RoomChange::default()
            }))
        };
        let may = |body| allowed_in(&room, "owner", Role::Owner, body);
        assert!(may(change(false)) && may(left("member")));
        assert!(!may(change(true)) && !may(EntryBody::message("hello")));
        assert!(!may(joined("stranger", Role::Member)));
    }

    #[test]
    fn the_last_owner_leaves_only_an_empty_room() {
        let mut room = room(RoomKind::Group, Settings::default());
        assert!(!allowed_in(&room, "owner", Role::Reader, left("owner")));
        room.members = 1;
        assert!(allowed_in(&room, "owner", Role::Reader, left("owner")));
    }
}
