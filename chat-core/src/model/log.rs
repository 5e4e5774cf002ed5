//! The room log: entries numbered 1, 2, 3, ... and positions in it.

use std::{fmt, ops::RangeInclusive};

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::{
    model::{ClientMessageId, EntryBody, Epoch, MessageId, RoomId, UserId},
    time::whole_micros,
};

/// The number of an entry in its room: 1, 2, 3, ... without a gap; 0 stands before the first.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(transparent)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Seq(pub u64);

impl Seq {
    /// Before the first entry.
    pub const ZERO: Self = Self(0);

    /// After the last entry that there can be.
    pub const MAX: Self = Self(i64::MAX.unsigned_abs());

    /// The number that follows.
    #[must_use]
    pub fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }
}

impl fmt::Display for Seq {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A position in a room's log: everything up to and including `seq` has been received.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Cursor {
    /// Which incarnation of the log `seq` counts in.
    pub epoch: Epoch,
    /// The last entry received.
    pub seq: Seq,
}

/// One line of a room's log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Entry {
    /// The room.
    pub room: RoomId,
    /// Its number in the room.
    pub seq: Seq,
    /// The server's id of it.
    pub id: MessageId,
    /// Who caused it.
    pub author: UserId,
    /// The author's own id of it.
    pub client_id: ClientMessageId,
    /// The server's clock at the time; to be shown, never to order by.
    pub at: DateTime<Utc>,
    /// What happened.
    pub body: EntryBody,
}

impl Entry {
    /// Roughly how many bytes it takes, here and on the wire.
    pub(crate) fn size(&self) -> usize {
        /// Of its JSON beside the text.
        const REST: usize = 300;
        REST + self.body.text().map_or(0, |text| text.len())
    }
}

/// An entry on its way to the store, which gives it a number.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NewEntry {
    /// The room.
    pub room: RoomId,
    /// The id it will have, unless it turns out to be a duplicate.
    pub id: MessageId,
    /// Who causes it.
    pub author: UserId,
    /// The author's own id of it.
    pub client_id: ClientMessageId,
    /// The server's clock.
    pub at: DateTime<Utc>,
    /// What happens.
    pub body: EntryBody,
}

impl NewEntry {
    /// The entry with its times in whole microseconds, the precision that every store keeps.
    #[must_use]
    pub fn in_micros(self) -> Self {
        Self {
            at: whole_micros(self.at),
            body: self.body.in_micros(),
            ..self
        }
    }

    /// The entry it becomes under number `seq`.
    pub fn numbered(self, seq: Seq) -> Entry {
        let Self {
            room,
            id,
            author,
            client_id,
            at,
            body,
        } = self;
        Entry {
            room,
            seq,
            id,
            author,
            client_id,
            at,
            body,
        }
    }
}

/// Which part of a room's log to read; every form gives entries in ascending order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Page {
    /// The newest entries.
    Newest,
    /// The newest entries below this number.
    Before(Seq),
    /// The oldest entries above this number.
    After(Seq),
    /// Entries on both sides of this number, and itself.
    Around(Seq),
}

impl Page {
    /// Which numbers the page has in a log whose newest entry is `head`: at most `limit`, as
    /// [`LogStore::page`](crate::port::LogStore::page) says. A log has no holes, so each form of a page
    /// is a range; it is empty where there are no entries.
    pub fn range(self, head: Seq, limit: usize) -> RangeInclusive<Seq> {
        let limit = u64::try_from(limit).unwrap_or(u64::MAX);
        let head = head.min(Seq::MAX).0;
        let ending_with = |last: u64| (last.saturating_sub(limit) + 1)..=last;
        let beginning_with = |first: u64| {
            let last = first.saturating_add(limit) - 1;
            first..=last.min(head)
        };
        let range = match self {
            Self::Newest => ending_with(head),
            Self::Before(seq) => ending_with(seq.0.saturating_sub(1).min(head)),
            Self::After(seq) => beginning_with(seq.0.min(head) + 1),
            Self::Around(seq) if seq.0 > head => ending_with(head),
            Self::Around(seq) => beginning_with(seq.0.saturating_sub(limit / 2).max(1)),
        };
        Seq(*range.start())..=Seq(*range.end())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The contract, read literally, over a list of all numbers.
    fn literally(page: Page, head: u64, limit: usize) -> Vec<u64> {
        let all: Vec<u64> = (1..=head).collect();
        let last = |mut part: Vec<u64>| part.split_off(part.len().saturating_sub(limit));
        let first = |part: Vec<u64>| part.into_iter().take(limit).collect();
        let pick = |keep: &dyn Fn(u64) -> bool| all.iter().copied().filter(|n| keep(*n)).collect();
        match page {
            Page::Newest => last(all),
            Page::Before(seq) => last(pick(&|n| n < seq.0)),
            Page::After(seq) => first(pick(&|n| n > seq.0)),
            Page::Around(seq) if seq.0 > head => last(all),
            Page::Around(seq) => {
                let mut older: Vec<u64> = pick(&|n| n < seq.0);
                let mut part = older.split_off(older.len().saturating_sub(limit / 2));
                part.extend(pick(&|n| n >= seq.0));
                first(part)
            }
        }
    }

    fn seq() -> impl Strategy<Value = Seq> {
        prop_oneof![0..40_u64, Just(i64::MAX.unsigned_abs()), Just(u64::MAX)].prop_map(Seq)
    }

    proptest! {
        #[test]
        fn a_range_is_what_the_contract_says(
            head in 0..30_u64, limit in prop_oneof![0..40_usize, Just(usize::MAX)],
            page in prop_oneof![
                Just(Page::Newest), seq().prop_map(Page::Before), seq().prop_map(Page::After),
                seq().prop_map(Page::Around)
            ]
        ) {
            let range = page.range(Seq(head), limit);
            let range: Vec<u64> = (range.start().0..=range.end().0).collect();
            prop_assert_eq!(range, literally(page, head, limit));
        }
    }
}
