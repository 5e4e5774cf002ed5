//! Resuming: what a device missed, then what is live, with nothing between.

use super::{
    act::{Act, Answering},
    session::Session,
};
use crate::{
    engine::{deliver::outbox::OutboxLimits, parts::Parts},
    model::{Action, Cursor, RoomId, Seq},
    wire::{Error, Event, Frame, GapReason, Resumed, RoomCursor, command::Resume},
};

impl Session {
    /// Sends everything after a cursor again, and gives the position reached.
    ///
    /// # Errors
    ///
    /// [`Error::NoRoom`], or a backend's failure.
    ///
    /// # Cancel safety
    ///
    /// A dropped call has sent nothing again; what is live goes on.
    pub async fn resume(&self, cursor: RoomCursor) -> Result<Cursor, Error> {
        self.device.begin_catch_up(&cursor.room);
        let _unfinished = self.device.abandon_unless_ended(&cursor.room);
        let mut budget = self.parts.config.resume_budget();
        self.catch_up(&cursor, &mut budget, |_| None).await
    }

    /// Sends the entries after `cursor`, or a gap, then what came meanwhile, then `last`.
    ///
    /// The device's live entries of this room have been waiting since before this call, and go on to wait if it
    /// fails.
    pub(crate) async fn catch_up(
        &self,
        cursor: &RoomCursor,
        budget: &mut OutboxLimits,
        last: impl FnOnce(Cursor) -> Option<Frame>,
    ) -> Result<Cursor, Error> {
        let Self { device, .. } = self;
        let RoomCursor { room, cursor } = cursor;
        let missed = self.missed(room, *cursor, budget).await;
        self.parts.metrics.resumes.count((&missed).into());
        let (frames, Cursor { epoch, seq }) = missed?;
        let seq = device.end_catch_up(room, frames, seq, |seq| last(Cursor { epoch, seq }));
        Ok(Cursor { epoch, seq })
    }

    /// The frames to send for a cursor, and the position that they lead to.
    async fn missed(
        &self,
        id: &RoomId,
        cursor: Cursor,
        budget: &mut OutboxLimits,
    ) -> Result<(Vec<Frame>, Cursor), Error> {
        let Parts {
            access,
            reads,
            config,
            ..
        } = &*self.parts;
        let (room, in_room) = access.enter_as(&self.principal, Action::Read, id).await?;
        let head = reads.head(&room).await?;
        let epoch = head.epoch;
        // What the user may not read has not been missed.
        let first = in_room.first_readable(&room).max(Seq(1));
        let before = Seq(first.0 - 1).min(head.seq);
        let gap = |from, reason| {
            let frame = Event::Gap {
                room: id.clone(),
                epoch,
                from,
                to: head.seq,
                reason,
            }
            .into();
            Ok((vec![frame], head))
        };
        // A cursor beyond the head comes from entries that the store lost: a log begun anew.
        if cursor.epoch != epoch || cursor.seq > head.seq {
            return gap(first.min(head.seq), GapReason::NewEpoch);
        }
        let cursor = Cursor {
            seq: cursor.seq.max(before),
            ..cursor
        };
        let missed = head.seq.0 - cursor.seq.0;
        let limit = config.resume_max.min(budget.frames);
        if missed > u64::try_from(limit).unwrap_or(u64::MAX) {
            return gap(cursor.seq.next(), GapReason::TooMany);
        }
        let range = cursor.seq.next()..=head.seq;
        let entries = reads.entries(&room, head, range).await?;
        let entries = in_room.readable(&room, self.user(), entries);
        let seq = entries.last().map_or(cursor.seq, |entry| entry.seq);
        let frames: Vec<Frame> = entries
            .into_iter()
            .map(|entry| Event::Entry(entry).into())
            .collect();
        let bytes: usize = frames.iter().map(Frame::size).sum();
        if bytes > budget.bytes {
            return gap(cursor.seq.next(), GapReason::TooMany);
        }
        budget.frames -= frames.len();
        budget.bytes -= bytes;
        Ok((frames, Cursor { epoch, seq }))
    }
}

impl Act for Resume {
    async fn act(self, by: &Session, answer: Answering<Self>) {
        let Self { room, cursor } = self;
        let reached = by.resume(RoomCursor { room, cursor }).await;
        answer.give(reached.map(|cursor| Resumed { cursor }));
    }
}
