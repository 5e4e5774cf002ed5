//! Disconnecting a user, and closing an engine for good.

use chat_core::{CloseReason, Error, ErrorCode};

use crate::common::{direct, engine, next_entry, user};

#[tokio::test]
async fn disconnect_closes_every_device_of_the_user_and_of_nobody_else() {
    let engine = engine();
    let laptop = engine.connect(user("alice")).await.unwrap();
    let phone = engine.connect(user("alice")).await.unwrap();
    let bob = engine.connect(user("bob")).await.unwrap();
    let closed = engine.disconnect(&user("alice"), CloseReason::Finished);
    assert_eq!(closed, 2);
    while laptop.next_event().await.is_some() {}
    while phone.next_event().await.is_some() {}
    drop((laptop, phone));
    bob.send(&direct("alice", "bob"), "still here")
        .await
        .unwrap();
    next_entry(&bob).await;
    assert_eq!(engine.disconnect(&user("alice"), CloseReason::Finished), 0);
}

#[tokio::test]
async fn a_closed_engine_refuses_what_is_asked_of_it_and_of_its_clones() {
    let engine = engine();
    let alice = engine.actor(user("alice"));
    let sent = alice.send(&direct("alice", "bob"), "before").await.unwrap();
    engine.clone().close().await;
    let refused = alice.send(&sent.room, "after").await.unwrap_err();
    assert_eq!(refused.code(), ErrorCode::ShuttingDown, "{refused}");
    let refused = engine.connect(user("bob")).await.unwrap_err();
    assert!(matches!(refused, Error::ShuttingDown), "{refused}");
    let refused = alice.rooms(None, None).await.unwrap_err();
    assert_eq!(refused.code(), ErrorCode::StoreUnavailable, "{refused}");
    assert!(engine.health().await.store.is_err());
    // A second call finds nothing left to do.
    engine.close().await;
}
