//! The screen without a terminal: what keys and the server do to it, and how it looks at five sizes.

use std::{fs, path::Path, sync::Arc};

use chat_cli::{ClientEvent, RequestError};
use chat_core::{
    ClientMessageId, Entry, Event, HistoryPage, InboxPage, Mark, RoomId, RoomView, Seq, SessionId,
    UserId,
};
use chrono::{DateTime, Utc};
use crossterm::event::{KeyCode, KeyEvent, KeyModifiers, MouseButton, MouseEvent, MouseEventKind};
use ratatui::{Terminal, backend::TestBackend, buffer::Buffer, style::Color};
use serde_json::{Value, json};
use tokio::time::Instant;

use super::{
    happened::{Act, Happened, Opening, Write},
    model::{Focus, Model, Outcome, Settings},
    render::render,
    theme::Theme,
};

const TEAM: &str = "team";

fn settings() -> Settings {
    Settings {
        me: Some(user("alice")),
        server: "https://chat.example".to_owned(),
        theme: Theme::Dark,
        links: false,
        clock: |at| at.naive_utc(),
        now: || at(600),
    }
}

fn user(name: &str) -> UserId {
    UserId::new(name).unwrap()
}

fn room(id: &str) -> RoomId {
    RoomId::new(id).unwrap()
}

/// A time in the morning of a Sunday, in minutes.
fn at(minutes: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(1_795_910_400 + minutes * 60, 0).unwrap()
}

fn entry(room: &str, seq: u64, author: &str, body: impl Into<Value>) -> Arc<Entry> {
    let body = body.into();
    let entry = json!({
        "room": room, "seq": seq, "id": "0198a0b0-0000-7000-8000-000000000000",
        "author": author, "client_id": format!("c-{seq}"),
        "at": at(480 + i64::try_from(seq).unwrap() * 7), "body": body,
    });
    Arc::new(serde_json::from_value(entry).unwrap())
}

fn message(room: &str, seq: u64, author: &str, text: &str) -> Arc<Entry> {
    entry(
        room,
        seq,
        author,
        json!({ "kind": "message", "text": text }),
    )
}

fn room_json(id: &str, name: &str, head: u64) -> Value {
    let kind = match id {
        id if id.contains(',') => "direct",
        "news" => "channel",
        _ => "group",
    };
    json!({
        "id": id, "kind": kind, "name": name, "topic": "What we do this week", "head": head,
        "members": if kind == "direct" { 2 } else { 4 },
        "epoch": "0198a0b0-0000-7000-8000-000000000000", "created_at": at(0),
    })
}

/// A room in the inbox, whose last message is this.
fn listed(id: &str, name: &str, unread: u64, pinned: bool, author: &str, text: &str) -> Value {
    let last = message(id, 9, author, text);
    json!({
        "room": room_json(id, name, 9),
        "me": { "role": "member", "notify": "all", "pinned": pinned, "hidden": false },
        "delivered": 9, "read": 9 - unread.min(9), "active_at": at(540 - i64::try_from(unread).unwrap()),
        "unread": unread, "mentions": 0, "last": last,
    })
}

fn inbox() -> InboxPage {
    let rooms = [
        listed(TEAM, "Team", 2, false, "bob", "and the second\nline"),
        listed("alice,bob", "", 0, false, "alice", "see you"),
        listed("news", "Rust News", 1_000, true, "carol", "1.95 is out"),
        listed(
            "alice,zoë-with-a-long-name",
            "",
            1,
            false,
            "zoë-with-a-long-name",
            "李雷",
        ),
    ];
    serde_json::from_value(json!({ "rooms": rooms })).unwrap()
}

