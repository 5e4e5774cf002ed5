//! Every frame of the native protocol, exactly. A change here breaks clients.
//!
//! `tests/golden/commands.jsonl` is what clients send, `tests/golden/frames.jsonl` what they get;
//! one frame a line. `docs/PROTOCOL.md` shows each of them.

use std::{collections::BTreeSet, path::Path, sync::Arc};

use chat_core::{
    Action, Announcement, Answer, BlockList, BlockView, ClientMessageId, CloseReason, Command,
    Cursor, Details, Directory, Done, Entry, EntryBody, Epoch, Error, ErrorBody, ErrorCode, Event,
    Frame, GapReason, HistoryPage, InboxFilter, InboxPage, InboxRoom, Invite, InviteId, InviteList,
    InviteToken, LeftWhy, Mark, Me, Member, MemberList, MemberView, Membership, MessageId, Notify,
    OnlineUsers, Outgoing, Page, Permission, Pong, Presence, PresenceOfUsers, Principal, Rank,
    Reason, Renewed, Reply, Request, Resumed, Role, Room, RoomCursor, RoomId, RoomKind, RoomList,
    RoomNews, RoomView, Sanction, SanctionList, Sanctioned, Sent, Seq, SessionId, Standing, UserId,
    Version, Watermarks, Welcome, command, decode, may,
};
use chrono::{DateTime, Utc};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

const PROTOCOL: &str = include_str!("../../../docs/PROTOCOL.md");

fn user(name: &str) -> UserId {
    UserId::new(name).unwrap()
}

fn room() -> RoomId {
    RoomId::new("alice,bob").unwrap()
}

fn group() -> RoomId {
    RoomId::new("team").unwrap()
}

fn member(name: &str, role: Role) -> Member {
    Member {
        user: user(name),
        role,
        joined_at: at(0),
        joined_seq: Seq(3),
        watermarks: marks(),
    }
}

/// A value that is easier to write as JSON.
fn of<T: DeserializeOwned>(json: Value) -> T {
    serde_json::from_value(json).unwrap()
}

fn uuid(last: u8) -> uuid::Uuid {
    format!("01980000-0000-7000-8000-0000000000{last:02x}")
        .parse()
        .unwrap()
}

fn at(second: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(1_763_000_000 + second, 0).unwrap()
}

fn cursor(seq: u64) -> Cursor {
    Cursor {
        epoch: Epoch(uuid(0xe0)),
        seq: Seq(seq),
    }
}

fn client_id() -> ClientMessageId {
    ClientMessageId::new("c-1").unwrap()
}

fn members() -> command::Members {
    command::Members {
        room: room(),
        after: Some(user("bob")),
        limit: Some(50),
    }
}

fn blocks() -> command::Blocks {
    command::Blocks {
        after: Some(user("bob")),
        limit: Some(50),
    }
}

