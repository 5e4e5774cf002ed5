//! Receipts: watermarks that only grow, published to the members of the room.

use chat_core::{Event, Mark, Seq, Watermarks};

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