fn opening(head: u64, entries: &[Arc<Entry>], older: bool) -> Box<Opening> {
    let member = |name: &str, role: &str, online: bool, read: u64| {
        json!({
            "user": name, "online": online, "role": role, "delivered": read, "read": read,
        })
    };
    let view = json!({
        "room": room_json(TEAM, "Team", head),
        "me": { "role": "member", "notify": "all", "pinned": false, "hidden": false },
        "members": [
            member("alice", "owner", true, 7), member("bob", "moderator", true, 9),
            member("carol", "member", false, 5), member("zoë", "member", false, 0),
        ],
    });
    let view: RoomView = serde_json::from_value(view).unwrap();
    let past = HistoryPage {
        epoch: view.room.epoch,
        entries: entries.to_vec(),
        older,
        newer: false,
    };
    Box::new(Opening {
        view,
        past: Some(past),
    })
}

/// The log of the team, for all kinds of items.
fn said() -> Vec<Arc<Entry>> {
    vec![
        entry(
            TEAM,
            1,
            "alice",
            json!({ "kind": "joined", "user": "bob", "role": "member" }),
        ),
        message(
            TEAM,
            2,
            "alice",
            "Good morning! The notes are at https://example.com/notes?week=48, \
            please read them before nine.",
        ),
        entry(TEAM, 3, "alice", json!({ "kind": "deleted" })),
        entry(
            TEAM,
            4,
            "bob",
            json!({
                "kind": "message", "text": "I have.\n\nTwo questions:\n\t1. who\n\t2. when", "edited_at": at(530),
            }),
        ),
        message(
            TEAM,
            5,
            "carol",
            "مرحبا 你好 👩\u{200d}👩\u{200d}👧 e\u{301}",
        ),
        message(
            TEAM,
            6,
            "eve",
            "evil \u{202e}txt.exe\u{1b}[2J \u{7}\u{9b}31m",
        ),
        message(TEAM, 7, "alice", "ok"),
        message(TEAM, 8, "bob", "first unread"),
        message(TEAM, 9, "bob", "and the second\nline"),
    ]
}

/// The screen of a program under test.
struct Test {
    model: Model,
    now: Instant,
    acts: Vec<Act>,
}

impl Test {
    /// Connected, with the inbox.
    fn new(columns: u16, rows: u16) -> Self {
        let mut test = Self {
            model: Model::new(settings(), (columns, rows)),
            now: Instant::now(),
            acts: Vec::new(),
        };
        test.happens(Happened::Client(ClientEvent::Connected {
            user: user("alice"),
            session: serde_json::from_value::<SessionId>(json!(
                "0198a0b0-0000-7000-8000-000000000000"
            ))
            .unwrap(),
        }));
        test.happens(Happened::Online(vec![user("alice"), user("bob")]));
        test.happens(Happened::Inbox {
            first: true,
            page: Ok(inbox()),
        });
        test
    }

    /// With the team open.
    fn in_team(columns: u16, rows: u16) -> Self {
        let mut test = Self::new(columns, rows);
        test.types("/open team");
        test.press(KeyCode::Enter);
        test.happens(Happened::Opened(room(TEAM), Ok(opening(9, &said(), false))));
        test
    }

    fn happens(&mut self, happened: Happened) {
        let acts = self.model.update(self.now, happened);
        self.acts.extend(acts);
    }

    fn press(&mut self, code: KeyCode) {
        self.with(code, KeyModifiers::NONE);
    }

    fn with(&mut self, code: KeyCode, modifiers: KeyModifiers) {
        self.happens(Happened::Key(KeyEvent::new(code, modifiers)));
    }

    fn types(&mut self, text: &str) {
        for c in text.chars() {
            self.press(KeyCode::Char(c));
        }
    }

    fn comes(&mut self, entry: Arc<Entry>) {
        self.happens(Happened::Client(ClientEvent::Entry(entry)));
    }

    fn event(&mut self, event: Value) {
        let event: Event = serde_json::from_value(event).unwrap();
        self.happens(Happened::Client(ClientEvent::Event(event)));
    }

    fn acted(&mut self) -> Vec<Act> {
        std::mem::take(&mut self.acts)
    }