#[expect(clippy::too_many_lines, reason = "it is a list")]
fn commands() -> Vec<Command> {
    let (room, text) = (room(), "hello".to_owned());
    let resume = RoomCursor {
        room: room.clone(),
        cursor: cursor(7),
    };
    let history = |page| command::History {
        room: room.clone(),
        page,
        limit: Some(20),
    };
    vec![
        command::Hello {
            token: "alice".to_owned(),
            cursors: vec![resume.clone()],
        }
        .into(),
        command::Renew {
            token: "alice".to_owned(),
        }
        .into(),
        command::Open { user: user("bob") }.into(),
        command::Block { user: user("bob") }.into(),
        command::Unblock { user: user("bob") }.into(),
        blocks().into(),
        command::Rooms {
            after: Some(room.clone()),
            limit: Some(50),
        }
        .into(),
        command::Inbox {
            filter: InboxFilter::Unread,
            after: Some("1763000000000000:team".parse().unwrap()),
            limit: Some(50),
        }
        .into(),
        command::SetMe {
            room: group(),
            change: of(json!({
                "notify": "mentions", "pinned": true, "hidden": false, "muted_until": at(0),
            })),
        }
        .into(),
        command::SetMe {
            room: group(),
            change: of(json!({ "muted_until": null })),
        }
        .into(),
        of::<command::Create>(json!({
            "kind": "group", "name": "Team", "topic": "work", "data": { "colour": "red" },
            "settings": { "slow_mode": 5 }, "members": ["bob"], "client_id": "c-1",
        }))
        .into(),
        command::ViewRoom { room: group() }.into(),
        command::Update {
            room: group(),
            change: of(json!({
                "name": "Crew", "topic": "", "data": {}, "archived": false,
                "settings": {
                    "post": "everyone", "add": "moderators", "history": "all", "slow_mode": 0,
                },
            })),
            client_id: Some(client_id()),
        }
        .into(),
        command::FindChannels {
            query: "news".to_owned(),
            after: Some(group()),
            limit: Some(50),
        }
        .into(),
        command::Join { room: group() }.into(),
        command::Send {
            room: room.clone(),
            text: text.clone(),
            client_id: Some(client_id()),
        }
        .into(),
        command::Edit {
            room: room.clone(),
            target: Seq(7),
            text,
            client_id: Some(client_id()),
        }
        .into(),
        command::Delete {
            room: room.clone(),
            target: Seq(7),
            client_id: Some(client_id()),
        }
        .into(),
        history(Page::Newest).into(),
        history(Page::Before(Seq(7))).into(),
        history(Page::After(Seq(7))).into(),
        history(Page::Around(Seq(7))).into(),
        command::Resume {
            room: resume.room,
            cursor: resume.cursor,
        }
        .into(),
        command::Receipt {
            room: room.clone(),
            mark: Mark::Delivered,
            seq: Seq(7),
        }
        .into(),
        command::Receipt {
            room: room.clone(),
            mark: Mark::Read,
            seq: Seq(7),
        }
        .into(),
        command::Typing { room: room.clone() }.into(),
        members().into(),
        command::Readers {
            room: room.clone(),
            seq: Seq(7),
            after: Some(user("bob")),
            limit: Some(50),
        }
        .into(),
        command::Add {
            room: group(),
            user: user("bob"),
            role: Some(Role::Reader),
        }
        .into(),
        command::Remove {
            room: group(),
            user: user("bob"),
        }
        .into(),
        command::Leave { room: group() }.into(),
        command::ChangeRole {
            room: group(),
            user: user("bob"),
            role: Role::Moderator,
        }
        .into(),
        command::MakeInvite {
            room: group(),
            uses: Some(5),
            ttl: Some(86_400),
            role: Some(Role::Member),
        }
        .into(),
        command::Invites {
            room: group(),
            after: Some(invite_id()),
            limit: Some(50),
        }
        .into(),
        command::Uninvite {
            room: group(),
            invite: invite_id(),
        }
        .into(),
        command::Accept {
            token: invite().token,
        }
        .into(),
        command::Ban {
            room: group(),
            user: user("bob"),
            seconds: Some(3_600),
            reason: Reason::new("spam").unwrap(),
        }
        .into(),
        command::Unban {
            room: group(),
            user: user("bob"),
        }
        .into(),
        command::Bans {
            room: group(),
            after: Some(user("bob")),
            limit: Some(50),
        }
        .into(),
        command::Mute {
            room: group(),
            user: user("bob"),
            seconds: Some(3_600),
            reason: Reason::new("spam").unwrap(),
        }
        .into(),
        command::Unmute {
            room: group(),
            user: user("bob"),
        }
        .into(),
        command::Mutes {
            room: group(),
            after: Some(user("bob")),
            limit: Some(50),
        }
        .into(),
        command::Presence {
            users: vec![user("bob"), user("carol")],
        }
        .into(),
        command::Online {}.into(),
        command::Ping {}.into(),
    ]
}

