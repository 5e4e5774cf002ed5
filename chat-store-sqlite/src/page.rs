//! Which numbers a page has. A log has no holes, so each form of a page is a range.

use std::ops::RangeInclusive;

use chat_core::{Page, Seq};

/// The numbers of at most `limit` entries in a log whose newest is `head`; empty if there are none.
pub(crate) fn range(page: Page, head: Seq, limit: usize) -> RangeInclusive<u64> {
    let limit = u64::try_from(limit).unwrap_or(u64::MAX);
    let head = head.0;
    let ending_with = |last: u64| (last.saturating_sub(limit) + 1)..=last;
    let beginning_with = |first: u64| {
        let last = first.saturating_add(limit) - 1;
        first..=last.min(head)
    };
    match page {
        Page::Newest => ending_with(head),
        Page::Before(seq) => ending_with(seq.0.saturating_sub(1).min(head)),
        Page::After(seq) => beginning_with(seq.0.min(head) + 1),
        Page::Around(seq) if seq.0 > head => ending_with(head),
        Page::Around(seq) => beginning_with(seq.0.saturating_sub(limit / 2).max(1)),
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
            let range: Vec<u64> = range(page, Seq(head), limit).collect();
            prop_assert_eq!(range, literally(page, head, limit));
        }
    }
}
