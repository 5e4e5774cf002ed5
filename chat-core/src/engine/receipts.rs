//! Receipts: a member says how far a room has been received or read, and the others learn it.

use super::{Actor, Shared, relay, rooms::IfAbsent, rooms::LiveRoom};
use crate::{
    error::Error,
    event::Event,
    frame::Frame,
    ids::{RoomId, UserId},
    log::Seq,
    port::{Change, Hint},
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
        match shared.store.advance(room, &self.user, mark, upto).await? {
            Change::Unchanged(now) => Ok(now),
            Change::Moved { from, to } => {
                shared.tell_receipt(&live, &self.user, from, to);
                let hint = Hint::Receipt {
                    room: room.clone(),
                    user: self.user.clone(),
                    was: from,
                };
                relay::tell(shared, &live, &hint);
                Ok(to)
            }
        }
    }
}

impl Shared {
    pub(crate) fn tell_receipt(
        &self,
        room: &LiveRoom,
        user: &UserId,
        was: Watermarks,
        now: Watermarks,
    ) {
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