    /// The screen as text.
    fn screen(&self) -> String {
        let (columns, rows) = self.model.size;
        let mut terminal = Terminal::new(TestBackend::new(columns, rows)).unwrap();
        terminal
            .draw(|frame| {
                let _ = render(&self.model, frame.buffer_mut());
            })
            .unwrap();
        let lines = terminal.backend().to_string();
        // Behind a row, the backend says which cells a wide character covers.
        let rows = lines
            .lines()
            .map(|line| line.split("\" Hidden").next().unwrap_or_default());
        let lines = rows.map(|line| line.trim_matches('"').trim_end());
        lines.flat_map(|line| [line, "\n"]).collect()
    }

    fn shows(&self, text: &str) -> bool {
        self.screen().contains(text)
    }

    fn buffer(&self) -> Buffer {
        let (columns, rows) = self.model.size;
        let mut buffer = Buffer::empty(ratatui::layout::Rect::new(0, 0, columns, rows));
        render(&self.model, &mut buffer);
        buffer
    }
}

/// Compares a screen with the one that is kept; `UPDATE_GOLDEN=1` keeps this one.
fn golden(name: &str, screen: &str) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/screens");
    let path = folder.join(format!("{name}.txt"));
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        fs::create_dir_all(folder).unwrap();
        fs::write(&path, screen).unwrap();
    }
    let kept = fs::read_to_string(&path).unwrap_or_default();
    assert!(
        kept == screen,
        "{} is not what is shown now:\n{screen}",
        path.display()
    );
}

const SIZES: [(u16, u16); 5] = [(20, 10), (40, 20), (80, 24), (200, 50), (400, 100)];

#[test]
fn the_screen_looks_as_it_was_looked_at_in_five_sizes() {
    for (columns, rows) in SIZES {
        let mut test = Test::in_team(columns, rows);
        test.event(json!({ "type": "typing", "room": TEAM, "user": "bob", "active": true }));
        test.types("half a message");
        test.with(KeyCode::Enter, KeyModifiers::ALT);
        test.types("in two lines");
        golden(&format!("room-{columns}x{rows}"), &test.screen());
        let test = Test::new(columns, rows);
        golden(&format!("inbox-{columns}x{rows}"), &test.screen());
    }
}

#[test]
fn help_and_searches_fit_into_five_sizes() {
    for (columns, rows) in SIZES {
        let mut test = Test::in_team(columns, rows);
        test.press(KeyCode::F(1));
        let help = test.screen();
        assert!(help.contains("Alt+Enter"), "{help}");
        test.press(KeyCode::Esc);
        test.with(KeyCode::Char('g'), KeyModifiers::CONTROL);
        test.types("te");
        let search = test.screen();
        assert!(
            search.contains("> te") && search.contains("Team"),
            "{search}"
        );
        if columns == 80 {
            golden("help-80x24", &help);
            golden("search-80x24", &search);
        }
    }
}

#[test]
fn no_size_breaks_the_screen() {
    for columns in (1..=45).chain([60, 109, 110, 1_000]) {
        for rows in (1..=12).chain([40]) {
            let mut test = Test::in_team(columns, rows);
            for focus in [Focus::Inbox, Focus::Messages, Focus::Composer] {
                test.model.focus = focus;
                test.screen();
            }
            test.press(KeyCode::PageUp);
            test.with(KeyCode::Char('m'), KeyModifiers::ALT);
            test.screen();
            test.press(KeyCode::F(1));
            test.screen();
        }
    }
}

