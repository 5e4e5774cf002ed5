//! Backends in trouble: what is not known is said, and healed; people chat on.

use std::time::Duration;

use chat_core::{
    ChatEngine, Config, ErrorCode, Page, RoomCursor, Seq,
    memory::{MemoryCache, MemoryStore},
    port::{BackendErrorKind, Retry},
    rate::RatePolicy,
    testing::{Fault, Faulty, Method, Script},
};

use crate::common::{client_id, direct, next_entry, text, unlimited, user};

fn engine_with(store: &Faulty<MemoryStore>, config: Config) -> ChatEngine {
    let builder = ChatEngine::builder().config(config);
    builder.store(store.clone()).build().unwrap()
}

fn troubled() -> (Script, ChatEngine) {
    let store = Faulty::default();
    let engine = engine_with(&store, unlimited());
    (store.script, engine)
}

fn appends_take(script: &Script, time: Duration) {
    script.always(Method::APPEND, Fault::Pass.after(time));
}

#[tokio::test(start_paused = true)]
async fn a_retry_after_a_lost_answer_tells_where_the_message_stands_and_delivers_it() {
    let (script, engine) = troubled();
    let bob = engine.connect(user("bob")).await.unwrap();
    let alice = engine.actor(user("alice"));
    let room = direct("alice", "bob");
    script.always(Method::APPEND, Fault::LoseAnswer);
    let error = alice
        .send_as(&room, "hello?", client_id("a"))
        .await
        .unwrap_err();
    assert_eq!(error.code(), ErrorCode::OutcomeUnknown);
    script.pass();
    let sent = alice
        .send_as(&room, "hello?", client_id("a"))
        .await
        .unwrap();
    assert!(sent.duplicate);
    assert_eq!(next_entry(&bob).await.id, sent.id);
    alice.send(&room, "good").await.unwrap();
    assert_eq!(text(&next_entry(&bob).await), "good", "delivered once");
}

#[tokio::test(start_paused = true)]
async fn a_stored_message_whose_answer_was_lost_is_delivered_without_a_retry() {
    let (script, engine) = troubled();
    let bob = engine.connect(user("bob")).await.unwrap();
    let alice = engine.actor(user("alice"));
    let room = direct("alice", "bob");
    script.always(Method::APPEND, Fault::LoseAnswer);
    alice.send(&room, "one").await.unwrap_err();
    let delivered = tokio::time::timeout(Duration::from_secs(3), next_entry(&bob))
        .await
        .unwrap();
    assert_eq!(text(&delivered), "one");
    // With the next message at once, it comes before it.
    alice.send(&room, "two").await.unwrap_err();
    script.pass();
    alice.send(&room, "three").await.unwrap();
    assert_eq!(text(&next_entry(&bob).await), "two");
    assert_eq!(text(&next_entry(&bob).await), "three");
}

#[tokio::test(start_paused = true)]
async fn a_resume_that_is_given_up_leaves_the_room_live() {
    let (script, engine) = troubled();
    let bob = engine.connect(user("bob")).await.unwrap();
    let room = bob.open(&user("alice")).await.unwrap().room;
    let cursor = RoomCursor {
        room: room.id.clone(),
        cursor: room.cursor(),
    };
    let alice = engine.actor(user("alice"));
    alice.send(&room.id, "before").await.unwrap();
    assert_eq!(text(&next_entry(&bob).await), "before");
    script.always(Method::PAGE, Fault::Hang);
    let resuming = async { tokio::time::timeout(Duration::from_secs(1), bob.resume(cursor)).await };
    let (given_up, sent) = tokio::join!(resuming, alice.send(&room.id, "meanwhile"));
    given_up.unwrap_err();
    sent.unwrap();
    alice.send(&room.id, "after").await.unwrap();
    let live = tokio::time::timeout(Duration::from_secs(1), async {
        [next_entry(&bob).await, next_entry(&bob).await]
    });
    let [one, two] = live.await.unwrap();
    assert_eq!([text(&one), text(&two)], ["meanwhile", "after"]);
}

