//! The conformance suite catches stores that are broken in deleting rooms and erasing users: each by the case that
//! states what it breaks.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use chat_core::{
    Entry, Epoch, RoomId, Seq, UserId,
    memory::MemoryStore,
    port::{BackendError, ErasureStore, PolicyStore, RoomStore, Store},
    testing::{
        Faulty, Hooks,
        store::{CASES, StoreHarness},
    },
};

use chrono::{DateTime, Utc};

use self::Fault::*;

macro_rules! faults {
    ($($fault:ident: $case:literal,)+) => {
        #[derive(Debug, Clone, Copy, PartialEq)]
        enum Fault {
            $($fault,)+
        }

        const CAUGHT: &[(Fault, &str)] = &[$((Fault::$fault, $case),)+];
    };
}

faults! {
    RoomsAreOnlyEmptied: "a_deleted_room_is_gone_and_can_be_made_anew",
    AnyEpochIsDeleted: "a_deleted_room_is_gone_and_can_be_made_anew",
    DeletingIsAlwaysNew: "a_deleted_room_is_gone_and_can_be_made_anew",
    FormerRoomsAreForgotten: "rooms_about_a_user_hold_something_of_them",
    RoomsAboutHaveNoPages: "rooms_about_a_user_hold_something_of_them",
    RoomsAboutExceedTheLimit: "rooms_about_a_user_hold_something_of_them",
    EntriesAreThoseByTheUser: "entries_about_a_user_come_in_ascending_order",
    EntriesBeginWithAfter: "entries_about_a_user_come_in_ascending_order",
    EntriesExceedTheLimit: "entries_about_a_user_come_in_ascending_order",
    ErasingDoesNothing: "an_erased_user_is_gone_from_a_room_and_no_number_is_missing",
    ErasingIsForAllRooms: "an_erased_user_is_gone_from_a_room_and_no_number_is_missing",
    ErasingDeletesTheRoom: "an_erased_user_is_gone_from_a_room_and_no_number_is_missing",
    UsersStayInDecisions: "an_erased_user_is_gone_from_looks_blocks_and_decisions",
    InForceIsForgotten: "old_decisions_are_forgotten_unless_in_force",
    OldIsKept: "old_decisions_are_forgotten_unless_in_force",
    LiftsAreForgotten: "old_decisions_are_forgotten_unless_in_force",
    UsersAreCalledOtherwise: "an_erased_user_is_gone_from_looks_blocks_and_decisions",
}

#[derive(Debug)]
struct Broken {
    fault: Fault,
    inner: MemoryStore,
}

#[async_trait]
impl Hooks for Broken {
    async fn delete_room(
        &self,
        _: &dyn ErasureStore,
        room: &RoomId,
        epoch: Epoch,
    ) -> Result<bool, BackendError> {
        let stored = self.inner.room(room).await?.map(|room| room.epoch);
        match self.fault {
            RoomsAreOnlyEmptied => Ok(stored == Some(epoch)),
            AnyEpochIsDeleted => self.inner.delete_room(room, stored.unwrap_or(epoch)).await,
            DeletingIsAlwaysNew => {
                self.inner.delete_room(room, epoch).await?;
                Ok(stored.is_none_or(|stored| stored == epoch))
            }
            _ => self.inner.delete_room(room, epoch).await,
        }
    }

    async fn forget_decisions(
        &self,
        _: &dyn PolicyStore,
        before: DateTime<Utc>,
        now: DateTime<Utc>,
    ) -> Result<(), BackendError> {
        let later = DateTime::<Utc>::MAX_UTC;
        match self.fault {
            OldIsKept => Ok(()),
            // As if everything had ended.
            InForceIsForgotten => self.inner.forget_decisions(before, later).await,
            // As if what is lifted were as old as its lift.
            LiftsAreForgotten => {
                let longer = before + Duration::from_millis(11);
                self.inner.forget_decisions(longer, now).await
            }
            _ => self.inner.forget_decisions(before, now).await,
        }
    }

    async fn rooms_about(
        &self,
        _: &dyn ErasureStore,
        user: &UserId,
        after: Option<&RoomId>,
        limit: usize,
    ) -> Result<Vec<RoomId>, BackendError> {
        match self.fault {
            FormerRoomsAreForgotten => {
                let rooms = self.inner.rooms_of(user, after, limit).await?;
                Ok(rooms.into_iter().map(|listed| listed.room.id).collect())
            }
            RoomsAboutHaveNoPages => self.inner.rooms_about(user, None, limit).await,
            RoomsAboutExceedTheLimit => self.inner.rooms_about(user, after, limit + 1).await,
            _ => self.inner.rooms_about(user, after, limit).await,
        }
    }

    async fn entries_about(
        &self,
        _: &dyn ErasureStore,
        room: &RoomId,
        user: &UserId,
        after: Seq,
        limit: usize,
    ) -> Result<Vec<Arc<Entry>>, BackendError> {
        let (after, limit) = match self.fault {
            EntriesBeginWithAfter => (Seq(after.0.saturating_sub(1)), limit),
            EntriesExceedTheLimit => (after, limit + 1),
            _ => (after, limit),
        };
        let mut found = self.inner.entries_about(room, user, after, limit).await?;
        if self.fault == EntriesAreThoseByTheUser {
            found.retain(|entry| entry.author == *user);
        }
        Ok(found)
    }

    async fn erase_in(
        &self,
        _: &dyn ErasureStore,
        room: &RoomId,
        user: &UserId,
        name: &UserId,
    ) -> Result<(), BackendError> {
        match self.fault {
            ErasingDoesNothing => Ok(()),
            ErasingIsForAllRooms => {
                for room in self.inner.rooms_about(user, None, usize::MAX).await? {
                    self.inner.erase_in(&room, user, name).await?;
                }
                Ok(())
            }
            ErasingDeletesTheRoom => {
                if let Some(found) = self.inner.room(room).await? {
                    self.inner.delete_room(room, found.epoch).await?;
                }
                Ok(())
            }
            _ => self.inner.erase_in(room, user, name).await,
        }
    }

    async fn erase_user(
        &self,
        _: &dyn ErasureStore,
        user: &UserId,
        name: &UserId,
    ) -> Result<(), BackendError> {
        match self.fault {
            UsersStayInDecisions => Ok(()),
            UsersAreCalledOtherwise => {
                let other = UserId::new("somebody").unwrap();
                self.inner.erase_user(user, &other).await
            }
            _ => self.inner.erase_user(user, name).await,
        }
    }
}

struct Harness(Arc<Faulty<MemoryStore, Broken>>);

#[async_trait]
impl StoreHarness for Harness {
    fn store(&self) -> Arc<dyn Store> {
        Arc::<Faulty<_, _>>::clone(&self.0)
    }

    async fn reopen(&self) -> bool {
        false
    }
}

#[tokio::test]
async fn every_store_with_broken_erasure_is_caught_by_the_case_of_its_sentence() {
    let mut escaped = Vec::new();
    for (fault, case) in CAUGHT {
        let inner = MemoryStore::default();
        let broken = Broken {
            fault: *fault,
            inner: inner.clone(),
        };
        let harness = Harness(Arc::new(Faulty::new(inner).hooked(Arc::new(broken))));
        match CASES.run(case, &harness).await {
            Err(text) if !text.starts_with("no end") => {}
            other => escaped.push((fault, case, other)),
        }
    }
    assert!(escaped.is_empty(), "not caught: {escaped:#?}");
}