#[test]
fn nothing_that_others_wrote_reaches_the_terminal_as_a_command() {
    for theme in [Theme::Dark, Theme::Light, Theme::None] {
        let mut test = Test::in_team(80, 40);
        test.model.settings.theme = theme;
        let evil = "\u{1b}]8;;http://a\u{7}\u{1b}[2J\u{9b}1m\u{202e}\u{2066}\u{200f}\r\u{8}";
        test.comes(message(TEAM, 10, "bob", evil));
        test.comes(message("alice,bob", 10, "bob", evil));
        test.happens(Happened::Client(ClientEvent::Disconnected {
            reason: evil.to_owned(),
            retry_in: std::time::Duration::from_secs(1),
        }));
        test.types("x");
        test.happens(Happened::Paste(evil.to_owned()));
        for cell in test.buffer().content() {
            for c in cell.symbol().chars() {
                assert!(!c.is_control(), "{:?}", cell.symbol());
                let bidi = matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{200e}' | '\u{200f}');
                assert!(!bidi, "{:?}", cell.symbol());
            }
        }
    }
}

#[test]
fn a_safe_link_is_one_for_the_terminal_and_a_dubious_one_is_text() {
    let mut test = Test::in_team(80, 24);
    test.model.settings.links = true;
    test.comes(message(
        TEAM,
        10,
        "bob",
        "https://a.example/x and https://bank@evil.example",
    ));
    let buffer = test.buffer();
    let links = buffer.content().iter().map(ratatui::buffer::Cell::symbol);
    let links: Vec<_> = links.filter(|symbol| symbol.contains('\x1b')).collect();
    assert!(links.contains(&"\x1b]8;;https://a.example/x\x1b\\https://a.example/x\x1b]8;;\x1b\\"));
    assert!(links.iter().all(|link| !link.contains("evil")), "{links:?}");
    // The part of a link in the second row leads where the whole link does.
    test.happens(Happened::Resized(40, 60));
    let buffer = test.buffer();
    let parts = buffer.content().iter().map(ratatui::buffer::Cell::symbol);
    let whole = "\x1b]8;;https://example.com/notes?week=48\x1b\\";
    assert!(
        parts.filter(|symbol| symbol.starts_with(whole)).count() >= 1,
        "{}",
        test.screen()
    );
}

#[test]
fn without_colours_no_cell_has_one() {
    let mut test = Test::in_team(120, 40);
    test.model.settings.theme = Theme::None;
    for cell in test.buffer().content() {
        assert_eq!((cell.fg, cell.bg), (Color::Reset, Color::Reset), "{cell:?}");
    }
}

#[test]
fn a_message_waits_until_it_is_in_the_log_and_is_shown_once() {
    let mut test = Test::in_team(80, 24);
    test.types("hello");
    test.acted();
    test.press(KeyCode::Enter);
    let [Act::Write(ticket, to, Write::Send(sent))] = &test.acted()[..] else {
        panic!("a write");
    };
    assert_eq!((to.as_str(), sent.as_str()), (TEAM, "hello"));
    assert!(test.shows("  hello\n") || test.shows("sending ..."));
    let id = ClientMessageId::new("c-10").unwrap();
    test.happens(Happened::Queued(*ticket, Some(id)));
    test.comes(message(TEAM, 10, "alice", "hello"));
    let screen = test.screen();
    assert_eq!(screen.matches("hello").count(), 1, "{screen}");
    assert!(!screen.contains("sending"), "{screen}");
    assert!(screen.contains("sent"), "{screen}");
    test.event(json!({
        "type": "receipt", "room": TEAM, "user": "bob", "delivered": 10, "read": 10,
        "was": { "delivered": 9, "read": 9 },
    }));
    assert!(test.shows("read by bob"), "{}", test.screen());
}

#[test]
fn a_refused_message_says_why_and_comes_back_to_be_written_again() {
    let mut test = Test::in_team(80, 24);
    test.types("hello");
    test.press(KeyCode::Enter);
    test.happens(Happened::Answered(1, Err(RequestError::QueueFull)));
    assert!(
        test.shows("not sent: too many messages are waiting"),
        "{}",
        test.screen()
    );
    test.press(KeyCode::Up);
    assert_eq!(test.model.composer.text(), "hello");
    assert!(!test.shows("not sent"));
}

