//! Groups and channels: making and changing them, coming in and going, and what each member is sent of it.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use chat_core::{
    Actor, ChatEngine, Config, EntryBody, Error, ErrorCode, Event, InboxFilter, LeftWhy,
    LocalSession, ManualClock, Mark, MeChange, OnlineList, Page, Reason, Role, RoomChange,
    RoomCursor, RoomId, RoomKind, RoomNews, RoomView, Seq, UserId, command::Create,
    memory::MemoryCache, moderation::WordList, rate::RatePolicy,
};
use serde_json::{Value, json};
use tokio::{
    task::JoinSet,
    time::{sleep, timeout},
};

use crate::{
    cluster::Cluster,
    common::{
        client_id, direct, engine, next_entry, next_matching, pending, text, unlimited, user,
    },
};

fn create(json: Value) -> Create {
    serde_json::from_value(json).unwrap()
}

fn change(json: Value) -> RoomChange {
    serde_json::from_value(json).unwrap()
}

fn code<T>(result: Result<T, Error>) -> Option<u16> {
    result.err().map(|error| error.code().code())
}

fn names(users: impl IntoIterator<Item = impl AsRef<UserId>>) -> Vec<String> {
    users
        .into_iter()
        .map(|user| user.as_ref().to_string())
        .collect()
}

async fn made(by: &Actor, json: Value) -> RoomId {
    by.create(create(json)).await.unwrap().room.id
}

/// A group of alice, who owns it, and bob.
async fn group(engine: &ChatEngine) -> RoomId {
    let alice = engine.actor(user("alice"));
    made(
        &alice,
        json!({ "kind": "group", "name": "Team", "members": ["bob"] }),
    )
    .await
}

#[tokio::test]
async fn who_makes_a_room_owns_it_and_sees_it() {
    let engine = engine();
    let alice = engine.actor(user("alice"));
    let RoomView { room, me, members } = alice
        .create(create(json!({
            "kind": "channel", "name": "News", "topic": "of today", "data": { "x": 1 },
            "settings": { "post": "moderators" }, "members": ["bob", "alice"],
        })))
        .await
        .unwrap();
    assert_eq!((room.kind, room.members), (RoomKind::Channel, 2));
    assert_eq!(room.created_by, Some(user("alice")));
    assert_eq!(room.details.name.as_str(), "News");
    assert_eq!(me.role, Role::Owner);
    let seen: Vec<_> = members
        .iter()
        .map(|it| (it.presence.user.as_str(), it.role))
        .collect();
    assert_eq!(seen, [("alice", Role::Owner), ("bob", Role::Member)]);
    let bob = engine.actor(user("bob"));
    assert_eq!(bob.view(&room.id).await.unwrap().room, room);
    let carol = engine.actor(user("carol"));
    assert_eq!(code(carol.view(&room.id).await), Some(200));
}

#[tokio::test]
async fn a_room_is_made_once_under_a_client_id() {
    let cluster = Cluster::far_from_the_store();
    let (one, two) = (cluster.node(), cluster.node());
    let group = |more: Value| {
        let mut fields = json!({
            "kind": "group", "name": "Team", "members": ["bob", "carol"], "client_id": "c1",
        });
        fields
            .as_object_mut()
            .unwrap()
            .extend(more.as_object().unwrap().clone());
        create(fields)
    };
    let same = || group(json!({}));
    let alice = one.actor(user("alice"));
    let made = alice.create(same()).await.unwrap().room;
    let again = [
        alice.create(same()).await,
        two.actor(user("alice")).create(same()).await,
        alice
            .create(group(json!({ "members": ["carol", "bob", "alice"] })))
            .await,
    ];
    for again in again {
        assert_eq!(again.unwrap().room, made);
    }
    let rename = change(json!({ "name": "Crew" }));
    alice.update(&made.id, rename, None).await.unwrap();
    alice.remove_member(&made.id, user("bob")).await.unwrap();
    let again = alice.create(same()).await.unwrap().room;
    assert_eq!(again.id, made.id, "it was made so, whatever it is now");
    assert_eq!(again.details.name.as_str(), "Crew");
    for other in [
        json!({ "kind": "channel" }),
        json!({ "name": "Crew" }),
        json!({ "members": ["bob"] }),
        json!({ "settings": { "slow_mode": 9 } }),
        json!({ "data": { "x": 1 } }),
    ] {
        let conflict = two.actor(user("alice")).create(group(other.clone())).await;
        assert_eq!(code(conflict), Some(204), "{other}");
    }
    let others = one.actor(user("bob")).create(same()).await.unwrap();
    assert_ne!(
        others.room.id, made.id,
        "everybody has client ids of their own"
    );
    let listed = alice.rooms(None, None).await.unwrap().rooms;
    assert_eq!(listed.len(), 1);
}

