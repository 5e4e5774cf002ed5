//! What an entry does to those before it: the rules of editing and deleting, stated once.
//!
//! A store that has entries in memory uses [`Effect::change`]; one that has them in rows reads the
//! target, asks [`Effect::on`], and writes what it says.

use std::sync::Arc;

use chrono::{DateTime, Utc};

use crate::model::{Effect, Entry, EntryBody, UserId};

impl Effect<'_> {
    /// What `earlier`, an entry of the same room, says once an entry by `author`, made at `at`, has
    /// had this effect. `None` if it stays as it is.
    ///
    /// This is the one place that says what becomes of what is edited and deleted;
    /// [`NewEntry::reaches`](crate::NewEntry::reaches) says who may.
    /// [`Replace`](Self::Replace) changes its target alone; [`Erase`](Self::Erase) also changes the
    /// entries that [replace](Self::Replace) the same target.
    pub fn on(self, earlier: &Entry, author: &UserId, at: DateTime<Utc>) -> Option<EntryBody> {
        let is_message = || matches!(earlier.body, EntryBody::Message { .. });
        match self {
            Self::Replace { target, text } => {
                let own = earlier.seq == target && earlier.author == *author;
                (own && is_message()).then(|| EntryBody::Message {
                    text: Arc::clone(text),
                    edited_at: Some(at),
                })
            }
            Self::Erase { target } => {
                let replaces = matches!(
                    earlier.body.effect(),
                    Effect::Replace { target: replaced, .. } if replaced == target
                );
                let erased = replaces || earlier.seq == target && is_message();
                erased.then_some(EntryBody::Deleted)
            }
            Self::None
            | Self::Admit { .. }
            | Self::Assign { .. }
            | Self::Dismiss { .. }
            | Self::Describe { .. } => None,
        }
    }

    /// Carries out what it [changes](Self::on) in entries of the room that are held in memory: those
    /// from its target on, in ascending order. `false`, and nothing is changed, when the first one is
    /// no target for it.
    pub fn change<'e>(
        self,
        author: &UserId,
        at: DateTime<Utc>,
        from_target: impl IntoIterator<Item = &'e mut Arc<Entry>>,
    ) -> bool {
        let mut entries = from_target.into_iter();
        let Some((target, body)) = entries
            .next()
            .and_then(|target| self.on(target, author, at).map(|body| (target, body)))
        else {
            return false;
        };
        Arc::make_mut(target).body = body;
        if let Self::Erase { .. } = self {
            for entry in entries {
                if let Some(body) = self.on(entry, author, at) {
                    Arc::make_mut(entry).body = body;
                }
            }
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;
    use crate::model::{ClientMessageId, MessageId, RoomId, Seq};

    fn user(name: &str) -> UserId {
        UserId::new(name).unwrap()
    }

    fn entry(seq: u64, author: &str, body: EntryBody) -> Entry {
        Entry {
            room: RoomId::group("team").unwrap(),
            seq: Seq(seq),
            id: MessageId(Uuid::nil()),
            author: user(author),
            client_id: ClientMessageId::new("c").unwrap(),
            at: DateTime::UNIX_EPOCH,
            body,
        }
    }

    fn edit(target: u64) -> EntryBody {
        let (target, text) = (Seq(target), "new".into());
        EntryBody::Edit { target, text }
    }

    #[test]
    fn an_edit_changes_its_target_and_only_a_message_of_the_same_author() {
        let (edit, at) = (edit(7), DateTime::UNIX_EPOCH);
        let alice = user("alice");
        let on = |earlier: &Entry| edit.effect().on(earlier, &alice, at);
        let message = || EntryBody::message("old");
        let new = EntryBody::Message {
            text: "new".into(),
            edited_at: Some(at),
        };
        assert_eq!(on(&entry(7, "alice", message())), Some(new));
        assert_eq!(on(&entry(8, "alice", message())), None);
        assert_eq!(on(&entry(7, "bob", message())), None);
        assert_eq!(on(&entry(7, "alice", EntryBody::Deleted)), None);
        assert_eq!(on(&entry(7, "alice", self::edit(7))), None);
    }

    #[test]
    fn a_deletion_erases_its_target_whoever_wrote_it_and_the_edits_of_it() {
        let (delete, at) = (EntryBody::Delete { target: Seq(7) }, DateTime::UNIX_EPOCH);
        let alice = user("alice");
        let on = |earlier: &Entry| delete.effect().on(earlier, &alice, at);
        let message = || EntryBody::message("old");
        let erased = Some(EntryBody::Deleted);
        assert_eq!(on(&entry(7, "alice", message())), erased);
        assert_eq!(on(&entry(9, "alice", edit(7))), erased);
        assert_eq!(on(&entry(8, "alice", message())), None);
        assert_eq!(on(&entry(9, "alice", edit(8))), None);
        assert_eq!(on(&entry(7, "bob", message())), erased, "by a moderator");
        assert_eq!(on(&entry(7, "alice", EntryBody::Deleted)), None);
    }
}
