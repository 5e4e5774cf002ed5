//! Rooms: the list, opening, what is shown of other rooms, and what waits until a room is open.

use chat_core::{Command as Wire, InboxFilter, InboxPage, Reply};
use serde_json::{Value, json};

use super::{
    super::super::{
        command::{Rooms, Which},
        happened::{Asked, Why},
    },
    *,
};

/// Alice's view without a room.
fn inbox_view(reader: Reader) -> View {
    let topic = Topic {
        me: user("alice"),
        start: None,
        reader,
        last: 20,
        patience: None,
        follow: false,
    };
    View::new(topic, Instant::now())
}

fn team() -> RoomId {
    RoomId::new("g1").unwrap()
}

/// A group as the server shows it.
fn group(name: &str) -> Value {
    json!({
        "id": "g1", "kind": "group", "name": name, "head": 0, "members": 3,
        "epoch": "0198a0b0-0000-7000-8000-000000000000", "created_at": "2026-01-01T00:00:00Z",
        "created_by": "bob",
    })
}

fn inbox_room(name: &str) -> Value {
    json!({
        "room": group(name),
        "me": { "role": "owner", "notify": "all", "pinned": false, "hidden": false },
        "delivered": 0, "read": 0, "active_at": "2026-01-01T00:00:00Z", "unread": 2, "mentions": 0,
    })
}

fn group_view(others: &[&str]) -> RoomView {
    let member = |name: &&str| json!({ "user": name, "online": true, "role": "member", "delivered": 0, "read": 0 });
    let members: Vec<_> = others.iter().map(member).collect();
    let me = json!({ "role": "owner", "notify": "all", "pinned": false, "hidden": false });
    let view = json!({ "room": group("Team"), "me": me, "members": members });
    serde_json::from_value(view).unwrap()
}

fn in_team(seq: u64, author: &str, body: Value) -> Arc<Entry> {
    let body = serde_json::from_value(body).unwrap();
    let mut entry = Arc::unwrap_or_clone(entry(seq, author, body));
    entry.room = team();
    Arc::new(entry)
}

fn live_in_team(seq: u64, author: &str, body: Value) -> Happened {
    Happened::Client(ClientEvent::Entry(in_team(seq, author, body)))
}

fn message(text: &str) -> Value {
    json!({ "kind": "message", "text": text })
}

fn types(line: &str) -> Happened {
    use super::super::super::input::{Syntax, read};
    Happened::Input(read(line, Syntax::Slash).unwrap())
}

/// The reply to the question among these acts.
fn reply(acts: Vec<Act>, reply: Reply) -> Happened {
    let asked = acts.into_iter().find_map(|act| match act {
        Act::Ask(asked) => Some(asked),
        _ => None,
    });
    Happened::Replied(asked.unwrap(), Ok(reply))
}

fn listed(rooms: &[Value]) -> Reply {
    let page = json!({ "rooms": rooms });
    Reply::Inbox(serde_json::from_value::<InboxPage>(page).unwrap())
}

/// A view whose rooms are known.
fn started(reader: Reader, rooms: &[Value]) -> View {
    let mut view = inbox_view(reader);
    let acts = view.sees(connected());
    view.sees(reply(acts, listed(rooms)));
    view
}

/// A view of a person in the group with Bob and Carol.
fn in_the_team() -> View {
    let mut view = started(Reader::Person, &[inbox_room("Team")]);
    view.sees(types("/open 1"));
    let greeting = Greeting {
        view: group_view(&["alice", "bob", "carol"]),
        online: Vec::new(),
        past: None,
    };
    view.sees(Happened::Greeted(team(), Ok(Box::new(greeting))));
    view
}

/// The acts after a line that opens a room by its name, where the server has these hidden rooms, and knows a
/// user of that name or not.
fn opens(view: &mut View, line: &str, hidden: &[Value], is_user: bool) -> Vec<Act> {
    let acts = view.sees(types(line));
    found(view, acts, hidden, is_user)
}

