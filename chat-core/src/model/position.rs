//! Positions in a room's log, which numbers its entries 1, 2, 3, ..., and the parts that are read.

use std::{fmt, ops::RangeInclusive};

use serde::{Deserialize, Serialize};

use crate::model::Epoch;

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
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Cursor {
    /// Which incarnation of the log `seq` counts in.
    pub epoch: Epoch,
    /// The last entry received.
    pub seq: Seq,
}

/// Which part of a room's log to read; every form gives entries in ascending order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
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
    /// The same page of a log of which a reader sees the entries from `first` on: a page around an earlier
    /// entry, or after one, begins there.
    #[must_use]
    pub(crate) fn from(self, first: Seq) -> Self {
        let before = Seq(first.0.saturating_sub(1));
        match self {
            Self::After(seq) => Self::After(seq.max(before)),
            Self::Around(seq) if seq < first => Self::After(before),
            page => page,
        }
    }

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