#[tokio::test]
async fn a_repeated_create_takes_nothing_from_the_budget_and_makes_nothing_beside() {
    let config = Config {
        room_limit: Some(RatePolicy::Steady {
            interval: Duration::from_hours(1),
            burst: 1,
        }),
        ..unlimited()
    };
    let engine = ChatEngine::builder().config(config).build().unwrap();
    let alice = engine.actor(user("alice"));
    let new = || create(json!({ "kind": "group", "client_id": "c1" }));
    for _ in 0..9 {
        alice.create(new()).await.unwrap();
    }
    let other = alice.create(create(json!({ "kind": "group" }))).await;
    assert_eq!(code(other), Some(210));
    let engine = self::engine();
    let mut calls = JoinSet::new();
    for _ in 0..9 {
        let alice = engine.actor(user("alice"));
        calls.spawn(async move { alice.create(new()).await.unwrap().room.id });
    }
    let ids: BTreeSet<_> = calls.join_all().await.into_iter().collect();
    assert_eq!(ids.len(), 1);
}

#[tokio::test]
async fn a_room_that_breaks_a_rule_is_not_made() {
    let config = Config {
        room_members: 3,
        ..unlimited()
    };
    let engine = ChatEngine::builder().config(config).build().unwrap();
    let alice = engine.actor(user("alice"));
    for (json, expected) in [
        (json!({ "kind": "direct", "members": ["bob"] }), 100),
        (json!({ "kind": "group", "members": ["a", "b", "c"] }), 205),
    ] {
        assert_eq!(code(alice.create(create(json)).await), Some(expected));
    }
    let id = direct("alice", "bob");
    let new = create(json!({ "kind": "group" }));
    assert_eq!(
        code(engine.create_room(id, user("alice"), new).await),
        Some(102)
    );
    let room = made(&alice, json!({ "kind": "group", "members": ["a", "b"] })).await;
    assert_eq!(code(alice.add_member(&room, user("c")).await), Some(205));
    alice.remove_member(&room, user("a")).await.unwrap();
    alice.add_member(&room, user("c")).await.unwrap();
}

#[tokio::test]
async fn first_members_are_sent_the_new_room_and_later_ones_theirs() {
    let engine = engine();
    let bob = engine.connect(user("bob")).await.unwrap();
    let carol = engine.connect(user("carol")).await.unwrap();
    let room = group(&engine).await;
    let added = async |session: &LocalSession, wanted: RoomNews| {
        let such = |event: &Event| matches!(event, Event::Room { why, .. } if *why == wanted);
        match timeout(Duration::from_secs(5), next_matching(session, such)).await {
            Ok(Event::Room { room, .. }) => room,
            other => panic!("{other:?}"),
        }
    };
    let news = added(&bob, RoomNews::Added).await;
    assert_eq!((&news.room.id, news.me.role), (&room, Role::Member));
    assert_eq!(news.room.details.name.as_str(), "Team");
    let alice = engine.actor(user("alice"));
    alice.send(&room, "hello").await.unwrap();
    alice.add_member(&room, user("carol")).await.unwrap();
    let news = added(&carol, RoomNews::Added).await;
    assert_eq!((news.room.members, news.unread), (3, 0));
    assert_eq!(
        news.last, None,
        "what was said before carol came is not for her"
    );
    alice.remove_member(&room, user("carol")).await.unwrap();
    assert_eq!(added(&carol, RoomNews::Removed).await.room.id, room);
}

#[tokio::test]
async fn a_change_of_a_room_is_an_entry_that_all_members_are_sent() {
    let engine = engine();
    let room = group(&engine).await;
    let (alice, bob) = (
        engine.actor(user("alice")),
        engine.connect(user("bob")).await.unwrap(),
    );
    let to = change(json!({ "name": "Crew", "settings": { "slow_mode": 9 } }));
    let view = alice
        .update(&room, to.clone(), Some(client_id("u1")))
        .await
        .unwrap();
    assert_eq!(view.room.details.name.as_str(), "Crew");
    assert_eq!(view.room.details.settings.unwrap().slow_mode, 9);
    let entry = next_entry(&bob).await;
    assert_eq!(entry.body, EntryBody::Room(Arc::new(to.clone())));
    assert_eq!(entry.author, user("alice"));
    alice
        .update(&room, to.clone(), Some(client_id("u1")))
        .await
        .unwrap();
    assert_eq!(
        bob.view(&room).await.unwrap().room.head,
        Seq(1),
        "a retry is none"
    );
    assert_eq!(code(bob.update(&room, to, None).await), Some(202));
    assert_eq!(
        code(alice.update(&room, RoomChange::default(), None).await),
        Some(100)
    );
    let direct = bob.open(&user("alice")).await.unwrap().room.id;
    let name = change(json!({ "name": "x" }));
    assert_eq!(code(bob.update(&direct, name, None).await), Some(200));
}