#[test]
fn only_what_was_seen_counts_as_read() {
    let mut test = Test::new(80, 12);
    test.types("/open team");
    test.press(KeyCode::Enter);
    test.acted();
    let many: Vec<_> = (1..=40)
        .map(|n| message(TEAM, n, "bob", &format!("number {n}")))
        .collect();
    test.happens(Happened::Opened(room(TEAM), Ok(opening(40, &many, false))));
    let read = |acts: Vec<Act>| {
        let marks = acts.into_iter().filter_map(|act| match act {
            Act::Mark(_, Mark::Read, seq) => Some(seq),
            _ => None,
        });
        marks.max()
    };
    // Alice had read seven. What is shown begins there.
    assert!(
        test.shows("number 8") && !test.shows("number 40"),
        "{}",
        test.screen()
    );
    let first = read(test.acted()).unwrap();
    assert!(first > Seq(8) && first < Seq(20), "{first}");
    test.press(KeyCode::PageDown);
    assert!(read(test.acted()).unwrap() > first);
    test.happens(Happened::Focus(false));
    test.comes(message(TEAM, 41, "bob", "number 41"));
    assert_eq!(read(test.acted()), None, "nobody looks");
    test.happens(Happened::Focus(true));
    test.with(KeyCode::End, KeyModifiers::CONTROL);
    assert_eq!(read(test.acted()), Some(Seq(41)));
    assert_eq!(test.model.inbox.get(&room(TEAM)).unwrap().unread, 0);
}

#[test]
fn one_who_comes_while_a_room_is_loading_does_not_hide_its_past() {
    let mut test = Test::new(80, 24);
    test.types("/open team");
    test.press(KeyCode::Enter);
    let joined = json!({ "kind": "joined", "user": "dan", "role": "member" });
    test.acted();
    test.comes(entry(TEAM, 10, "bob", joined.clone()));
    let asks = |act: &Act| matches!(act, Act::Open { .. });
    assert!(!test.acted().iter().any(asks), "the room is on its way");
    test.happens(Happened::Opened(
        room(TEAM),
        Ok(opening(10, &said(), false)),
    ));
    assert!(
        test.shows("first unread") && test.shows("bob added dan"),
        "{}",
        test.screen()
    );
    test.comes(entry(TEAM, 11, "bob", joined));
    assert!(
        test.acted().iter().any(asks),
        "the members are asked for again"
    );
}

#[test]
fn scrolling_up_loads_what_is_before_and_keeps_what_is_seen() {
    let mut test = Test::new(80, 14);
    test.types("/open team");
    test.press(KeyCode::Enter);
    let page = |from: u64, to: u64| -> Vec<_> {
        (from..=to)
            .map(|n| message(TEAM, n, "bob", &format!("number {n}.")))
            .collect()
    };
    test.happens(Happened::Opened(
        room(TEAM),
        Ok(opening(60, &page(41, 60), true)),
    ));
    test.with(KeyCode::End, KeyModifiers::CONTROL);
    test.acted();
    for _ in 0..9 {
        test.press(KeyCode::PageUp);
    }
    assert!(test.acted().contains(&Act::Earlier(room(TEAM), Seq(41))));
    assert!(test.shows("number 41."), "{}", test.screen());
    let before = test.screen();
    let past = HistoryPage {
        epoch: opening(1, &[], false).view.room.epoch,
        entries: page(21, 40),
        older: false,
        newer: true,
    };
    test.happens(Happened::Earlier(room(TEAM), Ok(past)));
    let kept = before.lines().filter(|line| line.contains("number"));
    for line in kept {
        assert!(test.shows(line), "{line}: {}", test.screen());
    }
    test.comes(message(TEAM, 61, "bob", "number 61."));
    assert!(
        !test.shows("number 61.") && test.shows("1 new below"),
        "{}",
        test.screen()
    );
    test.with(KeyCode::Home, KeyModifiers::CONTROL);
    assert!(test.shows("number 21."), "{}", test.screen());
    test.press(KeyCode::Esc);
    assert!(test.shows("number 61."));
}