fn entry(seq: u8, body: EntryBody) -> Arc<Entry> {
    Arc::new(Entry {
        room: room(),
        seq: Seq(seq.into()),
        id: MessageId(uuid(seq)),
        author: user("alice"),
        client_id: client_id(),
        at: at(seq.into()),
        body,
    })
}

fn marks() -> Watermarks {
    Watermarks {
        delivered: Seq(7),
        read: Seq(5),
    }
}

fn online() -> Presence {
    Presence {
        user: user("bob"),
        online: true,
        last_seen: None,
    }
}

fn direct_room() -> Room {
    Room {
        id: room(),
        kind: RoomKind::Direct,
        epoch: Epoch(uuid(0xe0)),
        head: Seq(7),
        created_at: at(0),
        created_by: Some(user("alice")),
        details: Details::default(),
        members: 2,
    }
}

fn group_room() -> Room {
    Room {
        id: group(),
        kind: RoomKind::Group,
        epoch: Epoch(uuid(0xe0)),
        head: Seq(7),
        created_at: at(0),
        created_by: Some(user("alice")),
        details: of(json!({
            "name": "Team", "topic": "work", "data": { "colour": "red" }, "archived": false,
            "settings": {
                "post": "everyone", "add": "everyone", "history": "joined", "slow_mode": 5,
            },
        })),
        members: 2,
    }
}

fn me(role: Role) -> Me {
    Me {
        role,
        notify: Notify::All,
        pinned: false,
        hidden: false,
        muted_until: None,
    }
}

fn in_inbox() -> InboxRoom {
    InboxRoom {
        room: group_room(),
        me: me(Role::Member),
        watermarks: marks(),
        last: Some(entry(7, EntryBody::message("hello"))),
        active_at: at(7),
        unread: 2,
        mentions: 0,
    }
}

fn invite_id() -> InviteId {
    InviteId(uuid(0x1a))
}

fn invite() -> Invite {
    Invite {
        id: invite_id(),
        room: group(),
        token: InviteToken::new("5f0c1a").unwrap(),
        by: user("alice"),
        role: Role::Member,
        created_at: at(0),
        expires_at: Some(at(86_400)),
        uses_left: Some(5),
    }
}

fn sanctioned() -> Sanctioned {
    Sanctioned {
        user: user("bob"),
        by: user("alice"),
        at: at(0),
        until: Some(at(3_600)),
        reason: Reason::new("spam").unwrap(),
    }
}

#[expect(clippy::too_many_lines, reason = "it is a list")]
fn replies() -> Vec<Reply> {
    let log = direct_room;
    let gone = Presence {
        user: user("carol"),
        online: false,
        last_seen: Some(at(9)),
    };
    vec![
        Reply::Welcome(Welcome {
            user: user("alice"),
            session: SessionId(uuid(0x5e)),
            expires_at: None,
        }),
        Reply::Welcome(Welcome {
            user: user("alice"),
            session: SessionId(uuid(0x5e)),
            expires_at: Some(at(3_600)),
        }),
        Reply::Renewed(Renewed {
            expires_at: Some(at(7_200)),
        }),
        Reply::Room(RoomView {
            room: log(),
            me: me(Role::Member),
            members: vec![MemberView {
                presence: online(),
                role: Role::Member,
                watermarks: marks(),
            }],
        }),
        Reply::Room(RoomView {
            room: group_room(),
            me: me(Role::Owner),
            members: vec![MemberView {
                presence: online(),
                role: Role::Member,
                watermarks: marks(),
            }],
        }),
        Reply::Inbox(InboxPage {
            rooms: vec![in_inbox()],
            next: Some(in_inbox().place()),
        }),
        Reply::Me(Me {
            notify: Notify::Mentions,
            pinned: true,
            muted_until: Some(at(0)),
            ..me(Role::Member)
        }),
        Reply::Directory(Directory {
            rooms: vec![Room {
                kind: RoomKind::Channel,
                ..group_room()
            }],
            more: false,
        }),
        Reply::Invite(invite()),
        Reply::Invites(InviteList {
            invites: vec![invite()],
            more: false,
        }),
        Reply::Sanctioned(sanctioned()),
        Reply::Sanctions(SanctionList {
            users: vec![sanctioned()],
            more: false,
        }),
        Reply::Rooms(RoomList {
            rooms: vec![Membership {
                room: log(),
                watermarks: marks(),
                unread: 2,
            }],
            more: false,
        }),
        Reply::Sent(Sent {
            room: room(),
            id: MessageId(uuid(7)),
            seq: Seq(7),
            at: at(7),
            duplicate: false,
        }),
        Reply::History(HistoryPage {
            epoch: Epoch(uuid(0xe0)),
            entries: vec![entry(7, EntryBody::message("hello"))],
            older: true,
            newer: false,
        }),
        Reply::Resumed(Resumed { cursor: cursor(7) }),
        Reply::Receipt(marks()),
        Reply::Members(MemberList {
            members: vec![member("alice", Role::Owner), member("bob", Role::Member)],
            more: false,
        }),
        Reply::Member(member("bob", Role::Moderator)),
        Reply::Blocks(BlockList {
            blocks: vec![BlockView {
                user: user("carol"),
                at: at(3),
            }],
            more: false,
        }),
        Reply::Presence(PresenceOfUsers {
            users: vec![online(), gone],
        }),
        Reply::Online(OnlineUsers {
            users: vec![user("alice"), user("bob")],
        }),
        Reply::Ok(Done {}),
        Reply::Pong(Pong {}),
    ]
}