#[tokio::test]
async fn an_archived_room_is_read_only_until_it_is_opened_again() {
    let engine = engine();
    let room = group(&engine).await;
    let (alice, bob) = (engine.actor(user("alice")), engine.actor(user("bob")));
    bob.send(&room, "hello").await.unwrap();
    let archive = |archived| change(json!({ "archived": archived }));
    alice.update(&room, archive(true), None).await.unwrap();
    assert_eq!(code(bob.send(&room, "more").await), Some(202));
    assert_eq!(code(bob.edit(&room, Seq(1), "more").await), Some(202));
    assert_eq!(
        code(alice.add_member(&room, user("carol")).await),
        Some(202)
    );
    assert_eq!(code(alice.invite(&room, None, None, None).await), Some(202));
    assert_eq!(
        bob.history(&room, Page::Newest, None)
            .await
            .unwrap()
            .entries
            .len(),
        2
    );
    alice.update(&room, archive(false), None).await.unwrap();
    bob.send(&room, "more").await.unwrap();
}

#[tokio::test]
async fn the_last_who_leaves_closes_the_door() {
    let engine = engine();
    let room = group(&engine).await;
    let (alice, bob) = (engine.actor(user("alice")), engine.actor(user("bob")));
    assert_eq!(code(alice.leave(&room).await), Some(202), "the last owner");
    bob.leave(&room).await.unwrap();
    alice.leave(&room).await.unwrap();
    assert_eq!(code(alice.view(&room).await), Some(200));
    let seen = engine.inspect(&room, Page::Newest, None).await.unwrap();
    assert!(seen.room.details.archived && seen.room.members == 0);
}

#[tokio::test]
async fn anybody_finds_and_joins_a_channel_and_nothing_else() {
    let engine = engine();
    let (alice, bob) = (engine.actor(user("alice")), engine.actor(user("bob")));
    let channel = made(&alice, json!({ "kind": "channel", "name": "Rust News" })).await;
    let group = made(&alice, json!({ "kind": "group", "name": "Rust Crew" })).await;
    let found = bob.find_channels("RUST", None, None).await.unwrap();
    let ids: Vec<_> = found.rooms.iter().map(|room| room.id.clone()).collect();
    assert_eq!((ids, found.more), (vec![channel.clone()], false));
    assert_eq!(
        code(bob.history(&channel, Page::Newest, None).await),
        Some(200),
        "not before"
    );
    assert_eq!(code(bob.join(&group).await), Some(200));
    assert_eq!(
        code(bob.join(&RoomId::group("none").unwrap()).await),
        Some(200)
    );
    assert_eq!(code(bob.join(&direct("alice", "carol")).await), Some(200));
    let view = bob.join(&channel).await.unwrap();
    assert_eq!((view.me.role, view.room.members), (Role::Member, 2));
    let again = bob.join(&channel).await.unwrap();
    assert_eq!(again.room.head, Seq(1), "joining again is no entry");
    bob.send(&channel, "hello").await.unwrap();
}