#[test]
fn the_rooms_are_searched_and_so_are_the_loaded_messages() {
    let mut test = Test::in_team(80, 24);
    test.with(KeyCode::Char('g'), KeyModifiers::CONTROL);
    test.types("NEWS");
    test.press(KeyCode::Enter);
    assert!(test.model.is_open(&room("news")));
    test.with(KeyCode::Char('g'), KeyModifiers::CONTROL);
    test.types("dan");
    assert!(test.shows("Enter writes to dan"));
    test.press(KeyCode::Enter);
    assert!(
        test.model.is_open(&room("alice,dan")),
        "a user whom Alice has no room with"
    );
    let mut test = Test::in_team(80, 24);
    test.with(KeyCode::Char('f'), KeyModifiers::CONTROL);
    test.types("QUEST");
    assert!(test.shows("1 of 1"), "{}", test.screen());
    let selected = test.model.talk.as_ref().unwrap().selected.unwrap();
    assert_eq!(
        test.model.talk.as_ref().unwrap().items[selected].seq,
        Some(Seq(4))
    );
    test.press(KeyCode::Esc);
    assert!(test.model.find.is_empty());
}

#[test]
fn a_command_for_the_last_message_is_never_for_the_one_before() {
    let mut test = Test::in_team(80, 24);
    test.types("oops");
    test.press(KeyCode::Enter);
    test.acted();
    test.types("/delete");
    test.press(KeyCode::Enter);
    assert!(
        test.shows("your last message is on its way"),
        "{}",
        test.screen()
    );
    let writes = |act: &Act| matches!(act, Act::Write(..));
    assert!(!test.acted().iter().any(writes));
    test.happens(Happened::Answered(1, Err(RequestError::QueueFull)));
    test.types("/edit better");
    test.press(KeyCode::Enter);
    assert!(test.shows("your last message was not sent"));
    test.types("/delete");
    test.press(KeyCode::Enter);
    assert!(!test.shows("oops"), "{}", test.screen());
    assert!(!test.acted().iter().any(writes));
    test.types("/delete");
    test.press(KeyCode::Enter);
    assert!(test.acted().iter().any(writes), "now it is the last");
}

#[test]
fn the_readers_of_the_last_message_are_asked_for() {
    let mut test = Test::in_team(80, 24);
    test.acted();
    test.types("/readers");
    test.press(KeyCode::Enter);
    let asked = test.acted().into_iter().find_map(|act| match act {
        Act::Ask(asked) => Some(serde_json::to_value(asked.command).unwrap()),
        _ => None,
    });
    let asked = asked.unwrap();
    assert_eq!(
        (&asked["type"], &asked["seq"]),
        (&"readers".into(), &7.into())
    );
}

#[test]
fn a_room_is_opened_by_its_place_in_the_list_too() {
    let mut test = Test::in_team(80, 24);
    test.types("/open 2");
    test.press(KeyCode::Enter);
    assert!(test.model.is_open(&room("alice,bob")));
}

#[test]
fn what_waits_to_be_sent_stays_with_its_room_and_is_not_lost_when_it_is_refused() {
    let mut test = Test::in_team(80, 24);
    test.types("one");
    test.press(KeyCode::Enter);
    test.types("two");
    test.press(KeyCode::Enter);
    test.with(KeyCode::Up, KeyModifiers::ALT);
    assert!(!test.shows("sending ..."));
    let sent = json!({
        "room": TEAM, "seq": 10, "at": at(1), "duplicate": false,
        "id": "0198a0b0-0000-7000-8000-000000000000",
    });
    test.happens(Happened::Answered(
        1,
        Ok(serde_json::from_value(sent).unwrap()),
    ));
    test.happens(Happened::Answered(2, Err(RequestError::QueueFull)));
    test.with(KeyCode::Down, KeyModifiers::ALT);
    let mut past = said();
    past.push(message(TEAM, 10, "alice", "one"));
    test.happens(Happened::Opened(room(TEAM), Ok(opening(10, &past, false))));
    let screen = test.screen();
    assert_eq!(screen.matches("  one").count(), 1, "{screen}");
    assert!(
        screen.contains("  two") && screen.contains("not sent"),
        "{screen}"
    );
}