fn errors() -> Vec<(Option<u64>, Error)> {
    vec![
        (None, Error::BadRequest("the frame is not JSON".to_owned())),
        (
            Some(1),
            Error::RateLimited {
                retry_after: std::time::Duration::from_secs(5),
                muted_for: Some(std::time::Duration::from_secs(5)),
            },
        ),
    ]
}

fn entries() -> Vec<Event> {
    let text: Arc<str> = "hello".into();
    vec![
        Event::Entry(entry(7, EntryBody::message("hello"))),
        Event::Entry(entry(
            7,
            EntryBody::Message {
                text: Arc::clone(&text),
                edited_at: Some(at(8)),
            },
        )),
        Event::Entry(entry(
            8,
            EntryBody::Edit {
                target: Seq(7),
                text,
            },
        )),
        Event::Entry(entry(9, EntryBody::Delete { target: Seq(7) })),
        Event::Entry(entry(7, EntryBody::Deleted)),
        Event::Entry(entry(
            10,
            EntryBody::Joined {
                user: user("carol"),
                role: Role::Member,
            },
        )),
        Event::Entry(entry(
            11,
            EntryBody::Role {
                user: user("carol"),
                role: Role::Moderator,
            },
        )),
        Event::Entry(entry(
            12,
            EntryBody::Left {
                user: user("carol"),
                why: LeftWhy::Removed,
            },
        )),
        Event::Entry(entry(
            13,
            EntryBody::Room(Arc::new(of(json!({
                "name": "Crew", "settings": { "slow_mode": 0 }, "archived": false,
            })))),
        )),
        Event::Entry(entry(
            14,
            EntryBody::Notice(Arc::new(of(json!({
                "text": "shipped", "data": { "order": 7 },
            })))),
        )),
    ]
}

fn events() -> Vec<Event> {
    let gap = |reason| Event::Gap {
        room: room(),
        epoch: Epoch(uuid(0xe0)),
        from: Seq(8),
        to: Seq(400),
        reason,
    };
    let others = vec![
        Event::Room {
            why: RoomNews::Added,
            room: Box::new(in_inbox()),
        },
        Event::Room {
            why: RoomNews::Changed,
            room: Box::new(in_inbox()),
        },
        Event::Me {
            room: group(),
            me: me(Role::Member),
        },
        gap(GapReason::TooMany),
        gap(GapReason::NewEpoch),
        Event::Resumed {
            room: room(),
            cursor: cursor(400),
        },
        Event::Closed { room: room() },
        Event::Receipt {
            room: room(),
            user: user("bob"),
            was: Watermarks {
                delivered: Seq(5),
                read: Seq(5),
            },
            now: marks(),
        },
        Event::Typing {
            room: room(),
            user: user("bob"),
            active: true,
        },
        Event::Presence(online()),
        Event::Announcement {
            text: Announcement::new("Back at noon").unwrap(),
            at: at(0),
        },
        Event::Expiring {
            expires_at: at(3_600),
        },
    ];
    entries().into_iter().chain(others).collect()
}

