//! Several nodes on one store and one bus behave as one, also when hints are lost.

use std::time::Duration;

use chat_core::{
    EntryBody, ErrorCode, Event, LeftWhy, Mark, Presence, Role, RoomId, Seq,
    testing::{Fault, Faulty, Gate, Method},
};

use crate::{
    cluster::Cluster,
    common::{direct, next_entry, next_matching, text, user},
};

#[tokio::test(start_paused = true)]
async fn a_conversation_across_two_nodes_has_one_order() {
    let cluster = <Cluster>::default();
    let (one, two) = (cluster.node(), cluster.node());
    let alice = one.connect(user("alice")).await.unwrap();
    let bob = two.connect(user("bob")).await.unwrap();
    let room = direct("alice", "bob");
    for n in 1..=20_u64 {
        let author = if n % 2 == 0 { &alice } else { &bob };
        author.send(&room, &n.to_string()).await.unwrap();
    }
    for device in [&alice, &bob] {
        for n in 1..=20 {
            assert_eq!(next_entry(device).await.seq.0, n);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn receipts_typing_and_presence_cross_nodes() {
    let cluster = <Cluster>::default();
    let (one, two) = (cluster.node(), cluster.node());
    let alice = one.connect(user("alice")).await.unwrap();
    let room = direct("alice", "bob");
    alice.send(&room, "there?").await.unwrap();
    let bob = two.connect(user("bob")).await.unwrap();
    let online = next_matching(&alice, |event| matches!(event, Event::Presence(_))).await;
    assert!(matches!(
        online,
        Event::Presence(Presence { online: true, .. })
    ));
    bob.receipt(&room, Mark::Read, Seq(1)).await.unwrap();
    let receipt = next_matching(&alice, |event| matches!(event, Event::Receipt { .. })).await;
    assert!(matches!(receipt, Event::Receipt { now, .. } if now.read == Seq(1)));
    bob.typing(&room).await.unwrap();
    let typing = next_matching(&alice, |event| matches!(event, Event::Typing { .. })).await;
    assert!(matches!(typing, Event::Typing { active: true, .. }));
}

#[tokio::test(start_paused = true)]
async fn what_no_hint_told_is_found_by_the_position_check() {
    let cluster = <Cluster>::default();
    let (one, two) = (cluster.deaf_node(), cluster.deaf_node());
    let alice = one.actor(user("alice"));
    let room = direct("alice", "bob");
    alice.send(&room, "before").await.unwrap();
    let bob = two.connect(user("bob")).await.unwrap();
    let carol = direct("bob", "carol");
    alice.send(&room, "lost hint").await.unwrap();
    one.actor(user("carol"))
        .send(&carol, "a room that is new")
        .await
        .unwrap();
    let first = tokio::time::timeout(Duration::from_secs(31), next_entry(&bob))
        .await
        .unwrap();
    let second = next_entry(&bob).await;
    let mut seen = [text(&first), text(&second)];
    seen.sort_unstable();
    assert_eq!(seen, ["a room that is new", "lost hint"]);
}

#[tokio::test(start_paused = true)]
async fn a_node_that_sees_a_gap_reads_the_store() {
    let cluster = <Cluster>::default();
    let deaf = cluster.deaf_node();
    let (one, two) = (cluster.node(), cluster.node());
    let room = direct("alice", "bob");
    let bob = two.connect(user("bob")).await.unwrap();
    deaf.actor(user("alice"))
        .send(&room, "nobody heard")
        .await
        .unwrap();
    one.actor(user("alice")).send(&room, "heard").await.unwrap();
    assert_eq!(text(&next_entry(&bob).await), "nobody heard");
    assert_eq!(text(&next_entry(&bob).await), "heard");
}

#[tokio::test(start_paused = true)]
async fn who_comes_while_a_node_is_drained_is_not_left_behind() {
    let cluster = <Cluster>::default();
    let broker = Faulty::new(cluster.bus.node());
    let (script, subscribed) = (broker.script.clone(), Gate::default());
    script.always(Method::SUBSCRIBE, Fault::Pass.behind(&subscribed));
    let node = cluster.node_with(broker);
    let draining = async {
        // To the online list, and to her own topic.
        script.called(Method::SUBSCRIBE, 2).await;
        node.drain(Duration::from_secs(1)).await;
        subscribed.open();
    };
    let (connected, ()) = tokio::join!(node.connect(user("alice")), draining);
    assert_eq!(connected.unwrap_err().code(), ErrorCode::ShuttingDown);
}

#[tokio::test]
async fn who_is_added_on_another_node_sees_what_comes_from_then_on() {
    let cluster = <Cluster>::default();
    let (one, two) = (cluster.node(), cluster.node());
    let room = RoomId::group("garden").unwrap();
    one.create_group(room.clone(), user("alice"), vec![])
        .await
        .unwrap();
    let alice = one.actor(user("alice"));
    for n in 1..=3 {
        alice.send(&room, &format!("before bob {n}")).await.unwrap();
    }
    let bob = two.connect(user("bob")).await.unwrap();
    alice.add_member(&room, user("bob")).await.unwrap();
    alice.send(&room, "welcome").await.unwrap();
    let joined = EntryBody::Joined {
        user: user("bob"),
        role: Role::Member,
    };
    assert_eq!(next_entry(&bob).await.body, joined);
    assert_eq!(text(&next_entry(&bob).await), "welcome");
}

#[tokio::test(start_paused = true)]
async fn looking_into_a_room_before_its_hint_comes_loses_nothing_of_it() {
    let cluster = <Cluster>::default();
    let (one, two) = (cluster.deaf_node(), cluster.deaf_node());
    let bob = two.connect(user("bob")).await.unwrap();
    // The check that a node begins with is over.
    tokio::time::sleep(Duration::from_secs(1)).await;
    let room = direct("alice", "bob");
    one.actor(user("alice")).send(&room, "first").await.unwrap();
    bob.open(&user("alice")).await.unwrap();
    let entry = tokio::time::timeout(Duration::from_secs(31), next_entry(&bob)).await;
    assert_eq!(text(&entry.unwrap()), "first");
}

#[tokio::test(start_paused = true)]
async fn a_session_is_not_sent_what_was_there_before_it_came() {
    let cluster = <Cluster>::default();
    let (one, two) = (cluster.deaf_node(), cluster.deaf_node());
    let (alice, room) = (one.actor(user("alice")), direct("alice", "bob"));
    alice.send(&room, "first").await.unwrap();
    // The second node knows the room from here, and follows it for nobody.
    two.actor(user("bob")).view(&room).await.unwrap();
    alice.send(&room, "second").await.unwrap();
    let bob = two.connect(user("bob")).await.unwrap();
    alice.send(&room, "third").await.unwrap();
    let entry = tokio::time::timeout(Duration::from_secs(31), next_entry(&bob)).await;
    assert_eq!(text(&entry.unwrap()), "third");
}

#[tokio::test(start_paused = true)]
async fn who_was_removed_on_another_node_is_refused_where_nobody_listens_for_them() {
    let cluster = <Cluster>::default();
    let (one, two) = (cluster.deaf_node(), cluster.deaf_node());
    let room = RoomId::group("garden").unwrap();
    let members = vec![user("alice"), user("bob")];
    one.create_group(room.clone(), user("alice"), members)
        .await
        .unwrap();
    let bob = two.actor(user("bob"));
    bob.send(&room, "still here").await.unwrap();
    let alice = one.actor(user("alice"));
    alice.remove_member(&room, user("bob")).await.unwrap();
    let refused = bob.send(&room, "and now?").await.unwrap_err();
    assert_eq!(refused.code(), ErrorCode::NoRoom);
    alice.add_member(&room, user("bob")).await.unwrap();
    bob.send(&room, "back again").await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn who_is_removed_on_another_node_is_told_so_also_when_the_hint_is_lost() {
    for hint_is_lost in [false, true] {
        let cluster = <Cluster>::default();
        let one = cluster.node();
        let two = if hint_is_lost {
            cluster.deaf_node()
        } else {
            cluster.node()
        };
        let room = RoomId::group("garden").unwrap();
        let members = vec![user("alice"), user("bob")];
        one.create_group(room.clone(), user("alice"), members)
            .await
            .unwrap();
        let bob = two.connect(user("bob")).await.unwrap();
        let alice = one.actor(user("alice"));
        alice.remove_member(&room, user("bob")).await.unwrap();
        let within = Duration::from_secs(if hint_is_lost { 31 } else { 1 });
        let entry = tokio::time::timeout(within, next_entry(&bob)).await;
        assert_eq!(
            entry.unwrap().body,
            EntryBody::Left {
                user: user("bob"),
                why: LeftWhy::Removed,
            }
        );
        let refused = bob.send(&room, "still here?").await.unwrap_err();
        assert_eq!(refused.code(), ErrorCode::NoRoom);
    }
}