#[test]
fn a_draft_stays_in_its_room() {
    let mut test = Test::in_team(80, 24);
    test.types("for the team");
    test.with(KeyCode::Up, KeyModifiers::ALT);
    assert!(!test.model.is_open(&room(TEAM)));
    assert_eq!(test.model.composer.text(), "");
    test.types("for another");
    test.with(KeyCode::Down, KeyModifiers::ALT);
    assert_eq!(test.model.composer.text(), "for the team");
}

#[test]
fn a_message_is_edited_and_taken_back_by_keys() {
    let mut test = Test::in_team(80, 24);
    test.press(KeyCode::Up);
    assert_eq!(test.model.composer.text(), "ok");
    test.types("ay");
    test.acted();
    test.press(KeyCode::Enter);
    assert!(
        matches!(&test.acted()[..], [Act::Write(_, _, Write::Edit(Seq(7), new))] if new == "okay")
    );
    test.comes(entry(
        TEAM,
        10,
        "alice",
        json!({ "kind": "edit", "target": 7, "text": "okay" }),
    ));
    assert!(test.shows("okay (edited)"), "{}", test.screen());
    test.press(KeyCode::BackTab);
    for _ in 0..2 {
        test.press(KeyCode::Up);
    }
    test.press(KeyCode::Char('d'));
    assert!(test.shows("take this message back?"), "{}", test.screen());
    test.acted();
    test.press(KeyCode::Char('y'));
    assert!(matches!(
        &test.acted()[..],
        [Act::Write(_, _, Write::Delete(Seq(7)))]
    ));
    test.comes(entry(
        TEAM,
        11,
        "alice",
        json!({ "kind": "delete", "target": 7 }),
    ));
    assert!(!test.shows("okay"), "{}", test.screen());
}

#[test]
fn the_mouse_opens_rooms_scrolls_and_selects() {
    let mut test = Test::in_team(80, 12);
    let mouse = |kind, column, row| {
        Happened::Mouse(MouseEvent {
            kind,
            column,
            row,
            modifiers: KeyModifiers::NONE,
        })
    };
    let screen = test.screen();
    let row = screen
        .lines()
        .position(|line| line.contains("○ zoë"))
        .unwrap();
    test.happens(mouse(MouseEventKind::ScrollUp, 40, 5));
    assert!(test.model.talk.as_ref().unwrap().place.is_some());
    let click = MouseEventKind::Down(MouseButton::Left);
    let line = test.screen();
    let line = line
        .lines()
        .position(|line| line.contains("│  ok"))
        .unwrap_or(5);
    test.happens(mouse(click, 40, u16::try_from(line).unwrap()));
    assert_eq!(test.model.focus, Focus::Messages);
    test.happens(mouse(click, 3, u16::try_from(row).unwrap()));
    assert!(test.model.is_open(&room("alice,zoë-with-a-long-name")));
}

#[test]
fn a_lost_connection_is_said_and_typing_ends() {
    let mut test = Test::in_team(80, 24);
    test.event(json!({ "type": "typing", "room": TEAM, "user": "bob", "active": true }));
    assert!(test.shows("bob is typing ..."));
    test.happens(Happened::Client(ClientEvent::Disconnected {
        reason: "the server is gone".to_owned(),
        retry_in: std::time::Duration::from_secs(1),
    }));
    assert!(test.shows("not connected") && test.shows("trying again: the server is gone"));
    test.types("later");
    test.press(KeyCode::Enter);
    assert!(test.shows("waits for the connection"), "{}", test.screen());
}