/// The acts that follow these, once the questions about rooms and users among them are answered.
fn found(view: &mut View, mut acts: Vec<Act>, hidden: &[Value], is_user: bool) -> Vec<Act> {
    loop {
        let asked = acts.iter().find_map(|act| match act {
            Act::Ask(asked) => Some(asked.command.clone()),
            _ => None,
        });
        let answer = match asked {
            Some(Wire::Inbox(asked)) if asked.filter == InboxFilter::Hidden => listed(hidden),
            Some(Wire::Inbox(_)) => listed(&[]),
            Some(Wire::Presence(asked)) => {
                let user = json!({ "user": asked.users[0], "online": is_user });
                Reply::Presence(serde_json::from_value(json!({ "users": [user] })).unwrap())
            }
            _ => return acts,
        };
        acts = view.sees(reply(acts, answer));
    }
}

/// The room that is entered.
fn entered(acts: &[Act]) -> Option<String> {
    acts.iter().find_map(|act| match act {
        Act::Greet(spot, ..) => Some(spot.room.to_string()),
        _ => None,
    })
}

/// A group that a user has made, as the inbox shows it.
fn group_by(id: &str, name: &str, maker: &str) -> Value {
    let mut room = inbox_room(name);
    room["room"]["id"] = id.into();
    room["room"]["created_by"] = maker.into();
    room
}

#[test]
fn a_room_beyond_those_listed_and_a_hidden_one_are_opened_by_name() {
    let mut view = inbox_view(Reader::Person);
    let acts = view.sees(connected());
    let first = json!({ "rooms": [inbox_room("Team")], "next": "9:g1" });
    let first = Reply::Inbox(serde_json::from_value(first).unwrap());
    view.sees(reply(acts, first));
    let acts = view.sees(types("/open club"));
    let first = json!({ "rooms": [inbox_room("Team")], "next": "9:g1" });
    let acts = view.sees(reply(
        acts,
        Reply::Inbox(serde_json::from_value(first).unwrap()),
    ));
    let acts = view.sees(reply(acts, listed(&[group_by("g2", "Club", "bob")])));
    assert_eq!(entered(&acts), None, "the hidden ones are looked at first");
    let acts = view.sees(reply(acts, listed(&[group_by("g3", "Attic", "bob")])));
    assert!(matches!(&acts[..], [Act::Ask(_)]), "is it a user? {acts:?}");
    let nobody = json!({ "users": [{ "user": "club", "online": false }] });
    let nobody = Reply::Presence(serde_json::from_value(nobody).unwrap());
    let acts = view.sees(reply(acts, nobody));
    assert_eq!(entered(&acts).as_deref(), Some("g2"));
    let acts = opens(&mut view, "/open attic", &[], false);
    assert_eq!(
        entered(&acts).as_deref(),
        Some("g3"),
        "all rooms are known by now"
    );
}

#[test]
fn a_group_of_others_with_the_name_of_a_user_is_not_entered_by_that_name() {
    let mut view = started(Reader::Person, &[group_by("g1", "bob", "eve")]);
    let acts = opens(&mut view, "/open bob", &[], true);
    assert_eq!(entered(&acts).as_deref(), Some("alice,bob"));
    let shown = lines(&acts);
    assert!(shown[0].contains("/open g1 enters it"), "{shown:?}");
    let mut view = started(Reader::Person, &[group_by("g1", "bob", "alice")]);
    let acts = opens(&mut view, "/open bob", &[], true);
    assert_eq!(entered(&acts), None, "it is one's own");
    let shown = lines(&acts);
    let said = "-- 2 rooms are called bob: open one by its number in the list, or by its id: alice,bob, g1";
    assert_eq!(shown, [said]);
    let acts = view.sees(types("/open alice,bob"));
    assert_eq!(entered(&acts).as_deref(), Some("alice,bob"));
    let mut view = started(Reader::Person, &[group_by("g1", "bob", "eve")]);
    let acts = opens(&mut view, "/open bob", &[], false);
    assert_eq!(entered(&acts).as_deref(), Some("g1"), "nobody is called so");
}