fn frames() -> Vec<Outgoing> {
    let replies = replies()
        .into_iter()
        .map(|result| Answer::Reply { id: 1, result });
    let errors = errors().into_iter().map(|(id, error)| Answer::Error {
        id,
        error: ErrorBody::from(&error),
    });
    replies
        .chain(errors)
        .map(Outgoing::Answer)
        .chain(events().into_iter().map(Outgoing::Event))
        .collect()
}

/// Compares with the file, or writes it anew when `UPDATE_GOLDEN` is set.
fn compare(file: &str, lines: &[String]) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/golden")
        .join(file);
    let text = lines.join("\n") + "\n";
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(&path, &text).unwrap();
    }
    assert_eq!(
        std::fs::read_to_string(&path).unwrap(),
        text,
        "{}",
        path.display()
    );
    for line in lines {
        assert!(PROTOCOL.contains(line), "PROTOCOL.md does not show {line}");
    }
}

#[test]
fn commands_read_and_write_as_they_always_did() {
    let mut lines = Vec::new();
    for command in commands() {
        let request = Request { id: 1, command };
        let line = serde_json::to_string(&request).unwrap();
        assert_eq!(decode(&line).unwrap(), request, "{line}");
        lines.push(line);
    }
    compare("commands.jsonl", &lines);
}

#[test]
fn frames_read_and_write_as_they_always_did() {
    let mut lines = Vec::new();
    for frame in frames() {
        let line = match frame.clone() {
            Outgoing::Answer(answer) => Frame::from(answer),
            Outgoing::Event(event) => Frame::from(event),
        };
        let line = line.json().to_string();
        assert_eq!(
            serde_json::from_str::<Outgoing>(&line).unwrap(),
            frame,
            "{line}"
        );
        lines.push(line);
    }
    compare("frames.jsonl", &lines);
}

/// The variants that serde knows of an enum, from the error for one that it doesn't know.
fn variants<T: DeserializeOwned>(tag: &str) -> BTreeSet<String> {
    let error = serde_json::from_value::<T>(serde_json::json!({ tag: "?" }))
        .err()
        .unwrap();
    let message = error.to_string();
    let names = message.split_once("expected one of ").unwrap().1;
    names
        .split('`')
        .skip(1)
        .step_by(2)
        .map(str::to_owned)
        .collect()
}

#[test]
fn every_kind_of_frame_is_there() {
    let commands: Vec<Value> = commands()
        .iter()
        .map(|command| serde_json::to_value(command).unwrap())
        .collect();
    let frames: Vec<Value> = frames()
        .iter()
        .map(|frame| serde_json::to_value(frame).unwrap())
        .collect();
    let seen = |values: &[Value], pointer: &str| -> BTreeSet<String> {
        let found = values
            .iter()
            .filter_map(|value| value.pointer(pointer)?.as_str());
        found.map(str::to_owned).collect()
    };
    let names = Command::NAMES.iter().copied().map(str::to_owned);
    assert_eq!(seen(&commands, "/type"), names.collect());
    assert_eq!(seen(&frames, "/result/kind"), variants::<Reply>("kind"));
    assert_eq!(seen(&frames, "/body/kind"), variants::<EntryBody>("kind"));
    let mut all = variants::<Event>("type");
    all.extend(["reply", "error"].map(str::to_owned));
    assert_eq!(seen(&frames, "/type"), all);
}

