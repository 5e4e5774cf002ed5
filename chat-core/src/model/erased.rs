//! The remains of an entry once a user is erased.

use super::{ClientMessageId, Entry, EntryBody, UserId};

impl Entry {
    /// True if a user wrote it, or it is about them.
    pub(crate) fn is_about(&self, user: &UserId) -> bool {
        self.author == *user || self.body.flatten().user.as_ref() == Some(user)
    }

    /// The entry without a user, who is called `name` in it from now on: nothing is left of what they wrote, nor
    /// of their client ids.
    ///
    /// It keeps its number, its id and its time. Entries that changed the room or its members stay what they
    /// are.
    #[must_use]
    pub fn without(&self, user: &UserId, name: &UserId) -> Self {
        let mut entry = self.clone();
        if entry.author == *user {
            entry.author = name.clone();
            if let Ok(id) = ClientMessageId::new(self.id.0.simple().to_string()) {
                entry.client_id = id;
            }
            if let EntryBody::Message { .. } | EntryBody::Edit { .. } = entry.body {
                entry.body = EntryBody::Deleted;
            }
        }
        if let EntryBody::Joined { user: about, .. }
        | EntryBody::Left { user: about, .. }
        | EntryBody::Role { user: about, .. } = &mut entry.body
            && about == user
        {
            *about = name.clone();
        }
        entry
    }
}
