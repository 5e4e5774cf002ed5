//! Invitations.

use super::common::*;
use crate::{Invite, InviteId, InviteToken};

fn token(text: &str) -> InviteToken {
    InviteToken::new(text).expect("a valid token")
}

fn invite(room: &str, uses_left: Option<u32>, expires_at: Option<u64>) -> Invite {
    let number = unique();
    Invite {
        id: InviteId(Uuid::from_u128(u128::from(number))),
        room: room_id(room),
        token: token(&format!("token-{number}")),
        by: user("alice"),
        role: Role::Reader,
        created_at: time(number),
        expires_at: expires_at.map(time),
        uses_left,
    }
}

async fn added(h: &dyn StoreHarness, new: Invite) -> Invite {
    h.store().add_invite(new.clone()).await.expect("it is kept");
    new
}

async fn found(h: &dyn StoreHarness, invite: &Invite) -> Option<Invite> {
    let found = h.store().invite(&invite.token).await;
    found.expect("it is looked for")
}

async fn used(h: &dyn StoreHarness, invite: &Invite, now: u64) -> Option<Invite> {
    let used = h.store().use_invite(&invite.token, time(now)).await;
    used.expect("it is tried")
}

async fn listed(
    h: &dyn StoreHarness,
    room: &str,
    after: Option<InviteId>,
    limit: usize,
) -> Vec<Invite> {
    let list = h.store().invites(&room_id(room), after, limit).await;
    list.expect("they are read")
}

pub(super) async fn an_invitation_is_kept_as_it_was_given(h: &dyn StoreHarness) {
    for new in [
        invite("group", None, None),
        invite("group", Some(3), Some(5_000)),
    ] {
        let new = added(h, new).await;
        assert_eq!(found(h, &new).await, Some(new.clone()));
        let again = Invite {
            role: Role::Owner,
            ..new.clone()
        };
        added(h, again).await;
        assert_eq!(
            found(h, &new).await,
            Some(new),
            "the same id changes nothing"
        );
    }
    let none = invite("group", None, None);
    assert_eq!(found(h, &none).await, None);
}

pub(super) async fn invitations_come_in_pages_of_their_room(h: &dyn StoreHarness) {
    let mut all = Vec::new();
    for number in 0..4 {
        all.push(added(h, invite("group", Some(number), Some(1))).await);
        added(h, invite("other", None, None)).await;
    }
    assert_eq!(listed(h, "group", None, 9).await, all, "open or not");
    for (number, from) in all.iter().enumerate() {
        for limit in [0, 1, 2, usize::MAX] {
            let page = listed(h, "group", Some(from.id), limit).await;
            let rest = &all[number + 1..];
            assert_eq!(page, rest[..limit.min(rest.len())]);
        }
    }
    assert_eq!(listed(h, "none", None, 9).await, []);
}

pub(super) async fn an_invitation_is_used_until_its_end(h: &dyn StoreHarness) {
    let forever = added(h, invite("group", None, None)).await;
    let once = added(h, invite("group", Some(2), Some(5_000))).await;
    assert_eq!(used(h, &forever, 9_999_999).await, Some(forever.clone()));
    let left = |uses| Invite {
        uses_left: Some(uses),
        ..once.clone()
    };
    assert_eq!(used(h, &once, 4_999).await, Some(left(1)));
    assert_eq!(used(h, &once, 5_000).await, None, "it has ended");
    assert_eq!(used(h, &once, 4_998).await, Some(left(0)));
    assert_eq!(used(h, &once, 4_997).await, None, "it is used up");
    assert_eq!(found(h, &once).await, Some(left(0)));
    h.store().unuse_invite(once.id).await.unwrap();
    assert_eq!(
        used(h, &once, 1).await,
        Some(left(0)),
        "one use was given back"
    );
    h.store().unuse_invite(forever.id).await.unwrap();
    assert_eq!(found(h, &forever).await, Some(forever));
}

pub(super) async fn an_invitation_has_no_more_uses_than_it_says(h: &dyn StoreHarness) {
    let new = added(h, invite("group", Some(3), None)).await;
    let calls = (0..12).map(|_| {
        let (store, token) = (h.store(), new.token.clone());
        async move { store.use_invite(&token, time(1)).await.unwrap() }
    });
    let mut left: Vec<_> = at_once(calls).await.into_iter().flatten().collect();
    left.sort_by_key(|invite| invite.uses_left);
    let left: Vec<_> = left.iter().filter_map(|invite| invite.uses_left).collect();
    assert_eq!(left, [0, 1, 2]);
}

pub(super) async fn an_invitation_is_taken_back(h: &dyn StoreHarness) {
    let (one, other) = (invite("group", None, None), invite("group", None, None));
    let (one, other) = (added(h, one).await, added(h, other).await);
    let remove = async |room: &str, id| {
        let removed = h.store().remove_invite(&room_id(room), id).await;
        removed.expect("it is removed")
    };
    assert!(!remove("other", one.id).await, "it is of another room");
    assert!(remove("group", one.id).await);
    assert!(!remove("group", one.id).await, "it is gone");
    assert_eq!(found(h, &one).await, None);
    assert_eq!(used(h, &one, 1).await, None);
    assert_eq!(listed(h, "group", None, 9).await, [other]);
    h.store().unuse_invite(one.id).await.unwrap();
}
