//! Faults of memberships: owners that are not kept, and members who come in once more.

use chat_core::{EntryBody, MessageId, NewEntry, Role, UserId, port::LogStore};
use uuid::Uuid;

use super::BrokenStore;
use crate::catches_store::Fault::{LastOwnerLeaves, MembersComeInAgain, OwnersAreNotKept};

impl BrokenStore {
    /// Has the store in memory take what it would refuse.
    pub(super) async fn spoil_membership(&self, new: &mut NewEntry) {
        match (self.fault, &new.body) {
            (LastOwnerLeaves, EntryBody::Left { user, .. }) if *user == new.author => {
                self.let_in_an_owner(new).await;
            }
            (OwnersAreNotKept, EntryBody::Role { .. }) => self.let_in_an_owner(new).await,
            (MembersComeInAgain, EntryBody::Joined { user, .. }) if *user == new.author => {
                new.author = UserId::new("host").unwrap();
            }
            _ => {}
        }
    }

    /// Gives the room another owner, so that the last one may go.
    async fn let_in_an_owner(&self, before: &NewEntry) {
        let client_id = self.fresh_client_id();
        let id = self.notes().counter;
        let ghost = NewEntry {
            id: MessageId(Uuid::from_u128(id.into())),
            client_id,
            body: EntryBody::Joined {
                user: UserId::new("ghost").unwrap(),
                role: Role::Owner,
            },
            require: None,
            ..before.clone()
        };
        drop(self.inner.append(vec![ghost]).await);
    }
}