#[test]
fn messages_of_other_rooms_are_counted_and_noted() {
    let mut test = Test::in_team(80, 24);
    test.comes(message("alice,bob", 10, "bob", "psst"));
    assert!(test.shows("bob has written to you"), "{}", test.screen());
    assert_eq!(test.model.inbox.get(&room("alice,bob")).unwrap().unread, 1);
    test.with(KeyCode::Char('u'), KeyModifiers::ALT);
    test.with(KeyCode::Char('u'), KeyModifiers::ALT);
    assert!(!test.model.is_open(&room(TEAM)));
}

#[test]
fn a_direct_room_that_appears_has_the_presence_of_the_other_user_asked_for() {
    let mut test = Test::new(80, 24);
    for (room, asked) in [("alice,dave", true), ("choir", false)] {
        test.acted();
        let mut event = listed(room, "", 0, false, "dave", "hello");
        event["type"] = "room".into();
        event["why"] = "added".into();
        test.event(event);
        let asks = test.acted().iter().any(|act| matches!(act, Act::Online));
        assert_eq!(asks, asked, "{room}");
    }
}

#[test]
fn one_who_is_removed_sees_the_room_close() {
    let mut test = Test::in_team(80, 24);
    let left = json!({ "kind": "left", "user": "alice", "why": "removed" });
    test.comes(entry(TEAM, 10, "bob", left));
    assert!(test.model.talk.is_none());
    assert!(test.model.inbox.get(&room(TEAM)).is_none());
    assert!(
        test.shows("bob has removed you from Team"),
        "{}",
        test.screen()
    );
}

#[test]
fn keys_leave_suspend_and_repaint() {
    let mut test = Test::in_team(80, 24);
    test.acted();
    test.with(KeyCode::Char('z'), KeyModifiers::CONTROL);
    test.with(KeyCode::Char('l'), KeyModifiers::CONTROL);
    assert_eq!(test.acted(), [Act::Suspend, Act::Redraw]);
    test.with(KeyCode::Char('c'), KeyModifiers::CONTROL);
    assert_eq!(test.model.outcome(), Some(Outcome::Left));
}

#[test]
fn a_token_of_somebody_else_is_refused() {
    let mut test = Test::new(80, 24);
    test.happens(Happened::Client(ClientEvent::Connected {
        user: user("bob"),
        session: serde_json::from_value(json!("0198a0b0-0000-7000-8000-000000000000")).unwrap(),
    }));
    let why = "the token is that of bob, not of alice".to_owned();
    assert_eq!(test.model.outcome(), Some(Outcome::Lost(why)));
}

#[test]
fn the_readme_shows_the_screen_as_it_is() {
    let mut test = Test::new(80, 14);
    test.model.settings.server = "http://127.0.0.1:5000".to_owned();
    let inbox = json!({ "rooms": [
        listed("alice,bob", "", 1, false, "bob", "see you"),
        listed("alice,carol", "", 0, false, "alice", "see you"),
        listed(TEAM, "Team", 0, false, "bob", "Good morning!"),
    ]});
    test.happens(Happened::Inbox {
        first: true,
        page: Ok(serde_json::from_value(inbox).unwrap()),
    });
    test.types("/open team");
    test.press(KeyCode::Enter);
    let said = [
        message(
            TEAM,
            1,
            "bob",
            "The notes are at https://example.com/notes, please read them before nine.",
        ),
        message(TEAM, 2, "alice", "I have."),
    ];
    test.happens(Happened::Opened(room(TEAM), Ok(opening(2, &said, false))));
    test.event(json!({ "type": "typing", "room": TEAM, "user": "bob", "active": true }));
    test.types("and I have two questions:");
    test.with(KeyCode::Enter, KeyModifiers::ALT);
    test.types("who, and when?");
    let readme = Path::new(env!("CARGO_MANIFEST_DIR")).join("../README.md");
    let readme = fs::read_to_string(readme).unwrap();
    let screen = test.screen();
    assert!(
        readme.contains(&format!("```text\n{screen}```")),
        "README.md does not show:\n{screen}"
    );
}
