//! Receipts: a member says how far a room has been received or read, and the others learn it.

use super::{Actor, Shared, relay, rooms::IfAbsent, rooms::LiveRoom};
use crate::{
    error::Error,
    event::Event,
    frame::Frame,
    ids::{RoomId, UserId},
    log::Seq,
    port::{BackendError, Change, Hint},
    receipt::{Mark, Watermarks},
};

impl Actor {
    /// States that everything up to and including `upto` has been received, or read; gives the
    /// user's watermarks as they stand then.
    ///
    /// # Errors
    ///
    /// [`Error::NoRoom`], or a backend's failure.
    pub async fn receipt(&self, room: &RoomId, mark: Mark, upto: Seq) -> Result<Watermarks, Error> {
        let shared = &self.engine.shared;
        let live = shared.enter(&self.user, room, IfAbsent::Refuse).await?;
        let change = shared.store.advance(room, &self.user, mark, upto).await;
        match shared.stored(change)? {
            Change::Unchanged(now) => {
                // It may have been stored by a node that died before it told anybody.
                let told = live.told().get(&self.user).copied();
                if told.is_none_or(|told| ahead(now, told)) {
                    shared.tell_receipt_everywhere(&live, &self.user, told.unwrap_or(now), now);
                }
                Ok(now)
            }
            Change::Moved { from, to } => {
                shared.tell_receipt_everywhere(&live, &self.user, from, to);
                Ok(to)
            }
        }
    }
}

/// Whether there is anything to tell who was told `told`.
fn ahead(now: Watermarks, told: Watermarks) -> bool {
    now.delivered > told.delivered || now.read > told.read
}

impl LiveRoom {
    /// How far a member was last said to have got, or what the room held before this node used it.
    fn told_of(&self, user: &UserId) -> Watermarks {
        let start = Watermarks {
            delivered: self.since,
            read: self.since,
        };
        self.told().get(user).copied().unwrap_or(start)
    }
}

impl Shared {
    fn tell_receipt_everywhere(
        &self,
        room: &LiveRoom,
        user: &UserId,
        was: Watermarks,
        now: Watermarks,
    ) {
        let was = was.meet(now);
        self.tell_receipt(room, user, was, now);
        let hint = Hint::Receipt {
            room: room.id.clone(),
            user: user.clone(),
            was,
        };
        relay::tell(self, room, &hint);
    }

    /// Tells the members how far one has got; at least as far as they were told before, for of two
    /// receipts that were stored one after the other the second may get here first.
    pub(crate) fn tell_receipt(
        &self,
        room: &LiveRoom,
        user: &UserId,
        was: Watermarks,
        now: Watermarks,
    ) {
        let mut told = room.told();
        let last = told.entry(user.clone()).or_default();
        let now = now.join(*last);
        *last = now;
        let event = Event::Receipt {
            room: room.id.clone(),
            user: user.clone(),
            was,
            now,
        };
        let frame = Frame::from(event);
        for member in &*room.members() {
            self.hub.each(member, |link| link.send(frame.clone()));
        }
    }
}

impl Shared {
    /// Tells what may have been missed of the receipts for entries that were sent to sessions of
    /// this node.
    pub(crate) async fn tell_receipts_again(&self) -> Result<(), BackendError> {
        /// Of a larger room, the first members.
        const MEMBERS: usize = 200;
        for room in self.rooms.all() {
            let members = room.members();
            if room.published() == room.since || !members.iter().any(|it| self.hub.has(it)) {
                continue;
            }
            let all = members
                .iter()
                .map(|user| (user.clone(), room.told_of(user)));
            let behind = all.filter(|(_, told)| told.read < room.published());
            let (behind, told): (Vec<UserId>, Vec<Watermarks>) = behind.take(MEMBERS).unzip();
            let now = self.stored(self.store.watermarks(&room.id, &behind).await)?;
            for ((user, was), now) in behind.iter().zip(told).zip(now) {
                if ahead(now, was) {
                    self.tell_receipt(&room, user, was.meet(now), now);
                }
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use crate::{ChatEngine, Event, Seq, UserId, Watermarks, engine::rooms::IfAbsent};

    #[tokio::test]
    async fn what_is_told_of_a_member_never_goes_back() {
        let engine = ChatEngine::builder().build().unwrap();
        let (alice, bob) = (UserId::new("alice").unwrap(), UserId::new("bob").unwrap());
        let watching = engine.connect(alice.clone()).await.unwrap();
        let id = watching.open(&bob).await.unwrap().room.id;
        let shared = &engine.shared;
        let room = shared.enter(&alice, &id, IfAbsent::Refuse).await.unwrap();
        let at = |seq| Watermarks {
            delivered: Seq(seq),
            read: Seq(seq),
        };
        // Two of bob's devices; the receipt that was stored second is told first.
        shared.tell_receipt(&room, &bob, at(5), at(6));
        shared.tell_receipt(&room, &bob, at(0), at(5));
        let mut told = Vec::new();
        while told.len() < 2 {
            if let Some(Event::Receipt { was, now, .. }) = watching.next_event().await {
                told.push((was, now));
            }
        }
        // Nothing between the first and the last is left out either.
        assert_eq!(told, [(at(5), at(6)), (at(0), at(6))]);
    }
}
