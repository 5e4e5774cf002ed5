//! The looks of names.

use super::common::*;
use crate::Look;

async fn claim(h: &dyn StoreHarness, look: &str, name: &str) -> UserId {
    let (store, look, user) = (h.store(), Look::of(&user(look)), user(name));
    let holder = store.claim_look(&look, &user).await;
    holder.expect("the look is claimed")
}

pub(super) async fn a_look_belongs_to_its_first_user(h: &dyn StoreHarness) {
    assert_eq!(
        claim(h, "alice", "alice").await,
        user("alice"),
        "it is free"
    );
    for name in ["\u{430}lice", "alice", "bob"] {
        let holder = claim(h, "alice", name).await;
        assert_eq!(holder, user("alice"), "it stays with its first user");
    }
    assert_eq!(
        claim(h, "bob", "bob").await,
        user("bob"),
        "another look is free"
    );
}

pub(super) async fn of_many_claims_at_once_one_wins_and_all_hear_which(h: &dyn StoreHarness) {
    let names: Vec<_> = (0..8).map(|n| format!("u{n}")).collect();
    let call = |name: &String| {
        let (store, look, user) = (h.store(), Look::of(&user("look")), user(name));
        async move {
            let holder = store.claim_look(&look, &user).await;
            holder.expect("the look is claimed")
        }
    };
    let holders = at_once(names.iter().map(call)).await;
    assert!(
        names.contains(&holders[0].to_string()),
        "one of them has it"
    );
    let first = &holders[0];
    assert!(
        holders.iter().all(|holder| holder == first),
        "all hear of the same one"
    );
    assert_eq!(
        claim(h, "look", "late").await,
        *first,
        "and keep hearing of it"
    );
}