#[test]
fn a_member_who_is_added_again_and_one_who_accepts_again_are_members_already() {
    let mut view = in_the_team();
    view.sees(live_in_team(
        1,
        "alice",
        json!({ "kind": "joined", "user": "dave", "role": "reader" }),
    ));
    let member = |joined: u64| {
        let member = json!({
            "user": "dave", "role": "reader", "joined_at": "2026-01-01T00:00:00Z",
            "joined_seq": joined, "delivered": 0, "read": 0,
        });
        Reply::Member(serde_json::from_value(member).unwrap())
    };
    let asked = view.sees(types("/add dave"));
    let acts = view.sees(reply(asked, member(1)));
    assert_eq!(lines(&acts), ["-- dave is a member already: a reader"]);
    let asked = view.sees(types("/add dave"));
    let acts = view.sees(reply(asked, member(2)));
    assert_eq!(lines(&acts), [""; 0], "its entry says it");
    let mut view = started(Reader::Person, &[]);
    for said in [&[][..], &["-- you are a member of Team already"]] {
        let asked = view.sees(types("/accept secret"));
        let acts = view.sees(reply(asked, Reply::Room(group_view(&["alice", "bob"]))));
        let shown: Vec<_> = lines(&acts);
        let shown: Vec<_> = shown
            .iter()
            .filter(|line| line.contains("already"))
            .collect();
        assert_eq!(shown, said);
        assert_eq!(entered(&acts).as_deref(), Some("g1"));
        let greeting = Greeting {
            view: group_view(&["alice", "bob"]),
            online: Vec::new(),
            past: None,
        };
        view.sees(Happened::Greeted(team(), Ok(Box::new(greeting))));
    }
}

#[test]
fn the_rooms_are_listed_at_the_start_and_opened_by_number_or_name() {
    for name in ["1", "team", "g1"] {
        let mut view = inbox_view(Reader::Person);
        let acts = view.sees(connected());
        let acts = view.sees(reply(acts, listed(&[inbox_room("Team")])));
        assert_eq!(lines(&acts), ["--  1  Team (2 unread)"]);
        let acts = opens(&mut view, &format!("/open {name}"), &[], false);
        let opened =
            |act: &Act| matches!(act, Act::Greet(spot, Some(20), _) if spot.room == team());
        assert!(acts.iter().any(opened), "{acts:?}");
    }
}

#[test]
fn a_name_that_no_room_has_is_that_of_a_user() {
    let mut view = started(Reader::Person, &[]);
    let acts = opens(&mut view, "/open bob", &[], false);
    let opened = |act: &Act| matches!(act, Act::Greet(spot, ..) if spot.peer == Some(user("bob")));
    assert!(acts.iter().any(opened), "{acts:?}");
    let acts = view.sees(types("/open alice"));
    assert_eq!(
        lines(&acts).len(),
        1,
        "nobody chats with themselves: {acts:?}"
    );
    assert_eq!(
        lines(&view.sees(types("/open 1"))),
        ["-- no room has the number 1; /chats lists your rooms"]
    );
}

#[test]
fn what_is_typed_after_a_new_room_waits_until_it_is_open() {
    let mut view = started(Reader::Person, &[]);
    assert_eq!(
        lines(&view.sees(say("too early"))),
        ["-- no room is open; /open NAME opens one"]
    );
    let asked = view.sees(types("/new Team bob carol"));
    assert!(matches!(&asked[..], [Act::Ask(_)]), "{asked:?}");
    assert!(view.sees(say("hello")).is_empty());
    view.sees(Happened::Input(Input::End));
    assert_eq!(view.outcome(), None, "a line waits");
    let made = Reply::Room(group_view(&["alice", "bob", "carol"]));
    let acts = view.sees(reply(asked, made));
    let sent = |act: &Act| matches!(act, Act::Write(room, Write::Send(text)) if *room == team() && text == "hello");
    assert!(acts.iter().any(sent), "{acts:?}");
}

#[test]
fn a_refused_command_is_shown_and_lets_the_next_line_pass() {
    let mut view = started(Reader::Person, &[]);
    let asked = view.sees(types("/accept secret"));
    view.sees(types("/open bob"));
    let Some(Act::Ask(asked)) = asked.into_iter().next() else {
        panic!("a question");
    };
    let refused = RequestError::Refused(ErrorBody {
        code: ErrorCode::NoRoom.code(),
        name: "no_room".to_owned(),
        message: "there is no such room".to_owned(),
        retry_after_ms: None,
    });
    let acts = view.sees(Happened::Replied(asked, Err(refused)));
    assert_eq!(lines(&acts), ["[REFUSED] there is no such room"]);
    let acts = found(&mut view, acts, &[], false);
    assert!(
        acts.iter().any(|act| matches!(act, Act::Greet(..))),
        "{acts:?}"
    );
}

