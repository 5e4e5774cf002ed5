//! The checker accepts every history of a correct server, and none of them after a promise was
//! broken in it.

mod corruptions;
mod crowd;
mod model;

use std::collections::BTreeMap;

use proptest::{prelude::*, strategy::ValueTree, test_runner::TestRunner};

use self::{corruptions::CORRUPTIONS, model::histories};
use super::check;

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(48) })]

    #[test]
    fn a_history_without_a_fault_is_accepted(history in any::<bool>().prop_flat_map(histories)) {
        let report = check(&history);
        prop_assert!(report.faults.is_empty(), "{}", report);
    }

    #[test]
    fn every_corruption_is_flagged(
        history in any::<bool>().prop_flat_map(histories),
        pick in any::<usize>(),
    ) {
        for (what, fault, corrupt) in CORRUPTIONS {
            let mut corrupted = history.clone();
            if corrupt(&mut corrupted, pick).is_some() {
                let report = check(&corrupted);
                prop_assert!(report.count(*fault) > 0, "{}: {}", what, report);
            }
        }
    }
}

/// So that none of the corruptions passes for finding nothing to corrupt.
#[test]
fn every_corruption_finds_something_to_corrupt() {
    let mut runner = TestRunner::deterministic();
    let mut applied = BTreeMap::new();
    for pick in 0..32 {
        let history = histories(true).new_tree(&mut runner).unwrap().current();
        for (what, fault, corrupt) in CORRUPTIONS {
            let mut corrupted = history.clone();
            if corrupt(&mut corrupted, pick).is_some() {
                assert!(check(&corrupted).count(*fault) > 0, "{what}");
                *applied.entry(*what).or_insert(0) += 1;
            }
        }
    }
    for (what, ..) in CORRUPTIONS {
        assert!(applied.contains_key(what), "never applied: {what}");
    }
}
