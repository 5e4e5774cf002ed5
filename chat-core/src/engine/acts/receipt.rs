//! Receipts: a member states how far a room has been received or read, and the other members are sent it.

use super::{
    act::{Act, Answering},
    actor::Actor,
    session::Session,
};
use crate::{
    engine::{deliver::notify, parts::Parts, state::rooms::LiveRoom},
    model::{Action, Mark, ReceiptTimes, RoomId, Seq, UserId, Watermarks},
    port::{Change, Hint, Topic},
    wire::{Error, command::Receipt},
};

impl Actor {
    /// States that everything up to and including `upto` has been received, or read; gives the
    /// user's watermarks as they stand then.
    ///
    /// # Errors
    ///
    /// [`Error::NoRoom`], or a backend's failure.
    pub async fn receipt(&self, room: &RoomId, mark: Mark, upto: Seq) -> Result<Watermarks, Error> {
        let Parts {
            access,
            store,
            news,
            ..
        } = &*self.parts;
        let live = access.enter(&self.principal, Action::Receipt, room).await?;
        match store.advance(room, self.user(), mark, upto).await? {
            Change::Unchanged(now) => {
                // A node that died before it announced the receipt may have stored it.
                let announced = live.announced().get(self.user()).copied();
                if announced.is_none_or(|announced| now.is_ahead_of(announced)) {
                    self.announce_receipt(&live, announced.unwrap_or(now), now)
                        .await;
                }
                Ok(now)
            }
            Change::Moved { from, to } => {
                self.announce_receipt(&live, from, to).await;
                if from.read < to.read {
                    news.read(room, self.user(), self.session);
                }
                Ok(to)
            }
        }
    }

    /// When a member of a direct room received and read these entries, in the order asked. Only
    /// messages of the other member are sure to have times.
    ///
    /// # Errors
    ///
    /// [`Error::NoRoom`], or a backend's failure.
    pub async fn receipt_times(
        &self,
        room: &RoomId,
        member: &UserId,
        seqs: &[Seq],
    ) -> Result<Vec<ReceiptTimes>, Error> {
        let Parts { access, store, .. } = &*self.parts;
        access.enter(&self.principal, Action::Read, room).await?;
        let mut times = store.receipt_times(room, member, seqs).await?;
        if let Some(seen) = self.seen_until(room, member).await? {
            for (seq, times) in seqs.iter().zip(&mut times) {
                times.delivered = times.delivered.filter(|_| *seq <= seen.delivered);
                times.read = times.read.filter(|_| *seq <= seen.read);
            }
        }
        Ok(times)
    }

    pub(super) async fn announce_receipt(&self, room: &LiveRoom, was: Watermarks, now: Watermarks) {
        let Parts {
            hub,
            hints,
            directory,
            ..
        } = &*self.parts;
        let quiet = match directory.blocks.quiet(room, self.user()).await {
            Ok(quiet) => quiet,
            Err(error) => {
                // It is stored. The same receipt once more, or the next one, announces it.
                tracing::debug!(%error, "a receipt is not announced");
                return;
            }
        };
        let was = was.meet(now);
        notify::receipt(hub, room, self.user(), was, now, &quiet);
        let hint = Hint::Receipt {
            room: room.id.clone(),
            user: self.user().clone(),
            was,
        };
        if room.is_large() {
            // Only for the user's other devices.
            let topics = vec![Topic::User(self.user().clone())];
            hints.publish(topics, hint);
        } else {
            hints.to_members(room, || hint);
        }
    }
}

impl Act for Receipt {
    async fn act(self, by: &Session, answer: Answering<Self>) {
        answer.give(by.receipt(&self.room, self.mark, self.seq).await);
    }
}