#[test]
fn a_channel_is_joined_by_its_name_unless_several_are_called_so() {
    let channel = |id: &str, name: &str| {
        let mut room = group(name);
        room["id"] = id.into();
        room["kind"] = "channel".into();
        room
    };
    let found = |rooms: &[Value]| {
        let found = json!({ "rooms": rooms, "more": false });
        Reply::Directory(serde_json::from_value(found).unwrap())
    };
    let joins = |rooms: &[Value]| {
        let mut view = started(Reader::Person, &[]);
        let asked = view.sees(types("/join rust"));
        let acts = view.sees(reply(asked, found(rooms)));
        let join = acts.iter().find_map(|act| match act {
            Act::Ask(asked) => Some(serde_json::to_value(&asked.command).unwrap()["room"].clone()),
            _ => None,
        });
        (join, lines(&acts))
    };
    let (join, _) = joins(&[channel("c1", "Rust"), channel("c2", "Rust for all")]);
    assert_eq!(join, Some("c1".into()));
    let (join, _) = joins(&[]);
    assert_eq!(join, Some("rust".into()), "it may be an id");
    let (join, shown) = joins(&[channel("c1", "Rust"), channel("c2", "rust")]);
    assert_eq!(join, None);
    assert!(shown[0].contains("join one by its id: c1, c2"), "{shown:?}");
}

#[test]
fn messages_elsewhere_are_noted_with_the_name_of_their_room() {
    let mut view = started(Reader::Person, &[inbox_room("Team")]);
    let acts = view.sees(live_in_team(1, "bob", message("hi")));
    assert_eq!(lines(&acts), ["-- bob has written in Team"]);
    let acts = view.sees(live(1, "bob", "hi"));
    assert_eq!(lines(&acts), ["-- bob has written to you"]);
    let renamed = json!({ "kind": "room", "name": "Crew" });
    assert!(lines(&view.sees(live_in_team(2, "bob", renamed))).is_empty());
    let removed = json!({ "kind": "left", "user": "alice", "why": "removed" });
    let acts = view.sees(live_in_team(3, "bob", removed));
    assert_eq!(lines(&acts), ["-- bob has removed you from Crew"]);
    let joined = json!({ "kind": "joined", "user": "alice", "role": "member" });
    assert!(lines(&view.sees(live_in_team(4, "carol", joined))).is_empty());
    let mut news = inbox_room("Crew");
    news["type"] = "room".into();
    news["why"] = "added".into();
    let news = serde_json::from_value(news).unwrap();
    let acts = view.sees(Happened::Client(ClientEvent::Event(news)));
    assert_eq!(
        lines(&acts),
        ["-- carol has added you to Crew; /open Crew enters it"]
    );
}

#[test]
fn a_room_without_news_is_silent() {
    let mut room = inbox_room("Team");
    room["me"]["notify"] = "none".into();
    let mut view = started(Reader::Person, &[room]);
    assert!(lines(&view.sees(live_in_team(1, "bob", message("hi")))).is_empty());
}

#[test]
fn a_script_without_a_peer_is_shown_the_entries_of_all_its_rooms() {
    let shown = |mut view: View| {
        let acts = view.sees(live_in_team(1, "bob", message("hi")));
        let entry = |act: &&Act| matches!(act, Act::Show(Shown::Entry { .. }));
        acts.iter().filter(entry).count()
    };
    assert_eq!(shown(started(Reader::Script, &[])), 1);
    assert_eq!(shown(view(Reader::Script).greeted_with(Vec::new())), 0);
}

#[test]
fn a_member_who_is_removed_leaves_the_room_on_the_screen() {
    let mut view = in_the_team();
    let removed = json!({ "kind": "left", "user": "alice", "why": "removed" });
    let acts = view.sees(live_in_team(1, "bob", removed));
    let shown = lines(&acts);
    assert!(shown[1].ends_with("bob removed alice"), "{shown:?}");
    assert_eq!(
        shown[2],
        "-- you are not in Team any more; /chats lists your rooms"
    );
    assert!(
        !acts.iter().any(|act| matches!(act, Act::Mark(..))),
        "{acts:?}"
    );
    let acts = view.sees(say("hello?"));
    assert_eq!(lines(&acts), ["-- no room is open; /open NAME opens one"]);
}