#[tokio::test]
async fn a_member_reads_from_joining_on_where_history_begins_there() {
    let engine = engine();
    let room = group(&engine).await;
    let alice = engine.actor(user("alice"));
    let secret = alice.send(&room, "before carol").await.unwrap();
    alice.send(&room, "still before").await.unwrap();
    alice.add_member(&room, user("carol")).await.unwrap();
    alice.send(&room, "after").await.unwrap();
    let carol = engine.connect(user("carol")).await.unwrap();
    let numbers = async |page| {
        let page = carol.history(&room, page, None).await.unwrap();
        let numbers: Vec<_> = page.entries.iter().map(|entry| entry.seq.0).collect();
        (numbers, page.older, page.newer)
    };
    for page in [
        Page::Newest,
        Page::After(Seq(0)),
        Page::After(Seq(2)),
        Page::Around(Seq(1)),
        Page::Around(Seq(3)),
    ] {
        assert_eq!(numbers(page).await, (vec![3, 4], false, false), "{page:?}");
    }
    assert_eq!(numbers(Page::Before(Seq(4))).await, (vec![3], false, true));
    assert_eq!(numbers(Page::Before(Seq(3))).await, (vec![], false, true));
    assert!(carol.find(&room, secret.id).await.unwrap().is_none());
    let listed = carol.rooms(None, None).await.unwrap().rooms;
    assert_eq!(listed[0].unread, 1);
    let epoch = listed[0].room.epoch;
    let cursor = chat_core::Cursor { epoch, seq: Seq(0) };
    let resumed = RoomCursor {
        room: room.clone(),
        cursor,
    };
    assert_eq!(carol.resume(resumed).await.unwrap().seq, Seq(4));
    let missed = pending(&carol).await;
    let entries: Vec<_> = missed
        .iter()
        .filter_map(|event| match event {
            Event::Entry(entry) => Some(entry.seq.0),
            Event::Gap { .. } => panic!("there is no gap: {event:?}"),
            _ => None,
        })
        .collect();
    assert_eq!(entries, [3, 4]);
    let open = change(json!({ "settings": { "history": "all" } }));
    alice.update(&room, open, None).await.unwrap();
    assert_eq!(numbers(Page::Newest).await.0, [1, 2, 3, 4, 5]);
    let bob = engine.actor(user("bob"));
    let all = bob.history(&room, Page::Newest, None).await.unwrap();
    assert_eq!(all.entries.len(), 5, "a first member has read all along");
}

#[tokio::test]
async fn an_edit_of_what_a_member_may_not_read_has_no_text() {
    let engine = engine();
    let room = group(&engine).await;
    let alice = engine.actor(user("alice"));
    let secret = alice.send(&room, "before carol").await.unwrap().seq;
    let bob = engine.connect(user("bob")).await.unwrap();
    alice.add_member(&room, user("carol")).await.unwrap();
    let carol = engine.connect(user("carol")).await.unwrap();
    let edit = alice.edit(&room, secret, "still secret").await.unwrap();
    next_entry(&bob).await;
    assert_eq!(text(&next_entry(&bob).await), "still secret");
    let live = next_entry(&carol).await;
    assert_eq!((live.seq, text(&live)), (edit.seq, ""), "live");
    let page = carol.history(&room, Page::Newest, None).await.unwrap();
    assert_eq!(text(&page.entries[1]), "", "in the history");
    let found = carol.find(&room, edit.id).await.unwrap().unwrap();
    assert_eq!(text(&found), "", "by its id");
    let epoch = page.epoch;
    let cursor = chat_core::Cursor { epoch, seq: Seq(2) };
    pending(&carol).await;
    let resumed = RoomCursor {
        room: room.clone(),
        cursor,
    };
    carol.resume(resumed).await.unwrap();
    assert_eq!(text(&next_entry(&carol).await), "", "resumed");
    let after = alice.send(&room, "after").await.unwrap().seq;
    alice.edit(&room, after, "edited").await.unwrap();
    next_entry(&carol).await;
    assert_eq!(text(&next_entry(&carol).await), "edited");
    let seen = bob.history(&room, Page::Newest, None).await.unwrap();
    assert_eq!(text(&seen.entries[2]), "still secret", "others read it");
}

#[tokio::test]
async fn an_invitation_lets_in_as_many_as_it_says_and_can_be_taken_back() {
    let engine = engine();
    let room = group(&engine).await;
    let [alice, bob, carol, dave] =
        ["alice", "bob", "carol", "dave"].map(|it| engine.actor(user(it)));
    let invite = bob
        .invite(&room, Some(1), None, Some(Role::Reader))
        .await
        .unwrap();
    assert_eq!((invite.uses_left, &invite.by), (Some(1), &user("bob")));
    let view = alice.accept(&invite.token).await.unwrap();
    assert_eq!(view.me.role, Role::Owner, "a member uses nothing up");
    let view = carol.accept(&invite.token).await.unwrap();
    assert_eq!((view.room.id, view.me.role), (room.clone(), Role::Reader));
    assert_eq!(
        code(dave.accept(&invite.token).await),
        Some(200),
        "it is used up"
    );
    let invite = alice.invite(&room, None, None, None).await.unwrap();
    assert_eq!(code(carol.invites(&room, None, None).await), Some(202));
    let listed = alice.invites(&room, None, None).await.unwrap();
    assert_eq!(listed.invites.len(), 2);
    alice.uninvite(&room, invite.id).await.unwrap();
    alice.uninvite(&room, invite.id).await.unwrap();
    assert_eq!(code(dave.accept(&invite.token).await), Some(200));
    assert_eq!(
        code(carol.invite(&room, None, None, None).await),
        Some(202),
        "a reader"
    );
    assert_eq!(code(dave.invite(&room, None, None, None).await), Some(200));
    let above = bob.invite(&room, None, None, Some(Role::Moderator)).await;
    assert_eq!(code(above), Some(202));
    let moderators = change(json!({ "settings": { "add": "moderators" } }));
    alice.update(&room, moderators, None).await.unwrap();
    assert_eq!(code(bob.invite(&room, None, None, None).await), Some(202));
    assert_eq!(code(bob.add_member(&room, user("dave")).await), Some(202));
}

