//! Resuming: what a device missed, then what is live, with nothing between.

use std::sync::Arc;

use super::{Shared, rooms::IfAbsent};
use crate::{
    command::RoomCursor,
    error::Error,
    event::{Event, GapReason},
    frame::Frame,
    hub::Link,
    ids::RoomId,
    log::{Cursor, Seq},
    outbox::OutboxLimits,
};

/// What may be sent again to one connection, all rooms together: half of its outbox, since nobody
/// reads it meanwhile.
pub(crate) type Budget = OutboxLimits;

impl Shared {
    pub(crate) fn resume_budget(&self) -> Budget {
        let OutboxLimits { frames, bytes } = self.config.outbox;
        Budget {
            frames: frames / 2,
            bytes: bytes / 2,
        }
    }

    /// Sends what stands after `cursor`, or a gap, then what came meanwhile, then `last`.
    ///
    /// The link's live entries of this room have been waiting since before this call.
    pub(crate) async fn catch_up(
        &self,
        link: &Arc<Link>,
        cursor: &RoomCursor,
        budget: &mut Budget,
        last: impl FnOnce(Cursor) -> Option<Frame>,
    ) -> Result<Cursor, Error> {
        let RoomCursor { room, cursor } = cursor;
        let _unfinished = link.abandon_unless_ended(room);
        let missed = self.missed(link, room, *cursor, budget).await;
        self.metrics.resumes.count((&missed).into());
        let (frames, Cursor { epoch, seq }) = missed?;
        let seq = link.end_catch_up(room, frames, seq, |seq| last(Cursor { epoch, seq }));
        Ok(Cursor { epoch, seq })
    }

    /// What to send for a cursor, and the position that it leads to.
    async fn missed(
        &self,
        link: &Link,
        id: &RoomId,
        cursor: Cursor,
        budget: &mut Budget,
    ) -> Result<(Vec<Frame>, Cursor), Error> {
        let room = self.enter(&link.user, id, IfAbsent::Refuse).await?;
        let head = self.head(&room).await?;
        let epoch = head.epoch;
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
            return gap(Seq(1).min(head.seq), GapReason::NewEpoch);
        }
        let missed = head.seq.0 - cursor.seq.0;
        let limit = self.config.resume_max.min(budget.frames);
        if missed > u64::try_from(limit).unwrap_or(u64::MAX) {
            return gap(cursor.seq.next(), GapReason::TooMany);
        }
        let range = cursor.seq.next()..=head.seq;
        let entries = self.entries(&room, head, range).await?;
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
