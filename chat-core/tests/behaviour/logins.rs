//! What a login may be used for, and until when.

use std::{sync::Arc, time::Duration};

use chat_core::{
    Actor, ChatEngine, Clock as _, Config, Connect, Error, ErrorCode, ManualClock, Mark, Outbox,
    OutboxLimits, Page, Principal, RoomId, Scopes, Seq, UserId, memory::MemoryStore,
};

fn user(name: &str) -> UserId {
    UserId::new(name).unwrap()
}

/// Only these scopes, none of them unless it is named.
const NONE: Scopes = Scopes {
    read: false,
    send: false,
    manage: false,
    metrics: false,
};

struct World {
    engine: ChatEngine,
    clock: Arc<ManualClock>,
    room: RoomId,
}

/// Alice and bob have a room with one message.
async fn world() -> World {
    let clock = Arc::new(ManualClock::default());
    let engine = ChatEngine::builder()
        .clock(Arc::clone(&clock) as _)
        .build()
        .unwrap();
    let alice = engine.actor(user("alice"));
    let room = alice.open(&user("bob")).await.unwrap().room.id;
    alice.send(&room, "hello").await.unwrap();
    World {
        engine,
        clock,
        room,
    }
}

impl World {
    fn alice(&self, scopes: Scopes) -> Actor {
        self.engine.actor_of(Arc::new(Principal {
            scopes,
            ..Principal::trusted(user("alice"))
        }))
    }
}

fn code<T>(result: Result<T, Error>) -> Option<ErrorCode> {
    result.err().map(|error| error.code())
}

/// The code of what an actor gets for each act, in a fixed order: those that read, send and manage.
async fn acts(actor: &Actor, room: &RoomId) -> [Vec<Option<ErrorCode>>; 3] {
    let bob = user("bob");
    let read = vec![
        code(actor.history(room, Page::Newest, None).await),
        code(actor.view(room).await),
        code(actor.rooms(None, None).await),
        code(actor.receipt(room, Mark::Read, Seq(1)).await),
        code(actor.presence(std::slice::from_ref(&bob)).await),
        code(actor.online().await),
    ];
    let send = vec![
        code(actor.open(&bob).await),
        code(actor.send(room, "again").await),
        code(actor.edit(room, Seq(1), "hello!").await),
        code(actor.typing(room).await),
    ];
    let group = RoomId::group("team").unwrap();
    let manage = vec![code(actor.add_member(&group, bob).await)];
    [read, send, manage]
}

#[tokio::test]
async fn a_login_does_what_its_scopes_name_and_nothing_else() {
    let world = world().await;
    let group = RoomId::group("team").unwrap();
    world
        .engine
        .create_group(group, user("alice"), vec![])
        .await
        .unwrap();
    let refused = Some(ErrorCode::Forbidden);
    for (scopes, allowed) in [
        (Scopes { read: true, ..NONE }, [true, false, false]),
        (Scopes { send: true, ..NONE }, [false, true, false]),
        (
            Scopes {
                manage: true,
                ..NONE
            },
            [false, false, true],
        ),
        (NONE, [false, false, false]),
    ] {
        let got = acts(&world.alice(scopes), &world.room).await;
        for (codes, allowed) in got.iter().zip(allowed) {
            // Opening a room also shows it.
            let mut codes = codes.clone();
            if allowed && scopes.send {
                codes.remove(0);
            }
            let expected = if allowed { None } else { refused };
            assert!(
                codes.iter().all(|code| *code == expected),
                "{scopes:?}: {codes:?}"
            );
        }
    }
    // What was refused has left nothing behind.
    let all = world.engine.actor(user("alice"));
    let log = all.history(&world.room, Page::Newest, None).await.unwrap();
    assert_eq!(
        log.entries.len(),
        3,
        "the first message, one more, and an edit"
    );
}

#[tokio::test]
async fn a_device_connects_only_by_a_login_that_may_read() {
    let world = world().await;
    let sender = Principal {
        scopes: Scopes { send: true, ..NONE },
        ..Principal::trusted(user("alice"))
    };
    let outbox = Outbox::new(OutboxLimits::default());
    let connected = world
        .engine
        .connect_with(Connect::from(Arc::new(sender)), outbox);
    assert_eq!(code(connected.await), Some(ErrorCode::Forbidden));
}

#[tokio::test]
async fn nothing_is_done_by_a_login_that_has_ended() {
    let world = world().await;
    let ends = world.clock.now() + Duration::from_mins(1);
    let alice = world.engine.actor_of(Arc::new(Principal {
        expires_at: Some(ends),
        ..Principal::trusted(user("alice"))
    }));
    assert_eq!(code(alice.send(&world.room, "in time").await), None);
    world.clock.advance(Duration::from_mins(1));
    for code in acts(&alice, &world.room).await.concat() {
        assert_eq!(code, Some(ErrorCode::TokenExpired));
    }
}

#[tokio::test]
async fn of_the_users_whose_names_look_alike_the_first_is_let_in() {
    let store = MemoryStore::default();
    let node = |unique_looks| {
        let config = Config {
            unique_looks,
            ..Config::default()
        };
        let builder = ChatEngine::builder().store(store.clone()).config(config);
        builder.build().unwrap()
    };
    let (one, other, open) = (node(true), node(true), node(false));
    let (first, second) = (user("alice"), user("\u{430}lice"));
    let enter = async |engine: &ChatEngine, user: &UserId| {
        let login = Principal::trusted(user.clone());
        engine.admit(&login).await.map_err(|error| error.code())
    };
    assert_eq!(enter(&one, &first).await, Ok(()));
    for node in [&one, &other] {
        assert_eq!(enter(node, &second).await, Err(ErrorCode::Forbidden));
        assert!(node.connect(second.clone()).await.is_err());
        assert_eq!(enter(node, &first).await, Ok(()));
        assert_eq!(enter(node, &user("bob")).await, Ok(()));
    }
    assert_eq!(enter(&open, &second).await, Ok(()));
}
