//! The scripted backend that the other tests use does what its script says.

use std::time::Duration;

use chat_core::{
    Details, EntryBody, Epoch, MessageId, NewEntry, NewRoom, Page, Room, RoomKind,
    memory::{MemoryBus, MemoryCache, MemoryStore},
    moderation::WordList,
    port::{
        AppendError, BackendError, BackendErrorKind, Broker, Delivery, Draft, Hint, LogStore,
        Moderator, PresenceCache, Retry, RoomStore, Topic,
    },
    testing::{Fault, Faulty, Gate, Method, Script},
};
use tokio::{
    task::JoinError,
    time::{Instant, timeout},
};

use crate::common::{client_id, direct, seqs, user};

type Rooms = Result<Vec<Room>, BackendError>;

/// A call that only the script can make fail.
async fn rooms(store: &Faulty<MemoryStore>) -> Result<Rooms, JoinError> {
    let store = store.clone();
    tokio::spawn(async move { store.rooms_with(&[user("alice")], None, 1).await }).await
}

#[tokio::test(start_paused = true)]
async fn each_fault_does_what_its_name_says() {
    let store = Faulty::<MemoryStore>::default();
    let begun = Instant::now();
    assert!(rooms(&store).await.unwrap().is_ok(), "at first calls pass");
    let refusal = Fault::Refuse(BackendErrorKind::Full, Retry::No);
    store
        .script
        .next(Method::ROOMS_WITH, [refusal, Fault::LoseAnswer]);
    let errors = [rooms(&store).await, rooms(&store).await].map(|it| it.unwrap().unwrap_err());
    let said = errors.map(|it| (it.kind, it.retry, it.operation));
    let expected = [
        (BackendErrorKind::Full, Retry::No, "rooms_with"),
        (BackendErrorKind::Timeout, Retry::IfIdempotent, "rooms_with"),
    ];
    assert_eq!(said, expected);
    store.script.next(Method::ROOMS_WITH, Fault::Panic);
    assert!(rooms(&store).await.unwrap_err().is_panic());
    assert_eq!(begun.elapsed(), Duration::ZERO);
    store.script.next(
        Method::ROOMS_WITH,
        Fault::AWAY.after(Duration::from_secs(3)),
    );
    assert!(rooms(&store).await.unwrap().is_err());
    assert_eq!(begun.elapsed(), Duration::from_secs(3));
    store.script.next(Method::ROOMS_WITH, Fault::Hang);
    timeout(Duration::from_hours(1), rooms(&store))
        .await
        .unwrap_err();
    assert!(rooms(&store).await.unwrap().is_ok());
    assert_eq!(store.script.calls(Method::ROOMS_WITH), 7);
}

#[tokio::test(start_paused = true)]
async fn a_call_waits_behind_a_gate_until_it_is_opened() {
    let (store, gate) = (Faulty::<MemoryStore>::default(), Gate::default());
    store
        .script
        .always(Method::ROOMS_WITH, Fault::Pass.behind(&gate));
    let opening = async {
        store.script.called(Method::ROOMS_WITH, 1).await;
        gate.open();
    };
    let (waited, ()) = tokio::join!(rooms(&store), opening);
    assert!(waited.unwrap().is_ok());
    assert!(rooms(&store).await.unwrap().is_ok(), "it stays open");
}

#[tokio::test]
async fn faults_that_always_happen_come_in_turn_and_over_again() {
    let store = Faulty::<MemoryStore>::default();
    store
        .script
        .always(Method::all(), [Fault::Pass, Fault::AWAY]);
    for _ in 0..3 {
        assert!(rooms(&store).await.unwrap().is_ok());
        assert!(rooms(&store).await.unwrap().is_err());
    }
    store.script.pass();
    assert!(rooms(&store).await.unwrap().is_ok());
    assert!(rooms(&store).await.unwrap().is_ok());
}

#[tokio::test]
async fn a_lost_answer_is_that_of_a_call_that_was_carried_out() {
    let store = Faulty::<MemoryStore>::default();
    let room = direct("alice", "bob");
    let entry = |text: &str| NewEntry {
        room: room.clone(),
        id: MessageId(uuid::Uuid::nil()),
        author: user("alice"),
        client_id: client_id(text),
        at: chrono::DateTime::UNIX_EPOCH,
        body: EntryBody::message(text),
        require: None,
        max_members: None,
    };
    let made = store.create_room(NewRoom {
        id: room.clone(),
        epoch: Epoch(uuid::Uuid::nil()),
        members: vec![user("alice"), user("bob")],
        kind: RoomKind::Direct,
        created_by: None,
        details: Details::default(),
        created_at: chrono::DateTime::UNIX_EPOCH,
    });
    made.await.unwrap();
    store
        .script
        .next(Method::APPEND, [Fault::LoseAnswer, Fault::AWAY]);
    for retry in [Retry::IfIdempotent, Retry::Safe] {
        let batch = vec![
            entry(&format!("{retry:?}-1")),
            entry(&format!("{retry:?}-2")),
        ];
        let answers = store.append(batch).await;
        assert_eq!(answers.len(), 2, "one for each entry");
        for answer in answers {
            let failed = |error: &AppendError| matches!(error, AppendError::Backend(it) if it.retry == retry);
            assert!(answer.is_err_and(|error| failed(&error)));
        }
    }
    let stored = store.page(&room, Page::Newest, 9).await.unwrap();
    assert_eq!(seqs(&stored), [1, 2]);
}

#[tokio::test(start_paused = true)]
async fn a_broker_that_is_refused_is_away_and_has_lost_what_came_meanwhile() {
    let bus = MemoryBus::default();
    let (from, to) = (bus.node(), Faulty::new(bus.node()));
    let topic = Topic::User(user("alice"));
    to.subscribe(&topic).await.unwrap();
    let publish = async |name: &str| {
        let hint = Hint::Presence { user: user(name) };
        from.publish(&topic, &hint).await.unwrap();
    };
    let heard = |name: &str| Delivery::Hint {
        topic: topic.clone(),
        hint: Hint::Presence { user: user(name) },
    };
    publish("one").await;
    assert_eq!(to.next().await, heard("one"));
    // Also a call that waits already hears of it.
    let going = async { to.script.always(Method::NEXT, Fault::AWAY) };
    let (delivery, ()) = tokio::join!(to.next(), going);
    assert_eq!(delivery, Delivery::Away);
    publish("two").await;
    assert_eq!(to.next().await, Delivery::Away);
    to.script.pass();
    assert_eq!(to.next().await, Delivery::Lagged);
    publish("three").await;
    assert_eq!(to.next().await, heard("three"), "and no second one");
}

#[tokio::test]
async fn backends_with_one_script_fail_together() {
    let script = Script::default();
    let cache = Faulty::scripted(MemoryCache::default(), &script);
    let broker = Faulty::scripted(MemoryBus::default().node(), &script);
    let words = Faulty::scripted(WordList::new(["war"]).unwrap(), &script);
    let alice = user("alice");
    let draft = Draft {
        room: direct("alice", "bob"),
        author: alice.clone(),
        text: "hello".into(),
    };
    let all = async || {
        let topic = Topic::Online;
        [
            cache.presence(std::slice::from_ref(&alice)).await.is_ok(),
            broker.subscribe(&topic).await.is_ok(),
            words.review(&draft).await.is_ok(),
        ]
    };
    assert_eq!(all().await, [true; 3]);
    script.always(Method::all(), Fault::AWAY);
    assert_eq!(all().await, [false; 3]);
}
