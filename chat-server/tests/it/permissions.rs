//! The permission table, cell by cell, over the native protocol and REST: the answer is the table's, and what
//! is refused is neither stored nor delivered.

use async_trait::async_trait;
use chat_core::{
    Action, ChatEngine, EntryBody, Event, LeftWhy, LocalSession, OnlineList, Page, Permission,
    Principal, Rank, Role, RoomId, Ruling, Sanction, Scope, Seq, Standing, UserId, may,
    memory::MemoryStore,
    port::{AuthError, Authenticator, Credential, LogStore},
};
use chat_server::Server;
use chat_testkit::http;
use serde_json::{Value, json};
use tokio::net::TcpListener;

use crate::{
    decisions::decide,
    embedding::{Device, Place},
    engineio::packet,
};

/// Believes every name; `root` is an admin.
#[derive(Debug)]
struct Named;

#[async_trait]
impl Authenticator for Named {
    async fn authenticate(&self, presented: &Credential<'_>) -> Result<Principal, AuthError> {
        let name = presented.token.text().ok_or(AuthError::Invalid)?;
        Ok(principal(name))
    }
}

fn user(name: &str) -> UserId {
    UserId::new(name).unwrap()
}

fn principal(name: &str) -> Principal {
    let rank = if name == "root" {
        Rank::Admin
    } else {
        Rank::User
    };
    Principal {
        rank,
        ..Principal::trusted(user(name))
    }
}

/// A column: a user, the role in the room, and whether the user is muted.
const COLUMNS: &[(&str, Option<Role>, bool)] = &[
    ("zoe", None, false),
    ("rita", Some(Role::Reader), false),
    ("mia", Some(Role::Member), false),
    ("mo", Some(Role::Moderator), false),
    ("owen", Some(Role::Owner), false),
    ("max", Some(Role::Member), true),
    ("root", None, false),
];