#[tokio::test]
async fn an_invitation_ends_and_a_full_room_uses_nothing_up() {
    let clock = Arc::new(ManualClock::default());
    let config = Config {
        room_members: 3,
        ..unlimited()
    };
    let builder = ChatEngine::builder()
        .config(config)
        .clock(Arc::clone(&clock) as _);
    let engine = builder.build().unwrap();
    let room = group(&engine).await;
    let [alice, carol, dave] = ["alice", "carol", "dave"].map(|it| engine.actor(user(it)));
    let minute = Duration::from_mins(1);
    let invite = alice
        .invite(&room, Some(2), Some(minute), None)
        .await
        .unwrap();
    carol.accept(&invite.token).await.unwrap();
    assert_eq!(code(dave.accept(&invite.token).await), Some(205));
    let left = alice.invites(&room, None, None).await.unwrap().invites;
    assert_eq!(left[0].uses_left, Some(1));
    carol.leave(&room).await.unwrap();
    clock.advance(minute);
    assert_eq!(
        code(dave.accept(&invite.token).await),
        Some(200),
        "it has ended"
    );
}

#[tokio::test]
async fn numbers_beyond_their_limits_are_refused() {
    let engine = engine();
    let room = group(&engine).await;
    let alice = engine.actor(user("alice"));
    let seconds = |seconds| Some(Duration::from_secs(seconds));
    for uses in [0, 100_001, u32::MAX] {
        assert_eq!(
            code(alice.invite(&room, Some(uses), None, None).await),
            Some(100)
        );
    }
    for length in [0, 3_155_760_001, u64::MAX] {
        let invited = alice.invite(&room, None, seconds(length), None).await;
        assert_eq!(code(invited), Some(100), "{length}");
        let (bob, reason) = (user("bob"), Reason::default());
        let banned = alice
            .ban_from(&room, &bob, seconds(length), reason.clone())
            .await;
        assert_eq!(code(banned), Some(100), "{length}");
        assert_eq!(
            code(alice.mute_in(&room, &bob, seconds(length), reason).await),
            Some(100)
        );
    }
    alice
        .invite(&room, Some(100_000), seconds(3_155_760_000), None)
        .await
        .unwrap();
}

#[tokio::test]
async fn who_is_banned_is_out_and_nobody_lets_them_in() {
    let clock = Arc::new(ManualClock::default());
    let builder = ChatEngine::builder()
        .config(unlimited())
        .clock(Arc::clone(&clock) as _);
    let engine = builder.build().unwrap();
    let [alice, bob] = ["alice", "bob"].map(|it| engine.actor(user(it)));
    let channel = json!({ "kind": "channel", "members": ["bob", "carol"] });
    let room = made(&alice, channel).await;
    let invite = alice.invite(&room, None, None, None).await.unwrap();
    let carol = engine.connect(user("carol")).await.unwrap();
    let spam = Reason::new("spam").unwrap();
    let hour = Some(Duration::from_hours(1));
    assert_eq!(
        code(
            bob.ban_from(&room, &user("carol"), hour, spam.clone())
                .await
        ),
        Some(202)
    );
    let banned = alice
        .ban_from(&room, &user("carol"), hour, spam.clone())
        .await
        .unwrap();
    assert_eq!(
        (&banned.user, &banned.by, &banned.reason),
        (&user("carol"), &user("alice"), &spam)
    );
    let left = next_entry(&carol).await;
    let why = LeftWhy::Banned;
    assert_eq!(
        left.body,
        EntryBody::Left {
            user: user("carol"),
            why
        }
    );
    assert_eq!(
        code(carol.history(&room, Page::Newest, None).await),
        Some(200)
    );
    assert_eq!(code(carol.join(&room).await), Some(202));
    assert_eq!(code(carol.accept(&invite.token).await), Some(202));
    assert_eq!(
        code(alice.add_member(&room, user("carol")).await),
        Some(202)
    );
    let bans = alice.bans(&room, None, None).await.unwrap();
    assert_eq!(bans.users, [banned]);
    clock.advance(Duration::from_hours(1));
    assert_eq!(alice.bans(&room, None, None).await.unwrap().users, []);
    carol.join(&room).await.unwrap();
    let never = alice
        .ban_from(&room, &user("dave"), None, Reason::default())
        .await
        .unwrap();
    assert_eq!(never.until, None, "a user who never was in it");
    let dave = engine.actor(user("dave"));
    assert_eq!(code(dave.join(&room).await), Some(202));
    alice.unban_from(&room, &user("dave")).await.unwrap();
    dave.join(&room).await.unwrap();
    assert_eq!(
        code(alice.ban_from(&room, &user("alice"), None, spam).await),
        Some(202)
    );
}