#[test]
fn several_members_who_type_are_named() {
    let mut view = in_the_team();
    let mut typing = |name: &str, active| {
        let (room, user) = (team(), user(name));
        let event = chat_core::Event::Typing { room, user, active };
        let acts = view.sees(Happened::Client(ClientEvent::Event(event)));
        acts.into_iter().find_map(|act| match act {
            Act::Status(status) => Some(status),
            _ => None,
        })
    };
    let status = |line: &str| Some(Status::Typing(line.to_owned()));
    assert_eq!(typing("bob", true), status("bob is typing..."));
    assert_eq!(typing("carol", true), status("bob and carol are typing..."));
    assert_eq!(typing("bob", false), status("carol is typing..."));
    assert_eq!(typing("carol", false), Some(Status::Nothing));
}

#[test]
fn the_readers_of_a_message_in_a_group_are_named() {
    let mut view = in_the_team();
    view.sees(live_in_team(1, "alice", message("hello")));
    let mut shown = |name: &str| {
        let now = Watermarks {
            delivered: Seq(1),
            read: Seq(1),
        };
        let receipt = chat_core::Event::Receipt {
            room: team(),
            user: user(name),
            was: Watermarks::default(),
            now,
        };
        view.sees(Happened::Client(ClientEvent::Event(receipt)));
        let alarm = view.alarm().unwrap();
        lines(&view.step(alarm, Happened::Alarm))
    };
    assert_eq!(shown("bob"), ["      [READ by bob] hello"]);
    assert_eq!(shown("carol"), ["      [READ by all] hello"]);
}

#[test]
fn a_greeting_of_a_room_that_is_not_open_any_more_is_ignored() {
    let mut view = started(Reader::Person, &[inbox_room("Team")]);
    view.sees(types("/open 1"));
    view.sees(Happened::Input(Input::Command(Command::Rooms(
        Rooms::Open(Which::User(user("bob"))),
    ))));
    let greeting = Greeting {
        view: group_view(&["alice"]),
        online: Vec::new(),
        past: None,
    };
    let acts = view.sees(Happened::Greeted(team(), Ok(Box::new(greeting))));
    assert!(acts.is_empty(), "{acts:?}");
    assert!(
        !view.takes_events(),
        "the greeting of the other room is awaited"
    );
}

#[test]
fn the_rooms_are_asked_for_again_when_the_answer_is_late() {
    let mut view = inbox_view(Reader::Person);
    let acts = view.sees(connected());
    let Some(Act::Ask(asked)) = acts.into_iter().find(|act| matches!(act, Act::Ask(_))) else {
        panic!("a question");
    };
    assert!(matches!(
        &*asked,
        Asked {
            why: Why::Start,
            ..
        }
    ));
    let acts = view.sees(Happened::Replied(asked, Err(RequestError::TimedOut)));
    assert!(matches!(&acts[..], [Act::Ask(_)]), "{acts:?}");
}

#[test]
fn a_conversation_asks_for_the_rooms_when_one_is_named() {
    let mut view = view(Reader::Person).greeted_with(Vec::new());
    let asked = view.sees(types("/open team"));
    assert!(matches!(&asked[..], [Act::Ask(_)]), "{asked:?}");
    let acts = view.sees(reply(asked, listed(&[inbox_room("Team")])));
    let acts = found(&mut view, acts, &[], false);
    assert_eq!(entered(&acts).as_deref(), Some("g1"));
    assert!(
        view.sees(connected())
            .iter()
            .all(|act| !matches!(act, Act::Ask(_)))
    );
}

#[test]
fn one_asks_who_has_read_the_last_message_of_ones_own() {
    let mut view = in_the_team();
    let acts = view.sees(types("/readers"));
    assert_eq!(
        lines(&acts),
        ["-- there is no message of yours on the screen"]
    );
    view.sees(live_in_team(1, "alice", message("hello")));
    let read_by = |names: &[&str]| {
        let member = |name: &&str| {
            json!({
                "user": name, "role": "member", "joined_at": "2026-01-01T00:00:00Z",
                "joined_seq": 0, "delivered": 1, "read": 1,
            })
        };
        let members: Vec<_> = names.iter().map(member).collect();
        let list = json!({ "members": members, "more": false });
        Reply::Members(serde_json::from_value(list).unwrap())
    };
    for (names, said) in [
        (&["alice"][..], "-- nobody has read it yet"),
        (&["alice", "bob", "carol"], "-- read by bob, carol"),
    ] {
        let asked = view.sees(types("/readers"));
        let acts = view.sees(reply(asked, read_by(names)));
        assert_eq!(lines(&acts), [said]);
    }
}
