//! Receipts: watermarks that only grow, published to the members of the room.

use chat_core::{Actor, Event, Mark, Seq, Watermarks, command::Create};

use crate::common::{direct, engine, next_matching, pending, user};

fn marks(delivered: u64, read: u64) -> Watermarks {
    Watermarks {
        delivered: Seq(delivered),
        read: Seq(read),
    }
}

#[tokio::test]
async fn the_sender_learns_how_far_a_message_has_got() {
    let engine = engine();
    let room = direct("alice", "bob");
    let alice = engine.connect(user("alice")).await.unwrap();
    let bob = engine.actor(user("bob"));
    for text in ["one", "two", "three"] {
        alice.send(&room, text).await.unwrap();
    }
    for (mark, upto, was, now) in [
        (Mark::Delivered, 2, marks(0, 0), marks(2, 0)),
        (Mark::Read, 3, marks(2, 0), marks(3, 3)),
    ] {
        assert_eq!(bob.receipt(&room, mark, Seq(upto)).await.unwrap(), now);
        let event = next_matching(&alice, |event| matches!(event, Event::Receipt { .. })).await;
        let told = Event::Receipt {
            room: room.clone(),
            user: user("bob"),
            was,
            now,
        };
        assert_eq!(event, told);
    }
    // Going back, and going beyond the end, moves nothing and publishes nothing.
    assert_eq!(
        bob.receipt(&room, Mark::Read, Seq(1)).await.unwrap(),
        marks(3, 3)
    );
    assert_eq!(
        bob.receipt(&room, Mark::Delivered, Seq(99)).await.unwrap(),
        marks(3, 3)
    );
    assert_eq!(pending(&alice).await, []);
}

#[tokio::test]
async fn reading_on_one_device_clears_the_unread_count_on_all() {
    let engine = engine();
    let room = direct("alice", "bob");
    let bob = engine.connect(user("bob")).await.unwrap();
    let alice = engine.actor(user("alice"));
    for text in ["one", "two"] {
        alice.send(&room, text).await.unwrap();
    }
    bob.send(&room, "my own don't count").await.unwrap();
    assert_eq!(bob.rooms(None, None).await.unwrap().rooms[0].unread, 2);
    engine
        .actor(user("bob"))
        .receipt(&room, Mark::Read, Seq(1))
        .await
        .unwrap();
    assert_eq!(bob.rooms(None, None).await.unwrap().rooms[0].unread, 1);
    next_matching(&bob, |event| {
        matches!(event, Event::Receipt { user, now, .. }
            if user.as_str() == "bob" && now.read == Seq(1))
    })
    .await;
}

#[tokio::test]
async fn a_member_asks_who_has_read_an_entry() {
    let engine = engine();
    let alice = engine.actor(user("alice"));
    let members = ["bob", "carol"].map(user).into();
    let room = alice.create(Create::group(members)).await.unwrap().room.id;
    alice.send(&room, "one").await.unwrap();
    alice.send(&room, "two").await.unwrap();
    let [bob, carol, dave] = ["bob", "carol", "dave"].map(|name| engine.actor(user(name)));
    bob.receipt(&room, Mark::Read, Seq(2)).await.unwrap();
    carol.receipt(&room, Mark::Read, Seq(1)).await.unwrap();
    let readers = async |by: &Actor, seq, after: Option<&str>, limit| {
        let after = after.map(user);
        let page = by.readers(&room, Seq(seq), after.as_ref(), limit).await;
        page.map(|page| {
            let names: Vec<_> = page.members.iter().map(|it| it.user.to_string()).collect();
            (names.join(" "), page.more)
        })
        .map_err(|error| error.code().code())
    };
    let page = |names: &str, more| Ok((names.to_owned(), more));
    assert_eq!(readers(&alice, 2, None, None).await, page("bob", false));
    assert_eq!(readers(&alice, 1, None, Some(1)).await, page("bob", true));
    assert_eq!(
        readers(&alice, 1, Some("bob"), Some(1)).await,
        page("carol", false)
    );
    assert_eq!(readers(&dave, 1, None, None).await, Err(200));
    for nothing in [0, 3, u64::MAX] {
        assert_eq!(readers(&alice, nothing, None, None).await, Err(201));
    }
    alice.add_member(&room, user("dave")).await.unwrap();
    assert_eq!(
        readers(&dave, 2, None, None).await,
        Err(201),
        "from before dave came"
    );
    assert_eq!(readers(&dave, 3, None, None).await, page("", false));
}

#[tokio::test]
async fn one_who_has_blocked_the_author_has_read_what_they_had_then() {
    let engine = engine();
    let (alice, bob) = (engine.actor(user("alice")), engine.actor(user("bob")));
    let room = direct("alice", "bob");
    alice.send(&room, "one").await.unwrap();
    alice.send(&room, "two").await.unwrap();
    bob.receipt(&room, Mark::Read, Seq(1)).await.unwrap();
    bob.block(&user("alice")).await.unwrap();
    bob.receipt(&room, Mark::Read, Seq(2)).await.unwrap();
    let first = alice.readers(&room, Seq(1), None, None).await.unwrap();
    assert_eq!(first.members[0].watermarks, marks(1, 1));
    let second = alice.readers(&room, Seq(2), None, None).await.unwrap();
    assert_eq!(second.members, []);
}