#[tokio::test]
async fn who_is_muted_in_a_room_reads_there_and_speaks_elsewhere() {
    let engine = engine();
    let room = group(&engine).await;
    let other = group(&engine).await;
    let [alice, bob] = ["alice", "bob"].map(|it| engine.actor(user(it)));
    let minute = Some(Duration::from_mins(1));
    alice
        .mute_in(&room, &user("bob"), minute, Reason::default())
        .await
        .unwrap();
    let refused = bob.send(&room, "hello").await.unwrap_err();
    assert_eq!(refused.code(), ErrorCode::Muted);
    assert!(
        refused
            .retry_after()
            .is_some_and(|wait| wait <= Duration::from_mins(1))
    );
    assert_eq!(code(bob.typing(&room).await), Some(211));
    assert_eq!(code(bob.add_member(&room, user("carol")).await), Some(202));
    bob.history(&room, Page::Newest, None).await.unwrap();
    bob.send(&other, "hello").await.unwrap();
    let mutes = alice.mutes(&room, None, None).await.unwrap().users;
    assert_eq!(names(mutes.iter().map(|it| &it.user).map(Named)), ["bob"]);
    alice.unmute_in(&room, &user("bob")).await.unwrap();
    bob.send(&room, "hello").await.unwrap();
}

struct Named<'a>(&'a UserId);

impl AsRef<UserId> for Named<'_> {
    fn as_ref(&self) -> &UserId {
        self.0
    }
}

#[tokio::test]
async fn a_message_that_is_refused_uses_up_no_turn_of_slow_mode() {
    let words = WordList::new(["rude"]).unwrap();
    let engine = ChatEngine::builder().config(unlimited()).moderator(words);
    let engine = engine.build().unwrap();
    let room = group(&engine).await;
    let [alice, bob] = ["alice", "bob"].map(|it| engine.actor(user(it)));
    let slow = change(json!({ "settings": { "slow_mode": 30 } }));
    alice.update(&room, slow, None).await.unwrap();
    let refused = bob.send(&room, "something rude").await.unwrap_err();
    assert_eq!(refused.code(), ErrorCode::Moderated);
    bob.send(&room, "something kind").await.unwrap();
    assert_eq!(code(bob.send(&room, "more").await), Some(211));
}

#[tokio::test]
async fn slow_mode_makes_members_wait_and_moderators_not() {
    let clock = Arc::new(ManualClock::default());
    let cache = MemoryCache::new(Arc::clone(&clock) as _);
    let builder = ChatEngine::builder()
        .config(unlimited())
        .clock(Arc::clone(&clock) as _)
        .cache(cache);
    let engine = builder.build().unwrap();
    let room = group(&engine).await;
    let [alice, bob] = ["alice", "bob"].map(|it| engine.actor(user(it)));
    let slow = change(json!({ "settings": { "slow_mode": 30 } }));
    alice.update(&room, slow, None).await.unwrap();
    let first = bob.send_as(&room, "one", client_id("m1")).await.unwrap();
    let refused = bob.send(&room, "two").await.unwrap_err();
    assert_eq!(refused.code(), ErrorCode::Muted);
    assert_eq!(refused.retry_after(), Some(Duration::from_secs(30)));
    let again = bob.send_as(&room, "one", client_id("m1")).await.unwrap();
    assert!(
        again.duplicate && again.seq == first.seq,
        "a retry has waited already"
    );
    alice.send(&room, "one").await.unwrap();
    alice.send(&room, "two").await.unwrap();
    clock.advance(Duration::from_secs(30));
    bob.send(&room, "two").await.unwrap();
    for _ in 0..2 {
        let again = bob.send_as(&room, "one", client_id("m1")).await.unwrap();
        assert!(again.duplicate, "also the retry of an earlier message");
    }
    let other = bob.send_as(&room, "one", client_id("m2")).await;
    assert_eq!(code(other), Some(211), "another message is no retry");
}

