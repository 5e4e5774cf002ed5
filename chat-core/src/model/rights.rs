//! Rights in a group: what its roles allow, decided just before an entry gets its number.
//!
//! Stores ask [`NewEntry::is_allowed`] in the step that stores the entry, so that an author who has
//! lost the right before it stores nothing, however long the entry was on its way.

use super::{Effect, Entry, EntryBody, NewEntry, Role, RoomKind, UserId};

impl NewEntry {
    /// Whether the answer of [`is_allowed`](Self::is_allowed) depends on roles; if not, it is `true`.
    pub fn asks_roles(&self) -> bool {
        let required = self.require.is_some() && self.room.kind() == RoomKind::Group;
        required || matches!(self.body.effect(), Effect::Assign { .. })
    }

    /// Whether it may change this entry, its target, as far as that depends on who wrote the target: edits
    /// are for one's own messages, and whether others' may be deleted is a question of roles.
    pub fn reaches(&self, target: &Entry) -> bool {
        let erases = matches!(self.body.effect(), Effect::Erase { .. });
        target.author == self.author || erases && self.asks_roles()
    }

    /// Whether the roles in the room just before its number allow it.
    ///
    /// `role` gives the role of a user, `None` for one who is no member, and `owns_beside` whether the group
    /// has an owner beside a user. Both are asked only where the answer counts.
    ///
    /// - The author has at least the role that the entry [requires](Self::require).
    /// - Moderators and owners change the membership of those below them only, and give no more than they
    ///   may: owners any role, all others at most [`Role::Member`]. Members let others in; a user who is a
    ///   member already can't join.
    /// - Anybody may leave, or take a lower role, but the last owner.
    /// - Moderators delete any message but those of owners; owners delete any.
    /// - Only a member can be given a role. This holds for an entry that requires nothing, too.
    ///
    /// # Errors
    ///
    /// Those of `role` and `owns_beside`.
    pub fn is_allowed<E>(
        &self,
        target: Option<&Entry>,
        mut role: impl FnMut(&UserId) -> Result<Option<Role>, E>,
        owns_beside: impl FnOnce(&UserId) -> Result<bool, E>,
    ) -> Result<bool, E> {
        if !self.asks_roles() {
            return Ok(true);
        }
        let effect = self.body.effect();
        let Some(require) = self.require else {
            // Then it is a role that is given.
            return match effect.membership() {
                Some((user, _)) => Ok(role(user)?.is_some()),
                None => Ok(true),
            };
        };
        let Some(author) = role(&self.author)?.filter(|author| *author >= require) else {
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
        let fits = match effect {
            Effect::Admit { .. } => before.is_none(),
            Effect::Assign { .. } => before.is_some(),
            _ => true,
        };
        let keeps_order = author >= Role::Moderator || matches!(effect, Effect::Admit { .. });
        if *user == self.author {
            let steps_down = before == Some(Role::Owner) && after != before;
            return Ok(fits && after <= before && (!steps_down || owns_beside(user)?));
        }
        Ok(fits && keeps_order && before < Some(author) && after <= Some(author.gives_up_to()))
    }
}

impl Role {
    /// The highest role that a member with this one may give to others.
    const fn gives_up_to(self) -> Self {
        match self {
            Self::Owner => Self::Owner,
            Self::Moderator | Self::Member | Self::Reader => Self::Member,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use chrono::DateTime;
    use uuid::Uuid;

    use super::*;
    use crate::model::{ClientMessageId, MessageId, RoomId};

    /// Whether `author` may have a body in a group of an owner, a moderator, a member and a reader, each
    /// named as the role.
    fn allowed(author: &str, require: Role, body: EntryBody) -> bool {
        let user = |name: &str| UserId::new(name).unwrap();
        let entry = NewEntry {
            room: RoomId::group("team").unwrap(),
            id: MessageId(Uuid::nil()),
            author: user(author),
            client_id: ClientMessageId::new("c").unwrap(),
            at: DateTime::UNIX_EPOCH,
            body,
            require: Some(require),
        };
        let role = |user: &UserId| Ok::<_, Infallible>(Role::from_name(user.as_str()));
        entry.is_allowed(None, role, |_| Ok(false)).unwrap()
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

    #[test]
    fn a_member_lets_strangers_in_and_changes_no_member() {
        let joins = |author, name: &str, role| {
            let user = UserId::new(name).unwrap();
            allowed(author, Role::Member, EntryBody::Joined { user, role })
        };
        assert!(joins("member", "stranger", Role::Member));
        assert!(joins("owner", "stranger", Role::Owner));
        assert!(!joins("member", "stranger", Role::Moderator));
        assert!(!joins("moderator", "stranger", Role::Moderator));
        assert!(!joins("reader", "stranger", Role::Reader));
        assert!(!joins("stranger", "stranger", Role::Member));
        assert!(!joins("owner", "reader", Role::Member));
    }
}
