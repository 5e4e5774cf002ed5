//! Coming into a room: a ban keeps out whoever is on the way in, and an invitation is used by those it lets in.

use std::{future::ready, sync::Arc, time::Duration};

use chat_core::{
    Actor, ChatEngine, Config, EntryBody, Error, Event, Invite, InviteToken, LeftWhy, Mark, Page,
    Reason, Role, RoomId, Ruling, Scope, Seq, port::RoomStore,
};
use serde_json::json;

use crate::{
    cluster::Cluster,
    common::{engine, next_matching, pending, unlimited, user},
    decisions::decide,
};

fn code<T>(result: Result<T, Error>) -> Option<u16> {
    result.err().map(|error| error.code().code())
}

/// A channel of alice, who owns it, mia, a moderator, and bob.
async fn channel(engine: &ChatEngine) -> RoomId {
    let alice = engine.actor(user("alice"));
    let channel = json!({ "kind": "channel", "name": "News", "members": ["mia", "bob"] });
    let create = serde_json::from_value(channel).unwrap();
    let room = alice.create(create).await.unwrap().room.id;
    let moderator = Role::Moderator;
    alice.set_role(&room, user("mia"), moderator).await.unwrap();
    room
}

async fn ban(by: &Actor, room: &RoomId, name: &str) -> Result<(), Error> {
    let user = user(name);
    let banned = by.ban_from(room, &user, None, Reason::default());
    banned.await.map(drop)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_comes_in_on_another_node_during_the_ban_is_out() {
    let cluster: Cluster = Cluster::default();
    let (one, two) = (cluster.node(), cluster.deaf_node());
    let (alice, eve) = (one.actor(user("alice")), two.actor(user("eve")));
    for round in 0..200 {
        let room = channel(&one).await;
        let invite = alice.invite(&room, None, None, None).await.unwrap();
        let comes_in = async {
            match round % 2 {
                0 => eve.join(&room).await.map(drop),
                _ => eve.accept(&invite.token).await.map(drop),
            }
        };
        let (banned, _) = tokio::join!(ban(&alice, &room, "eve"), comes_in);
        banned.unwrap();
        let member = cluster.store.member(&room, &user("eve")).await.unwrap();
        assert!(
            member.is_none(),
            "round {round}: eve is banned and a member"
        );
        assert_eq!(
            code(eve.history(&room, Page::Newest, None).await),
            Some(200)
        );
    }
}

#[tokio::test]
async fn a_ban_that_another_node_has_lifted_keeps_nobody_out() {
    let cluster: Cluster = Cluster::default();
    let (one, two) = (cluster.node(), cluster.deaf_node());
    let room = channel(&one).await;
    let (alice, eve) = (one.actor(user("alice")), two.actor(user("eve")));
    ban(&alice, &room, "eve").await.unwrap();
    assert_eq!(code(eve.join(&room).await), Some(202));
    alice.unban_from(&room, &user("eve")).await.unwrap();
    eve.join(&room).await.unwrap();
}

#[tokio::test]
async fn a_node_that_has_not_heard_of_a_membership_changes_it_all_the_same() {
    let cluster: Cluster = Cluster::default();
    let (one, two) = (cluster.node(), cluster.deaf_node());
    let room = channel(&one).await;
    let [here, there] = [&one, &two].map(|node| node.actor(user("alice")));
    // The other node knows the room from now on, and hears of nothing that follows.
    there.view(&room).await.unwrap();

    here.add_member(&room, user("eve")).await.unwrap();
    let again = there.add_member(&room, user("eve")).await.unwrap();
    assert_eq!(again.role, Role::Member);
    here.add_member(&room, user("frank")).await.unwrap();
    let frank = there.set_role(&room, user("frank"), Role::Reader);
    assert_eq!(frank.await.unwrap().role, Role::Reader);
    here.add_member(&room, user("gina")).await.unwrap();
    there.remove_member(&room, user("gina")).await.unwrap();
    let member = cluster.store.member(&room, &user("gina")).await.unwrap();
    assert_eq!(member, None);
    here.remove_member(&room, user("bob")).await.unwrap();
    let bob = there.add_member(&room, user("bob")).await.unwrap();
    assert_eq!(bob.role, Role::Member);
}

#[tokio::test]
async fn a_node_that_did_not_use_a_room_sends_its_user_the_end_of_the_membership() {
    let cluster: Cluster = Cluster::default();
    let (one, two) = (cluster.node(), cluster.node());
    let alice = one.actor(user("alice"));
    let room = channel(&one).await;
    let bob = two.connect(user("bob")).await.unwrap();
    alice.remove_member(&room, user("bob")).await.unwrap();
    let left = |event: &Event| match event {
        Event::Entry(entry) => matches!(entry.body, EntryBody::Left { .. }),
        _ => false,
    };
    let heard = tokio::time::timeout(Duration::from_secs(10), next_matching(&bob, left)).await;
    heard.expect("bob is sent the end of the membership");
}

#[tokio::test]
async fn a_node_that_has_not_heard_of_a_ban_lifts_lists_and_replaces_it_all_the_same() {
    let cluster: Cluster = Cluster::default();
    let (one, two) = (cluster.node(), cluster.deaf_node());
    let room = channel(&one).await;
    let [here, there] = [&one, &two].map(|node| node.actor(user("alice")));
    there.view(&room).await.unwrap();
    let bob = user("bob");

    ban(&here, &room, "bob").await.unwrap();
    let listed = there.bans(&room, None, None).await.unwrap().users;
    assert_eq!(listed.len(), 1);
    ban(&here, &room, "mia").await.unwrap();
    ban(&there, &room, "mia").await.unwrap();
    there.unban_from(&room, &bob).await.unwrap();
    here.add_member(&room, bob.clone()).await.unwrap();
    let none = Reason::default();
    here.mute_in(&room, &bob, None, none).await.unwrap();
    there.unmute_in(&room, &bob).await.unwrap();
    for who in [&here, &there] {
        assert_eq!(who.bans(&room, None, None).await.unwrap().users.len(), 1);
        assert_eq!(who.mutes(&room, None, None).await.unwrap().users, []);
    }
}

#[tokio::test]
async fn a_banned_member_reads_and_says_nothing_before_the_membership_ends() {
    let engine = engine();
    let room = channel(&engine).await;
    let bob = engine.connect(user("bob")).await.unwrap();
    bob.send(&room, "hello").await.unwrap();
    let ruling = Ruling::Ban {
        user: user("bob"),
        scope: Scope::Room(room.clone()),
        until: None,
    };
    decide(&engine, ruling).await;
    assert_eq!(
        code(bob.history(&room, Page::Newest, None).await),
        Some(200)
    );
    assert_eq!(code(bob.send(&room, "more").await), Some(200));
    assert_eq!(code(bob.add_member(&room, user("eve")).await), Some(200));
    pending(&bob).await;
    let mia = engine.connect(user("mia")).await.unwrap();
    let sent = mia.send(&room, "not for bob").await.unwrap();
    mia.typing(&room).await.unwrap();
    mia.receipt(&room, Mark::Read, sent.seq).await.unwrap();
    mia.remove_member(&room, user("bob")).await.unwrap();
    let of_room = |event: &Event| !matches!(event, Event::Presence(_));
    let Event::Entry(first) = next_matching(&bob, of_room).await else {
        panic!("bob is sent what goes on in the room");
    };
    assert!(matches!(first.body, EntryBody::Left { .. }), "{first:?}");
}

#[tokio::test]
async fn a_ban_goes_on_to_its_end_when_its_caller_goes_away() {
    let engine = engine();
    let room = channel(&engine).await;
    let alice = engine.actor(user("alice"));
    let mia = engine.connect(user("mia")).await.unwrap();
    tokio::select! {
        biased;
        _ = ban(&alice, &room, "bob") => panic!("it takes longer"),
        () = ready(()) => {}
    }
    let left = EntryBody::Left {
        user: user("bob"),
        why: LeftWhy::Banned,
    };
    let is_left = |event: &Event| match event {
        Event::Entry(entry) => entry.body == left,
        _ => false,
    };
    tokio::time::timeout(Duration::from_secs(10), next_matching(&mia, is_left))
        .await
        .expect("bob is removed");
}

#[tokio::test]
async fn two_devices_that_come_in_at_once_use_one_invitation_up() {
    let engine = engine();
    let room = channel(&engine).await;
    let alice = engine.actor(user("alice"));
    let invite = alice.invite(&room, Some(5), None, None).await.unwrap();
    let accept = async |token: &InviteToken| engine.actor(user("carol")).accept(token).await;
    let (one, other) = tokio::join!(accept(&invite.token), accept(&invite.token));
    assert_eq!((code(one), code(other)), (None, None));
    let left = alice.invites(&room, None, None).await.unwrap().invites;
    assert_eq!(left[0].uses_left, Some(4), "carol came in once");
    let log = alice.history(&room, Page::After(Seq::ZERO), None).await;
    let log = log.unwrap().entries;
    let joined = |entry: &&Arc<chat_core::Entry>| matches!(entry.body, EntryBody::Joined { .. });
    assert_eq!(log.iter().filter(joined).count(), 1);
}

#[tokio::test]
async fn nobody_lifts_what_is_against_themselves_or_from_above() {
    let engine = engine();
    let room = channel(&engine).await;
    let [alice, mia] = ["alice", "mia"].map(|name| engine.actor(user(name)));
    let none = Reason::default();
    let (bob, myself) = (user("bob"), user("mia"));
    let mute = alice.mute_in(&room, &myself, None, none.clone());
    mute.await.unwrap();
    assert_eq!(
        code(mia.unmute_in(&room, &myself).await),
        Some(202),
        "her own"
    );
    alice
        .mute_in(&room, &bob, None, none.clone())
        .await
        .unwrap();
    assert_eq!(
        code(mia.unmute_in(&room, &bob).await),
        Some(202),
        "an owner's"
    );
    alice.unmute_in(&room, &bob).await.unwrap();
    mia.mute_in(&room, &bob, None, none).await.unwrap();
    mia.unmute_in(&room, &bob).await.unwrap();
    engine.actor(bob).send(&room, "hello").await.unwrap();
    alice.unmute_in(&room, &myself).await.unwrap();
    mia.unmute_in(&room, &myself).await.unwrap();
}

#[tokio::test]
async fn a_new_ban_or_mute_replaces_an_earlier_one_unless_that_is_from_above() {
    let engine = engine();
    let room = channel(&engine).await;
    let [alice, mia] = ["alice", "mia"].map(|name| engine.actor(user(name)));
    let (eve, none) = (user("eve"), Reason::default());
    let [hour, minute] = [60, 1].map(|minutes| Some(Duration::from_mins(minutes)));
    for length in [None, hour, minute] {
        let made = mia
            .ban_from(&room, &eve, length, none.clone())
            .await
            .unwrap();
        let listed = mia.bans(&room, None, None).await.unwrap().users;
        assert_eq!(listed, [made], "the list has what the answer says");
        mia.mute_in(&room, &eve, length, none.clone())
            .await
            .unwrap();
    }
    let long = alice
        .ban_from(&room, &eve, None, none.clone())
        .await
        .unwrap();
    let short = mia.ban_from(&room, &eve, minute, none.clone()).await;
    assert_eq!(code(short), Some(202), "an owner's ban stays");
    assert_eq!(mia.bans(&room, None, None).await.unwrap().users, [long]);
    alice.unban_from(&room, &eve).await.unwrap();
    assert_eq!(mia.bans(&room, None, None).await.unwrap().users, []);
    assert_eq!(mia.mutes(&room, None, None).await.unwrap().users.len(), 1);
}

#[tokio::test]
async fn as_many_users_are_banned_or_muted_as_a_room_may_have_members() {
    let config = Config {
        room_members: 4,
        ..unlimited()
    };
    let engine = ChatEngine::builder().config(config).build().unwrap();
    let room = channel(&engine).await;
    let alice = engine.actor(user("alice"));
    for name in ["a", "b", "c", "d"] {
        ban(&alice, &room, name).await.unwrap();
    }
    assert_eq!(code(ban(&alice, &room, "e").await), Some(205));
    ban(&alice, &room, "a").await.unwrap();
    alice.unban_from(&room, &user("a")).await.unwrap();
    ban(&alice, &room, "e").await.unwrap();
}

#[tokio::test]
async fn nobody_lets_in_whom_they_have_blocked_or_who_has_blocked_them() {
    let engine = engine();
    let room = channel(&engine).await;
    let [mia, eve, bob] = ["mia", "eve", "bob"].map(|name| engine.actor(user(name)));
    eve.block(mia.user()).await.unwrap();
    let added = mia.add_member(&room, user("eve")).await;
    assert_eq!(code(added), Some(203));
    for (maker, member) in [(&mia, "eve"), (&eve, "mia")] {
        let group = json!({ "kind": "group", "members": [member] });
        let made = maker.create(serde_json::from_value(group).unwrap()).await;
        assert_eq!(code(made), Some(203));
    }
    bob.add_member(&room, user("eve")).await.unwrap();
}

#[tokio::test]
async fn invitations_that_nobody_can_use_make_place_for_new_ones() {
    let engine = engine();
    let room = channel(&engine).await;
    let alice = engine.actor(user("alice"));
    let once = alice.invite(&room, Some(1), None, None).await.unwrap();
    for _ in 1..Invite::MAX_PER_ROOM {
        alice.invite(&room, None, None, None).await.unwrap();
    }
    let one_more = async || alice.invite(&room, None, None, None).await;
    assert_eq!(code(one_more().await), Some(205));
    let eve = engine.actor(user("eve"));
    eve.accept(&once.token).await.unwrap();
    assert_eq!(
        code(one_more().await),
        None,
        "the one that is used up is gone"
    );
    assert_eq!(code(one_more().await), Some(205));
}
