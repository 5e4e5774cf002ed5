//! Cases for each [`Effect`], with every kind of entry that has it. A new kind is included
//! automatically.

use super::common::*;
use crate::{Effect, EntryKind};

/// A room with alice and bob, in which alice has written message 1 and bob message 2.
async fn room(h: &dyn StoreHarness) -> TestRoom {
    let room = TestRoom::with(h, "group", users(["alice", "bob"])).await;
    room.add("alice", text("alice's")).await;
    room.add("bob", text("bob's")).await;
    room
}

/// One body of each kind whose effect `such` accepts, about alice's message 1 or the user `about`.
fn each(about: &str, such: fn(Effect<'_>) -> bool) -> Vec<EntryBody> {
    let examples = EntryKind::ALL.iter().map(|kind| kind.example(user(about)));
    examples.filter(|body| such(body.effect())).collect()
}

pub(super) async fn an_entry_of_every_kind_is_kept_as_it_was_given(h: &dyn StoreHarness) {
    let room = room(h).await;
    // So that carol may be one as well, and then come in again as a member.
    room.add("alice", role("alice", Role::Owner)).await;
    for kind in EntryKind::ALL {
        room.add("alice", joined("carol")).await;
        let new = entry(&room.id, "alice", kind.example(user("carol")));
        let appended = room.append(new.clone()).await.entry;
        let given = new.numbered(appended.seq);
        assert_eq!(*appended, given, "the answer holds {kind:?} as given");
        assert_eq!(*room.at(given.seq.0).await, given, "so does the log");
    }
}

pub(super) async fn an_entry_without_effect_changes_nothing_else(h: &dyn StoreHarness) {
    let room = room(h).await;
    let (mut expected, members) = (room.log().await, room.members().await);
    for body in each("carol", |effect| effect == Effect::None) {
        expected.push(room.add("alice", body).await);
        assert_eq!(room.log().await, expected, "other entries stay as they are");
        assert_eq!(room.members().await, members, "and so do the members");
    }
}

pub(super) async fn replace_gives_its_target_another_text(h: &dyn StoreHarness) {
    let room = room(h).await;
    for body in each("carol", |effect| matches!(effect, Effect::Replace { .. })) {
        let mut expected = room.log().await;
        let by = room.add("alice", body).await;
        let Effect::Replace { text, .. } = by.body.effect() else {
            panic!("the entry is as it was given: {by:?}");
        };
        Arc::make_mut(&mut expected[0]).body = EntryBody::Message {
            text: Arc::clone(text),
            edited_at: Some(by.at),
        };
        expected.push(by);
        assert_eq!(room.log().await, expected, "its target alone is changed");
    }
}

pub(super) async fn erase_leaves_nothing_of_its_target(h: &dyn StoreHarness) {
    for (number, body) in each("carol", |effect| matches!(effect, Effect::Erase { .. }))
        .into_iter()
        .enumerate()
    {
        let room = TestRoom::new(h, &format!("group {number}")).await;
        room.add("alice", text("first")).await;
        room.add("alice", text("another")).await;
        for replacing in each("carol", |effect| matches!(effect, Effect::Replace { .. })) {
            room.add("alice", replacing).await;
        }
        room.add("alice", edit(2, "another still")).await;
        let mut expected = room.log().await;
        let by = room.add("alice", body).await;
        for entry in &mut expected {
            if let Some(body) = by.body.effect().on(entry, &by.author, by.at) {
                Arc::make_mut(entry).body = body;
            }
        }
        assert_eq!(expected[0].body, EntryBody::Deleted, "its target is erased");
        expected.push(by);
        assert_eq!(
            room.log().await,
            expected,
            "with its texts, and nothing else"
        );
    }
}

pub(super) async fn admit_makes_its_user_a_member(h: &dyn StoreHarness) {
    let room = room(h).await;
    for body in each("carol", |effect| matches!(effect, Effect::Admit { .. })) {
        room.add("bob", left("carol")).await;
        let by = room.add("alice", body).await;
        let given = by.body.effect().membership();
        assert_eq!(room.members().await, users(["alice", "bob", "carol"]));
        let given = given.and_then(|(_, role)| role);
        assert_eq!(room.role("carol").await, given);
        assert!(room.membership("carol").await.is_some(), "in her list too");
    }
}

pub(super) async fn assign_gives_its_user_the_role(h: &dyn StoreHarness) {
    let room = room(h).await;
    for body in each("bob", |effect| matches!(effect, Effect::Assign { .. })) {
        let given = body.effect().membership().and_then(|(_, role)| role);
        room.add("alice", joined("bob")).await;
        room.add("alice", body).await;
        assert_eq!(room.role("bob").await, given);
        assert_eq!(room.members().await, users(["alice", "bob"]));
    }
}

pub(super) async fn dismiss_ends_the_membership_of_its_user(h: &dyn StoreHarness) {
    let room = room(h).await;
    for body in each("carol", |effect| matches!(effect, Effect::Dismiss { .. })) {
        room.add("bob", joined("carol")).await;
        room.add("alice", body).await;
        assert_eq!(room.members().await, users(["alice", "bob"]));
        assert_eq!(room.membership("carol").await, None, "in her list too");
    }
}