#[tokio::test]
async fn the_inbox_is_in_the_order_of_life_and_comes_in_pages() {
    let engine = engine();
    let [alice, bob] = ["alice", "bob"].map(|it| engine.actor(user(it)));
    let one = group(&engine).await;
    let two = group(&engine).await;
    let three = bob.open(&user("alice")).await.unwrap().room.id;
    for room in [&two, &three, &one] {
        alice.send(room, "hello").await.unwrap();
    }
    let all = InboxFilter::All;
    let first = bob.inbox(all, None, Some(2)).await.unwrap();
    let ids = |page: &chat_core::InboxPage| -> Vec<_> {
        page.rooms.iter().map(|it| it.room.id.clone()).collect()
    };
    assert_eq!(ids(&first), [one.clone(), three.clone()]);
    assert_eq!(first.rooms[0].unread, 1);
    assert_eq!(text(first.rooms[0].last.as_ref().unwrap()), "hello");
    let rest = bob.inbox(all, first.next.as_ref(), Some(2)).await.unwrap();
    assert_eq!((ids(&rest), rest.next), (vec![two.clone()], None));
    bob.receipt(&one, Mark::Read, Seq(1)).await.unwrap();
    let unread = bob.inbox(InboxFilter::Unread, None, None).await.unwrap();
    assert_eq!(ids(&unread), [three, two]);
}

#[tokio::test]
async fn what_a_user_sets_is_sent_to_their_devices_alone() {
    let cluster = <Cluster>::new((), ());
    let (node, other) = (cluster.node(), cluster.node());
    let room = group(&node).await;
    let [alice, bob] = ["alice", "bob"].map(user);
    let phone = node.connect(bob.clone()).await.unwrap();
    let laptop = other.connect(bob.clone()).await.unwrap();
    let alice = node.connect(alice).await.unwrap();
    let pin: MeChange = serde_json::from_value(json!({ "pinned": true })).unwrap();
    let me = phone.set_me(&room, pin).await.unwrap();
    assert!(me.pinned && me.role == Role::Member);
    for device in [&phone, &laptop] {
        let such = |event: &Event| matches!(event, Event::Me { .. });
        let event = timeout(Duration::from_secs(5), next_matching(device, such)).await;
        assert_eq!(
            event.unwrap(),
            Event::Me {
                room: room.clone(),
                me
            }
        );
    }
    let seen = pending(&alice).await;
    assert!(!seen.iter().any(|event| matches!(event, Event::Me { .. })));
    assert_eq!(
        code(node.actor(user("carol")).set_me(&room, pin).await),
        Some(200)
    );
}

#[tokio::test(start_paused = true)]
async fn the_members_of_another_node_are_sent_the_new_room_and_what_is_said_in_it() {
    let cluster = Cluster::far_from_the_store();
    let (one, two) = (cluster.node(), cluster.node());
    let bob = two.connect(user("bob")).await.unwrap();
    let carol = two.connect(user("carol")).await.unwrap();
    let room = group(&one).await;
    let alice = one.actor(user("alice"));
    sleep(Duration::from_secs(1)).await;
    let added = |event: &Event| {
        matches!(
            event,
            Event::Room {
                why: RoomNews::Added,
                ..
            }
        )
    };
    assert_eq!(
        pending(&bob)
            .await
            .iter()
            .filter(|event| added(event))
            .count(),
        1
    );
    alice.send(&room, "one").await.unwrap();
    assert_eq!(text(&next_entry(&bob).await), "one");
    alice.add_member(&room, user("carol")).await.unwrap();
    alice.send(&room, "two").await.unwrap();
    let joined = next_entry(&carol).await;
    assert!(
        matches!(joined.body, EntryBody::Joined { .. }),
        "{joined:?}"
    );
    assert_eq!(text(&next_entry(&carol).await), "two");
    sleep(Duration::from_secs(1)).await;
    alice.remove_member(&room, user("carol")).await.unwrap();
    alice.send(&room, "three").await.unwrap();
    let left = next_entry(&carol).await;
    assert!(matches!(left.body, EntryBody::Left { .. }), "{left:?}");
    sleep(Duration::from_secs(1)).await;
    let after = pending(&carol).await;
    assert!(!after.iter().any(|event| matches!(event, Event::Entry(_))));
}

#[tokio::test(start_paused = true)]
async fn a_ban_from_a_room_holds_on_another_node_within_a_second() {
    let cluster = Cluster::far_from_the_store();
    let (one, two) = (cluster.node(), cluster.node());
    let alice = one.actor(user("alice"));
    let channel = made(&alice, json!({ "kind": "channel", "members": ["bob"] })).await;
    let bob = two.connect(user("bob")).await.unwrap();
    bob.send(&channel, "hello").await.unwrap();
    let reason = Reason::default();
    alice
        .ban_from(&channel, &user("bob"), None, reason)
        .await
        .unwrap();
    sleep(Duration::from_secs(1)).await;
    assert_eq!(code(bob.send(&channel, "hello").await), Some(200));
    assert_eq!(code(bob.join(&channel).await), Some(202));
    alice.unban_from(&channel, &user("bob")).await.unwrap();
    sleep(Duration::from_secs(1)).await;
    bob.join(&channel).await.unwrap();
}