/// A way to do something in a room: its row, the native command, and the request with its body. The user
/// has written entry `own`.
#[expect(clippy::too_many_lines, reason = "it is a list")]
fn ways(room: &str, own: u64) -> Vec<(Action, Value, [String; 2])> {
    let rest = |method: &str, path: &str, body: &str| {
        [format!("{method} /v1/rooms/{room}{path}"), body.to_owned()]
    };
    let message = format!("/messages/{own}");
    vec![
        (
            Action::Read,
            json!({ "type": "history", "room": room }),
            rest("GET", "/entries", ""),
        ),
        (
            Action::Read,
            json!({ "type": "members", "room": room }),
            rest("GET", "/members", ""),
        ),
        (
            Action::Read,
            json!({ "type": "readers", "room": room, "seq": 1 }),
            rest("GET", "/entries/1/readers", ""),
        ),
        (
            Action::Receipt,
            json!({ "type": "receipt", "room": room, "mark": "read", "seq": 1 }),
            rest("POST", "/receipts", r#"{"mark":"read","seq":1}"#),
        ),
        (
            Action::Typing,
            json!({ "type": "typing", "room": room }),
            rest("POST", "/typing", ""),
        ),
        (
            Action::Send,
            json!({ "type": "send", "room": room, "text": "hi" }),
            rest("POST", "/messages", r#"{"text":"hi"}"#),
        ),
        (
            Action::Edit,
            json!({ "type": "edit", "room": room, "target": own, "text": "ho" }),
            rest("PUT", &message, r#"{"text":"ho"}"#),
        ),
        (
            Action::Delete,
            json!({ "type": "delete", "room": room, "target": own }),
            rest("DELETE", &message, ""),
        ),
        (
            Action::Add,
            json!({ "type": "add", "room": room, "user": "new" }),
            rest("PUT", "/members/new", ""),
        ),
        (
            Action::Remove,
            json!({ "type": "remove", "room": room, "user": "tim" }),
            rest("DELETE", "/members/tim", ""),
        ),
        (
            Action::ChangeRole,
            json!({ "type": "role", "room": room, "user": "tim", "role": "reader" }),
            rest("PATCH", "/members/tim", r#"{"role":"reader"}"#),
        ),
        (
            Action::Read,
            json!({ "type": "room", "room": room }),
            rest("GET", "", ""),
        ),
        (
            Action::Read,
            json!({ "type": "me", "room": room, "pinned": true }),
            rest("PATCH", "/me", r#"{"pinned":true}"#),
        ),
        (
            Action::Update,
            json!({ "type": "update", "room": room, "topic": "work" }),
            rest("PATCH", "", r#"{"topic":"work"}"#),
        ),
        (
            Action::Add,
            json!({ "type": "invite", "room": room }),
            rest("POST", "/invites", ""),
        ),
        (
            Action::Invites,
            json!({ "type": "invites", "room": room }),
            rest("GET", "/invites", ""),
        ),
        (
            Action::Invites,
            json!({ "type": "uninvite", "room": room, "invite": uuid::Uuid::nil() }),
            rest("DELETE", &format!("/invites/{}", uuid::Uuid::nil()), ""),
        ),
        (
            Action::Sanction,
            json!({ "type": "ban", "room": room, "user": "tim", "for": 60 }),
            rest("PUT", "/bans/tim", r#"{"for":60}"#),
        ),
        (
            Action::Sanction,
            json!({ "type": "unban", "room": room, "user": "tim" }),
            rest("DELETE", "/bans/tim", ""),
        ),
        (
            Action::Sanction,
            json!({ "type": "bans", "room": room }),
            rest("GET", "/bans", ""),
        ),
        (
            Action::Sanction,
            json!({ "type": "mute", "room": room, "user": "tim", "for": 60 }),
            rest("PUT", "/mutes/tim", r#"{"for":60}"#),
        ),
        (
            Action::Sanction,
            json!({ "type": "unmute", "room": room, "user": "tim" }),
            rest("DELETE", "/mutes/tim", ""),
        ),
        (
            Action::Sanction,
            json!({ "type": "mutes", "room": room }),
            rest("GET", "/mutes", ""),
        ),
        (
            Action::Leave,
            json!({ "type": "leave", "room": room }),
            rest("POST", "/leave", ""),
        ),
        (
            Action::Block,
            json!({ "type": "block", "user": "nobody" }),
            ["PUT /v1/blocks/nobody".to_owned(), String::new()],
        ),
    ]
}

struct Stage {
    engine: ChatEngine,
    store: MemoryStore,
    place: Place,
    /// Sees what is delivered to the owner of all rooms.
    olga: LocalSession,
}

impl Stage {
    async fn new() -> Self {
        Self::with(OnlineList::All).await
    }

    async fn with(online_list: OnlineList) -> Self {
        let store = MemoryStore::default();
        let config = chat_core::Config {
            send_limit: None,
            room_limit: None,
            online_list,
            ..chat_core::Config::default()
        };
        let engine = ChatEngine::builder()
            .store(store.clone())
            .config(config)
            .build()
            .unwrap();
        let server = Server::builder(engine.clone()).authenticator(Named).build();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(server.serve(listener, std::future::pending()));
        Self {
            olga: engine.connect(user("olga")).await.unwrap(),
            place: Place::Tcp(address, ""),
            engine,
            store,
        }
    }

    /// A group of olga, tim and this user, who has written the entry with the number that is given back.
    async fn room(&self, name: &str, column: &str, role: Option<Role>) -> (RoomId, u64) {
        let (room, who) = (RoomId::group(name).unwrap(), user(column));
        let made = self
            .engine
            .create_group(room.clone(), user("olga"), vec![user("tim")]);
        made.await.unwrap();
        self.olga.add_member(&room, who.clone()).await.unwrap();
        let actor = self.engine.actor(who.clone());
        let own = actor.send(&room, "mine").await.unwrap().seq.0;
        match role {
            Some(role) => drop(self.olga.set_role(&room, who, role).await.unwrap()),
            None => self.olga.remove_member(&room, who).await.unwrap(),
        }
        (room, own)
    }

    async fn length(&self, room: &RoomId) -> usize {
        let log = self.store.page(room, Page::After(Seq::ZERO), 100).await;
        log.unwrap().len()
    }

    /// The number of events about a user that olga is sent in this room up to now.
    async fn delivered(&self, room: &RoomId, about: &str) -> usize {
        let marker = self.olga.send(room, "up to here").await.unwrap().seq;
        let (mut count, about) = (0, user(about));
        loop {
            match self.olga.next_event().await.unwrap() {
                Event::Entry(entry) if entry.room == *room && entry.seq == marker => return count,
                Event::Entry(entry) if entry.room == *room && entry.author == about => count += 1,
                Event::Typing { room: of, user, .. } | Event::Receipt { room: of, user, .. }
                    if of == *room && user == about =>
                {
                    count += 1;
                }
                _ => {}
            }
        }
    }

    async fn rest(&self, name: &str, [request, body]: &[String; 2]) -> (u16, Value) {
        let headers = format!("authorization: Bearer {name}\r\ncontent-type: application/json\r\n");
        let stream = self.place.connect().await;
        let (status, _, answer) = http::ask_on(stream, request, &headers, body).await;
        (status, serde_json::from_str(&answer).unwrap_or_default())
    }

    /// The code of the error that a way leads to.
    async fn code(
        &self,
        device: Option<&mut Device>,
        name: &str,
        command: &Value,
        request: &[String; 2],
    ) -> Option<u64> {
        match device {
            Some(device) => device.ask(command.clone()).await["error"]["code"].as_u64(),
            None => self.rest(name, request).await.1["code"].as_u64(),
        }
    }
}

#[tokio::test]
async fn every_cell_of_the_table_holds_on_every_protocol() {
    let stage = Stage::new().await;
    let count = ways("any", 1).len();
    for (name, role, muted) in COLUMNS {
        let (mut device, _) = stage.place.native(name).await;
        for way in 0..count {
            for native in [true, false] {
                let id = format!("{name} {way} {native}");
                let encoded = id.replace(' ', "%20");
                let (room, own) = stage.room(&id, name, *role).await;
                let (action, command, _) = ways(&id, own).remove(way);
                let (_, _, request) = ways(&encoded, own).remove(way);
                let mut standing = Standing::default();
                let mut lifted = None;
                if *muted {
                    let mute = Ruling::Mute {
                        user: user(name),
                        scope: Scope::Server,
                        until: None,
                    };
                    let version = decide(&stage.engine, mute).await.version;
                    let until = None;
                    standing.mutes.push(Sanction { version, until });
                    lifted = Some(Ruling::Lift { version });
                }
                let expected = match may(action, &standing, *role, &principal(name)) {
                    Permission::Allowed => None,
                    Permission::NoRoom => Some(200),
                    Permission::Forbidden => Some(202),
                    Permission::Muted => Some(211),
                    Permission::Banned => Some(214),
                };
                stage.delivered(&room, name).await;
                let before = stage.length(&room).await;
                let by = native.then_some(&mut device);
                let found = stage.code(by, name, &command, &request).await;
                assert_eq!(found, expected, "{id}: {command}");
                if expected.is_some() {
                    assert_eq!(stage.length(&room).await, before, "{id}: it is stored");
                    let delivered = stage.delivered(&room, name).await;
                    assert_eq!(delivered, 0, "{id}: it is delivered");
                }
                if let Some(lift) = lifted {
                    decide(&stage.engine, lift).await;
                }
            }
        }
    }
}

#[tokio::test]
async fn between_users_one_of_whom_has_blocked_the_other_every_cell_holds() {
    let stage = Stage::new().await;
    let room = RoomId::direct(&user("olga"), &user("bob")).unwrap();
    let bob = stage.engine.actor(user("bob"));
    let (mut device, _) = stage.place.native("bob").await;
    for (by, blocked) in [("olga", "bob"), ("bob", "olga")] {
        for native in [true, false] {
            let own = bob.send(&room, "mine").await.unwrap().seq.0;
            let by = stage.engine.actor(user(by));
            by.block(&user(blocked)).await.unwrap();
            let mut ways = ways(room.as_str(), own);
            ways.push((
                Action::Open,
                json!({ "type": "open", "user": "olga" }),
                ["PUT /v1/direct/olga".to_owned(), String::new()],
            ));
            for (action, command, request) in ways {
                let expected = match action {
                    Action::Open | Action::Send | Action::Edit => Some(203),
                    Action::Add | Action::Remove | Action::ChangeRole | Action::Leave => {
                        continue;
                    }
                    Action::Update | Action::Invites | Action::Sanction => Some(200),
                    _ => None,
                };
                let before = stage.length(&room).await;
                let device = native.then_some(&mut device);
                let found = stage.code(device, "bob", &command, &request).await;
                assert_eq!(found, expected, "{action:?} by bob");
                let deleted = usize::from(action == Action::Delete);
                assert_eq!(stage.length(&room).await, before + deleted);
            }
            by.unblock(&user(blocked)).await.unwrap();
            let delivered = stage.delivered(&room, "bob").await;
            assert_eq!(
                delivered, 2,
                "the message and its deletion, and nothing else"
            );
        }
    }
}

#[tokio::test]
async fn a_room_that_exists_answers_strangers_as_one_that_does_not() {
    let stage = Stage::new().await;
    let (_, own) = stage.room("here", "zoe", None).await;
    let (mut device, _) = stage.place.native("zoe").await;
    let both = ways("here", own).into_iter().zip(ways("gone", own));
    for (here, gone) in both.filter(|(here, _)| here.0.least_role().is_some()) {
        let answers = [
            device.ask(here.1).await["error"].clone(),
            device.ask(gone.1).await["error"].clone(),
        ];
        assert_eq!(answers[0], answers[1]);
        let answers = [
            stage.rest("zoe", &here.2).await,
            stage.rest("zoe", &gone.2).await,
        ];
        assert_eq!(answers[0], answers[1]);
        assert_eq!(answers[0].0, 404);
    }
    let request = [
        "GET /lastmessages?from=alice&to=bob".to_owned(),
        String::new(),
    ];
    assert_eq!(stage.rest("zoe", &request).await.0, 404);
}

#[tokio::test]
async fn members_are_added_changed_and_removed_over_rest_as_over_the_native_protocol() {
    let stage = Stage::new().await;
    let (room, _) = stage.room("team", "mia", Some(Role::Member)).await;
    let ask = async |request: &str, body: &str| {
        stage
            .rest("olga", &[request.to_owned(), body.to_owned()])
            .await
    };
    let member = |user: &str, role: &str| json!({ "user": user, "role": role });
    // Times and numbers are not what this is about.
    let known = |mut members: Value| {
        for member in members.as_array_mut().into_iter().flatten() {
            *member = json!({ "user": member["user"], "role": member["role"] });
        }
        members
    };
    let known_one = |(status, member): (u16, Value)| (status, known(json!([member]))[0].clone());
    let added = ask("PUT /v1/rooms/team/members/bob", r#"{"role":"moderator"}"#).await;
    assert_eq!(known_one(added), (200, member("bob", "moderator")));
    let again = ask("PUT /v1/rooms/team/members/bob", "").await;
    assert_eq!(
        known_one(again),
        (200, member("bob", "moderator")),
        "nothing changes"
    );
    let other = ask("PUT /v1/rooms/team/members/bob", r#"{"role":"reader"}"#).await;
    assert_eq!((other.0, &other.1["code"]), (403, &json!(202)));
    let changed = ask("PATCH /v1/rooms/team/members/bob", r#"{"role":"reader"}"#).await;
    assert_eq!(known_one(changed), (200, member("bob", "reader")));
    let page = ask("GET /v1/rooms/team/members?limit=2&after=bob", "")
        .await
        .1;
    assert_eq!(
        known(page["members"].clone()),
        json!([member("mia", "member"), member("olga", "owner")])
    );
    assert_eq!(page["more"], true);
    assert_eq!(ask("DELETE /v1/rooms/team/members/bob", "").await.0, 204);
    assert_eq!(ask("DELETE /v1/rooms/team/members/bob", "").await.0, 204);
    assert_eq!(ask("POST /v1/rooms/team/leave", "").await.1["code"], 202);
    let log = stage.store.page(&room, Page::Newest, 3).await.unwrap();
    let bodies: Vec<_> = log.iter().map(|entry| entry.body.clone()).collect();
    let bob = || user("bob");
    let expected = [
        EntryBody::Joined {
            user: bob(),
            role: Role::Moderator,
        },
        EntryBody::Role {
            user: bob(),
            role: Role::Reader,
        },
        EntryBody::Left {
            user: bob(),
            why: LeftWhy::Removed,
        },
    ];
    assert_eq!(bodies, expected);
}

#[tokio::test]
async fn unless_everybody_is_shown_only_those_who_share_a_room_are() {
    for (setting, mia_sees) in [
        (OnlineList::Rooms, json!(["mia", "olga"])),
        (OnlineList::Off, json!([])),
    ] {
        let stage = Stage::with(setting).await;
        stage.room("team", "mia", Some(Role::Member)).await;
        let (mut zoe, _) = stage.place.native("zoe").await;
        let (mut mia, _) = stage.place.native("mia").await;
        let online = json!({ "type": "online" });
        assert_eq!(mia.ask(online.clone()).await["result"]["users"], mia_sees);
        let request = ["GET /v1/online".to_owned(), String::new()];
        assert_eq!(stage.rest("mia", &request).await.1["users"], mia_sees);
        // Everybody sees oneself at most, but for an admin.
        let seen = zoe.ask(online.clone()).await["result"]["users"].clone();
        assert!(seen == json!(["zoe"]) || seen == json!([]), "{seen}");
        let all = json!(["mia", "olga", "zoe"]);
        assert_eq!(stage.rest("root", &request).await.1["users"], all);
        let presence = json!({ "type": "presence", "users": ["olga", "zoe", "mia"] });
        let seen = mia.ask(presence).await["result"]["users"].clone();
        let seen: Vec<_> = seen.as_array().unwrap().iter().collect();
        assert_eq!(seen[0]["online"], true);
        assert_eq!(*seen[1], json!({ "user": "zoe", "online": false }));
        assert_eq!(seen[2]["online"], true);

        let (mut old, _) = stage.place.socketio("mia").await;
        let list = packet(&mut old, r#"42["online-users""#).await;
        assert_eq!(list, format!(r#"42["online-users",{mia_sees}]"#));
    }
}