#[tokio::test(start_paused = true)]
async fn a_full_store_refuses_messages_and_is_read_on() {
    let (script, engine) = troubled();
    let alice = engine.actor(user("alice"));
    let room = direct("alice", "bob");
    alice.send(&room, "one").await.unwrap();
    let full = Fault::Refuse(BackendErrorKind::Full, Retry::Safe);
    script.always(Method::APPEND, full);
    assert_eq!(
        alice.send(&room, "two").await.unwrap_err().code(),
        ErrorCode::StoreFull
    );
    assert_eq!(
        alice
            .history(&room, Page::Newest, None)
            .await
            .unwrap()
            .entries
            .len(),
        1
    );
    script.pass();
    assert_eq!(alice.send(&room, "two").await.unwrap().seq, Seq(2));
}

#[tokio::test(start_paused = true)]
async fn a_store_that_stalls_pushes_back_early_and_what_was_accepted_is_stored() {
    let limited = Config {
        send_limit: Some(RatePolicy::Steady {
            interval: Duration::from_secs(1_000),
            burst: 5,
        }),
        ..unlimited()
    };
    let store = Faulty::default();
    let engine = engine_with(&store, limited);
    let script = store.script;
    let alice = engine.actor(user("alice"));
    let room = direct("alice", "bob");
    alice.send(&room, "before").await.unwrap();
    appends_take(&script, Duration::from_secs(4));
    let later = |after: u64, text: &'static str| {
        let (alice, room) = (alice.clone(), room.clone());
        tokio::spawn(async move {
            tokio::time::sleep(Duration::from_millis(after)).await;
            let start = tokio::time::Instant::now();
            let sent = alice.send(&room, text).await;
            (sent, start.elapsed())
        })
    };
    let accepted = [later(0, "in hand"), later(900, "queued")];
    // A budget of five messages is not touched by ten refusals.
    let refused = (0..10).map(|n| later(1_100 + 200 * n, "refused"));
    for refused in refused.collect::<Vec<_>>() {
        let (sent, took) = refused.await.unwrap();
        let error = sent.unwrap_err();
        assert_eq!(
            (error.code(), took),
            (ErrorCode::Overloaded, Duration::ZERO)
        );
        let wait = error.retry_after().unwrap();
        assert!((2..=5).contains(&wait.as_secs()), "{wait:?}");
    }
    appends_take(&script, Duration::ZERO);
    for accepted in accepted {
        accepted.await.unwrap().0.unwrap();
    }
    for text in ["after", "and after"] {
        alice.send(&room, text).await.unwrap();
    }
    let page = alice.history(&room, Page::Newest, None).await.unwrap();
    let texts: Vec<_> = page.entries.iter().map(text).collect();
    assert_eq!(texts, ["before", "in hand", "queued", "after", "and after"]);
}

#[tokio::test(start_paused = true)]
async fn a_stall_that_is_over_is_not_held_against_a_store_that_keeps_up() {
    let (script, engine) = troubled();
    let room = direct("alice", "bob");
    let alice = engine.actor(user("alice"));
    appends_take(&script, Duration::from_millis(2_500));
    alice.send(&room, "slow").await.unwrap();
    appends_take(&script, Duration::from_millis(5));
    tokio::time::sleep(Duration::from_hours(1)).await;
    let mut sends = tokio::task::JoinSet::new();
    for _ in 0..20 {
        let (alice, room) = (alice.clone(), room.clone());
        sends.spawn(async move { alice.send(&room, "quick").await });
    }
    for sent in sends.join_all().await {
        sent.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn without_a_cache_people_chat_on_and_limits_hold_on_this_node() {
    let cache = Faulty::new(MemoryCache::default());
    cache.script.always(Method::all(), Fault::AWAY);
    let engine = ChatEngine::builder().cache(cache.clone()).build().unwrap();
    let alice = engine.connect(user("alice")).await.unwrap();
    let bob = engine.connect(user("bob")).await.unwrap();
    let room = direct("alice", "bob");
    for n in 0..5 {
        alice.send(&room, &n.to_string()).await.unwrap();
        assert_eq!(text(&next_entry(&bob).await), n.to_string());
    }
    let error = alice.send(&room, "one too many").await.unwrap_err();
    assert_eq!(error.code(), ErrorCode::RateLimited);
    let view = alice.open(&user("carol")).await.unwrap();
    let presence = view.members.into_iter().map(|member| member.presence);
    let online: Vec<_> = presence.filter(|it| it.online).map(|it| it.user).collect();
    assert_eq!(online, [user("alice")], "as far as this node knows");
    // Once for each of six messages and two rooms: nothing asks again and again.
    assert_eq!(cache.script.calls(Method::ACQUIRE), 8);
}