#[tokio::test]
async fn in_a_large_room_receipts_typing_and_presence_are_asked_for() {
    let engine = engine();
    let crowd: Vec<_> = (0..100).map(|n| format!("m{n:03}")).collect();
    let alice = engine.connect(user("alice")).await.unwrap();
    let small = json!({ "kind": "group", "members": crowd[..99] });
    let (small, large) = (
        made(&alice, small).await,
        made(&alice, json!({ "kind": "group", "members": crowd })).await,
    );
    assert_eq!(alice.view(&small).await.unwrap().members.len(), 100);
    assert_eq!(alice.view(&large).await.unwrap().members.len(), 0);
    let listed = alice.members(&large, None, Some(200)).await.unwrap();
    assert_eq!(listed.members.len(), 101);
    let other = engine.connect(user("m000")).await.unwrap();
    for (room, shown) in [(&small, true), (&large, false)] {
        pending(&other).await;
        pending(&alice).await;
        alice.send(room, "hello").await.unwrap();
        other.typing(room).await.unwrap();
        other.receipt(room, Mark::Read, Seq(1)).await.unwrap();
        // What came before it has been sent.
        other.send(room, "done").await.unwrap();
        let mut seen = [false; 2];
        loop {
            match alice.next_event().await.unwrap() {
                Event::Typing { active: true, .. } => seen[0] = true,
                Event::Receipt { .. } => seen[1] = true,
                Event::Entry(entry) if entry.seq == Seq(2) => break,
                _ => {}
            }
        }
        assert_eq!(seen, [shown; 2]);
        let asked = alice.members(room, None, Some(1)).await.unwrap();
        let first = &asked.members[0];
        assert_eq!(first.user, user("alice"));
        let asked = alice
            .members(room, Some(&user("alice")), Some(1))
            .await
            .unwrap();
        assert_eq!(asked.members[0].watermarks.read, Seq(1), "asking works");
    }
}

#[tokio::test]
async fn users_see_online_whom_they_share_a_room_with_however_large() {
    let config = Config {
        online_list: OnlineList::Rooms,
        ..unlimited()
    };
    let engine = ChatEngine::builder().config(config).build().unwrap();
    let alice = engine.connect(user("alice")).await.unwrap();
    let crowd: Vec<_> = (0..150).map(|n| format!("m{n:03}")).collect();
    made(&alice, json!({ "kind": "group", "members": crowd })).await;
    alice.open(&user("bob")).await.unwrap();
    let mut there = Vec::new();
    for name in ["bob", "m149", "eve"] {
        there.push(engine.connect(user(name)).await.unwrap());
    }
    let online = alice.online().await.unwrap();
    assert_eq!(online, ["alice", "bob", "m149"].map(user));
    let asked = ["eve", "m149", "m000", "alice"].map(user);
    let presence = alice.presence(&asked).await.unwrap();
    let seen: Vec<_> = presence.iter().map(|one| one.online).collect();
    assert_eq!(seen, [false, true, false, true]);
}

#[tokio::test]
async fn pages_of_large_rooms_fit_into_an_outbox_and_miss_none() {
    let engine = engine();
    let alice = engine.connect(user("alice")).await.unwrap();
    let data = json!({ "x": "x".repeat(4_000) });
    for _ in 0..150 {
        let room = json!({ "kind": "channel", "name": "large", "data": data });
        let room = made(&alice, room).await;
        alice.send(&room, &"x".repeat(2_000)).await.unwrap();
    }
    let most = Config::default().outbox.bytes;
    let size = |page: Value| page.to_string().len();
    let (mut seen, mut after) = (BTreeSet::new(), None);
    loop {
        let all = InboxFilter::All;
        let page = alice.inbox(all, after.as_ref(), Some(200)).await.unwrap();
        assert!(size(serde_json::to_value(&page).unwrap()) < most);
        seen.extend(page.rooms.into_iter().map(|room| room.room.id));
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    assert_eq!(seen.len(), 150);
    let listed = alice.rooms(None, Some(200)).await.unwrap();
    assert!(listed.more && size(serde_json::to_value(&listed).unwrap()) < most);
    let found = alice.find_channels("large", None, Some(200)).await.unwrap();
    assert!(found.more && size(serde_json::to_value(&found).unwrap()) < most);
}