#[test]
fn the_document_describes_each_command_of_the_table_in_its_order() {
    let (_, text) = PROTOCOL.split_once("## Commands\n").unwrap();
    let text = text.split("\n## ").next().unwrap();
    let headings = text.lines().filter_map(|line| line.strip_prefix("### "));
    let described: Vec<_> = headings.flat_map(|names| names.split(", ")).collect();
    assert_eq!(described, Command::NAMES);
}

#[test]
fn the_permission_table_in_the_document_is_that_of_the_code() {
    let sanction = || Sanction {
        version: Version(1),
        until: None,
    };
    let fine = Standing::default();
    let muted = Standing {
        mutes: vec![sanction()],
        ..Standing::default()
    };
    let banned = Standing {
        bans: vec![sanction()],
        ..Standing::default()
    };
    let bob = Principal::trusted(user("bob"));
    let admin = Principal {
        rank: Rank::Admin,
        ..bob.clone()
    };
    let columns = [
        (&fine, None, &bob),
        (&fine, Some(Role::Reader), &bob),
        (&fine, Some(Role::Member), &bob),
        (&fine, Some(Role::Moderator), &bob),
        (&fine, Some(Role::Owner), &bob),
        (&muted, Some(Role::Member), &bob),
        (&banned, Some(Role::Owner), &bob),
        (&fine, None, &admin),
    ];
    for action in Action::ALL {
        let commands = Command::ACTIONS.iter().filter(|(_, its)| its == action);
        let commands: Vec<_> = commands.map(|(name, _)| format!("`{name}`")).collect();
        let mut row = format!("| {} | {} |", action.name(), commands.join(", "));
        for (standing, role, by) in columns {
            row += match may(*action, standing, role, by) {
                Permission::Allowed => " yes |",
                Permission::NoRoom => " 200 |",
                Permission::Forbidden => " 202 |",
                Permission::Muted => " 211 |",
                Permission::Banned => " 214 |",
            };
        }
        assert!(PROTOCOL.contains(&row), "PROTOCOL.md does not show {row}");
    }
}

#[test]
fn the_tables_of_codes_in_the_document_are_complete() {
    /// The rows of a table that begin with a number and a name in backticks.
    fn rows(section: &str) -> Vec<(u16, &str)> {
        let (_, text) = PROTOCOL.split_once(&format!("## {section}\n")).unwrap();
        let text = text.split("\n## ").next().unwrap();
        let cells = text
            .lines()
            .map(|line| line.split('|').map(str::trim).collect::<Vec<_>>());
        let rows = cells.filter_map(|cells| {
            Some((cells.get(1)?.parse().ok()?, cells.get(2)?.trim_matches('`')))
        });
        rows.collect()
    }
    let errors: Vec<_> = ErrorCode::ALL
        .iter()
        .map(|one| (one.code(), one.name()))
        .collect();
    let closes: Vec<_> = CloseReason::ALL
        .iter()
        .map(|one| (one.code(), one.name()))
        .collect();
    assert_eq!(rows("Error codes"), errors);
    assert_eq!(rows("Close codes"), closes);
}

#[test]
fn as_many_cursors_fit_into_a_hello_as_the_document_says() {
    assert!(PROTOCOL.contains("300 rooms of any names in ASCII, 100 of any names at all"));
    for (letter, rooms) in [('x', 300), ('\u{20000}', 100)] {
        let name = |last: &str| user(&(letter.to_string().repeat(63) + last));
        let cursor = RoomCursor {
            room: RoomId::direct(&name("a"), &name("b")).unwrap(),
            cursor: cursor(i64::MAX.unsigned_abs()),
        };
        let hello = command::Hello {
            token: "t".repeat(1_000),
            cursors: vec![cursor; rooms],
        };
        let request = Request::new(1, hello);
        let bytes = serde_json::to_string(&request).unwrap().len();
        assert!(bytes <= 64 << 10, "{rooms}: {bytes}");
    }
}
