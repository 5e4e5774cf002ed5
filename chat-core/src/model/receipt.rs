//! Receipts: how far a member of a room has received and read its log.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::model::Seq;

/// How far one member has got in one room: `read <= delivered <= head`, and neither goes back.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Watermarks {
    /// Everything up to and including this entry has reached a device of the member.
    pub delivered: Seq,
    /// Everything up to and including this entry has been seen.
    pub read: Seq,
}

/// The statement of a receipt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub enum Mark {
    /// Reached a device.
    Delivered,
    /// Was seen; implies delivered.
    Read,
}

/// When a member's watermarks passed an entry; `None` for one that has not passed it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ReceiptTimes {
    /// When the entry had reached a device of the member.
    pub delivered: Option<DateTime<Utc>>,
    /// When it had been seen.
    pub read: Option<DateTime<Utc>>,
}

impl Watermarks {
    /// These watermarks after a receipt, in a room whose newest entry is `head`.
    ///
    /// ```
    /// use chat_core::{Mark, Seq, Watermarks};
    ///
    /// let seen = Watermarks::default().advanced(Mark::Read, Seq(3), Seq(5));
    /// assert_eq!(seen, Watermarks { delivered: Seq(3), read: Seq(3) });
    /// assert_eq!(seen.advanced(Mark::Delivered, Seq(9), Seq(5)).delivered, Seq(5));
    /// assert_eq!(seen.advanced(Mark::Read, Seq(1), Seq(5)), seen);
    /// ```
    #[must_use]
    pub fn advanced(self, mark: Mark, upto: Seq, head: Seq) -> Self {
        let upto = upto.min(head);
        match mark {
            Mark::Delivered => self.join(Self {
                delivered: upto,
                read: Seq::ZERO,
            }),
            Mark::Read => self.join(Self {
                delivered: upto,
                read: upto,
            }),
        }
    }

    /// The farther of both, for each mark by itself.
    #[must_use]
    pub fn join(self, other: Self) -> Self {
        Self {
            delivered: self.delivered.max(other.delivered),
            read: self.read.max(other.read),
        }
    }

    /// The nearer of both, for each mark by itself.
    #[must_use]
    pub fn meet(self, other: Self) -> Self {
        Self {
            delivered: self.delivered.min(other.delivered),
            read: self.read.min(other.read),
        }
    }

    /// Whether it is farther than `other` for one mark at least.
    pub fn is_ahead_of(self, other: Self) -> bool {
        self.delivered > other.delivered || self.read > other.read
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::{collection::vec, prelude::*};

    fn receipt() -> impl Strategy<Value = (Mark, Seq)> {
        (
            prop_oneof![Just(Mark::Delivered), Just(Mark::Read)],
            (0..20_u64).prop_map(Seq),
        )
    }

    fn merge(receipts: &[(Mark, Seq)]) -> Watermarks {
        receipts
            .iter()
            .fold(Watermarks::default(), |at, (mark, upto)| {
                at.advanced(*mark, *upto, Seq(12))
            })
    }

    proptest! {
        #[test]
        fn receipts_in_any_order_and_number_lead_to_one_place(
            receipts in vec(receipt(), 0..12).prop_shuffle(), seed in any::<prop::sample::Index>()
        ) {
            let mut other = receipts.clone();
            if !other.is_empty() {
                let at = seed.index(other.len());
                other.rotate_left(at);
                other.push(other[at]);
            }
            prop_assert_eq!(merge(&receipts), merge(&other));
        }

        #[test]
        fn watermarks_never_go_back_and_stay_in_order(receipts in vec(receipt(), 0..12)) {
            let mut at = Watermarks::default();
            for (mark, upto) in receipts {
                let next = at.advanced(mark, upto, Seq(12));
                prop_assert!(at.delivered <= next.delivered && at.read <= next.read);
                prop_assert!(next.read <= next.delivered && next.delivered <= Seq(12));
                at = next;
            }
        }
    }
}
