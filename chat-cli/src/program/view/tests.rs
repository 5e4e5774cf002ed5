mod rooms;

use std::{sync::Arc, time::Duration};

use super::{
    super::{
        command::{Change, Command, Target, Write},
        happened::{Answered, Greeting},
        input::Input,
        shown::Style,
    },
    heard::MORE,
    *,
};

use chat_cli::ClientEvent;
use chat_core::{
    Details, Entry, EntryBody, Epoch, ErrorCode, HistoryPage, IdGen as _, Mark, Me, MemberView,
    MessageId, Presence, RandomIds, Role, Room, RoomId, RoomKind, RoomView, Sent, SessionId,
    UserId, Watermarks,
};
use chrono::DateTime;

fn user(name: &str) -> UserId {
    UserId::new(name).unwrap()
}

fn room() -> RoomId {
    RoomId::new("alice,bob").unwrap()
}

/// Alice's view of the room with Bob.
fn view(reader: Reader) -> View {
    let topic = Topic {
        me: user("alice"),
        start: Some(Spot::of(room(), &user("alice"))),
        reader,
        last: 20,
        patience: (reader != Reader::Person).then_some(Duration::from_mins(1)),
        follow: false,
    };
    View::new(topic, Instant::now())
}

fn entry(seq: u64, author: &str, body: EntryBody) -> Arc<Entry> {
    Arc::new(Entry {
        room: room(),
        seq: Seq(seq),
        id: MessageId(RandomIds.next()),
        author: user(author),
        client_id: ClientMessageId::new("x").unwrap(),
        at: DateTime::UNIX_EPOCH,
        body,
    })
}

fn live(seq: u64, author: &str, text: &str) -> Happened {
    let entry = entry(seq, author, EntryBody::message(text));
    Happened::Client(ClientEvent::Entry(entry))
}

fn connected() -> Happened {
    Happened::Client(ClientEvent::Connected {
        user: user("alice"),
        session: SessionId(RandomIds.next()),
    })
}

fn disconnected() -> Happened {
    Happened::Client(ClientEvent::Disconnected {
        reason: "the server went away".to_owned(),
        retry_in: Duration::from_secs(1),
    })
}

fn greeting(past: Option<Vec<Arc<Entry>>>) -> Happened {
    let epoch = Epoch(RandomIds.next());
    let head = past.iter().flatten().last().map_or(Seq::ZERO, |e| e.seq);
    let room = Room {
        id: room(),
        epoch,
        head,
        created_at: DateTime::UNIX_EPOCH,
        kind: RoomKind::Direct,
        created_by: None,
        details: Details::default(),
        members: 2,
    };
    let bob = MemberView {
        role: Role::Member,
        presence: Presence {
            user: user("bob"),
            online: true,
            last_seen: None,
        },
        watermarks: Watermarks::default(),
    };
    let members = vec![bob];
    let view = RoomView {
        room,
        me: Me::default(),
        members,
    };
    let greeting = Greeting {
        view,
        online: vec![user("alice"), user("bob")],
        past: past.map(|entries| HistoryPage {
            epoch,
            entries,
            older: false,
            newer: false,
        }),
    };
    Happened::Greeted(self::room(), Ok(Box::new(greeting)))
}

fn answered(seq: u64) -> Happened {
    Happened::Answered(Answered {
        client_id: None,
        result: Ok(Sent {
            room: room(),
            id: MessageId(RandomIds.next()),
            seq: Seq(seq),
            at: DateTime::UNIX_EPOCH,
            duplicate: false,
        }),
    })
}

fn say(text: &str) -> Happened {
    Happened::Input(Input::Command(Command::send(text)))
}

impl View {
    fn sees(&mut self, happened: Happened) -> Vec<Act> {
        self.step(Instant::now(), happened)
    }

    /// A view that is connected and has been greeted with this past.
    fn greeted_with(mut self, past: Vec<Arc<Entry>>) -> Self {
        let acts = self.sees(connected());
        assert!(matches!(acts[0], Act::Greet(_, Some(20), _)), "{acts:?}");
        self.sees(greeting(Some(past)));
        self
    }
}

/// The lines that people are shown.
fn lines(acts: &[Act]) -> Vec<String> {
    let style = Style { colours: false };
    let lines = acts.iter().filter_map(|act| match act {
        Act::Show(shown) => shown.line(&user("alice"), style),
        _ => None,
    });
    lines.collect()
}

#[test]
fn the_program_ends_when_the_input_has_ended_and_every_message_is_shown() {
    let mut view = view(Reader::Pipe).greeted_with(Vec::new());
    view.scene.messages.settle();
    let acts = view.sees(say("hello"));
    assert!(matches!(&acts[..], [Act::Write(_, Write::Send(text))] if text == "hello"));
    view.sees(Happened::Input(Input::End));
    assert!(!view.takes_input());
    assert_eq!(view.outcome(), None, "the answer is missing");
    view.sees(answered(1));
    assert_eq!(view.outcome(), None, "the entry is missing");
    view.sees(live(1, "alice", "hello"));
    assert_eq!(view.outcome(), Some(Outcome::Left));
    assert_eq!(view.parted(Outcome::Left), Outcome::Left);
}

#[test]
fn unsent_messages_are_counted_at_the_end() {
    let mut view = view(Reader::Pipe).greeted_with(Vec::new());
    view.sees(say("one"));
    view.sees(say("two"));
    view.sees(Happened::Answered(Answered {
        client_id: None,
        result: Err(RequestError::QueueFull),
    }));
    assert_eq!(view.parted(Outcome::Left), Outcome::Unsent(2));
}

#[test]
fn new_entries_wait_until_the_past_is_shown() {
    let mut view = view(Reader::Person);
    assert!(view.takes_events());
    view.sees(connected());
    assert!(!view.takes_events());
    let past = vec![entry(1, "bob", EntryBody::message("old"))];
    let acts = view.sees(greeting(Some(past)));
    let shown = lines(&acts);
    assert!(
        shown.iter().any(|line| line.ends_with("bob: old")),
        "{shown:?}"
    );
    assert!(view.takes_events());
    assert!(
        lines(&view.sees(live(1, "bob", "old"))).is_empty(),
        "it was shown"
    );
}

#[test]
fn a_lost_connection_is_shown_once_to_people_and_each_time_to_scripts() {
    for (reader, times) in [(Reader::Person, 1), (Reader::Script, 3)] {
        let mut view = view(reader).greeted_with(Vec::new());
        let mut count = 0;
        for _ in 0..3 {
            let acts = view.sees(disconnected());
            let shown = |act: &&Act| matches!(act, Act::Show(Shown::Disconnected { .. }));
            count += acts.iter().filter(shown).count();
        }
        assert_eq!(count, times, "{reader:?}");
    }
}

#[test]
fn a_script_gives_up_when_its_patience_ends_and_a_person_never() {
    let mut script = view(Reader::Script);
    let alarm = script.alarm().unwrap();
    script.step(alarm, Happened::Alarm);
    let lost = Outcome::Lost("no connection".to_owned());
    assert_eq!(script.outcome(), Some(lost));
    assert_eq!(view(Reader::Person).alarm(), None);
}

#[test]
fn edits_of_the_past_are_shown_to_scripts_only() {
    let edit = EntryBody::Edit {
        target: Seq(1),
        text: "new".into(),
    };
    let past = [
        entry(1, "bob", EntryBody::message("new")),
        entry(2, "bob", edit),
    ];
    for (reader, count) in [(Reader::Person, 1), (Reader::Script, 2)] {
        let mut view = view(reader);
        view.sees(connected());
        let acts = view.sees(greeting(Some(past.to_vec())));
        let entries = acts
            .iter()
            .filter(|act| matches!(act, Act::Show(Shown::Entry { .. })));
        assert_eq!(entries.count(), count, "{reader:?}");
    }
}

#[test]
fn a_greeting_that_timed_out_is_asked_for_again_while_there_is_a_connection() {
    let mut view = view(Reader::Person);
    view.sees(connected());
    let acts = view.sees(Happened::Greeted(room(), Err(RequestError::TimedOut)));
    assert!(matches!(&acts[..], [Act::Greet(_, Some(20), _)]));
    view.sees(disconnected());
    let acts = view.sees(Happened::Greeted(room(), Err(RequestError::TimedOut)));
    assert!(acts.is_empty() && view.takes_events());
}

fn change(change: Change) -> Happened {
    let write = Write::Change(Target::Last, change);
    Happened::Input(Input::Command(Command::Write(write)))
}

fn edit(text: &str) -> Happened {
    change(Change::Edit(text.to_owned()))
}

fn delete() -> Happened {
    change(Change::Delete)
}

/// A view of a person who has sent this, and whose connection is lost.
fn offline_after(text: &str) -> View {
    let mut view = view(Reader::Person).greeted_with(Vec::new());
    view.sees(say(text));
    view.sees(answered(1));
    view.sees(live(1, "alice", text));
    view.sees(disconnected());
    view
}

#[test]
fn a_command_without_a_connection_is_for_the_last_message_that_waits() {
    let mut view = offline_after("keep me");
    assert_eq!(
        lines(&view.sees(say("oops"))),
        ["-- waits for the connection: oops"]
    );
    let acts = view.sees(delete());
    assert_eq!(lines(&acts), ["-- taken back before it was sent: oops"]);
    view.sees(say("helo"));
    assert_eq!(
        lines(&view.sees(edit("hello"))),
        ["-- waits for the connection: hello"]
    );
    let acts = view.sees(connected());
    assert!(
        matches!(&acts[..], [Act::Greet(_, None, _), Act::Status(_), Act::Write(_, Write::Send(text))] if text == "hello"),
        "{acts:?}"
    );
    // Now it is under way: what becomes of it is seen when it is stored.
    assert!(lines(&view.sees(delete())).is_empty());
    assert!(matches!(
        &view.sees(answered(2))[..],
        [
            Act::Show(_),
            Act::Write(_, Write::Change(Target::Stored(Seq(2)), Change::Delete))
        ]
    ));
}

#[test]
fn without_a_message_that_waits_a_command_is_for_the_last_one_stored() {
    let mut view = offline_after("keep me");
    let acts = view.sees(edit("kept"));
    let waits = ["-- waits for the connection: kept (instead of: keep me)"];
    assert_eq!(lines(&acts), waits);
    let acts = view.sees(delete());
    assert_eq!(
        lines(&acts),
        ["-- waits for the connection: taking back: keep me"]
    );
    let nothing = ["-- there is no message of yours on the screen to take back"];
    assert_eq!(lines(&view.sees(delete())), nothing, "it is on its way out");
}

#[test]
fn a_message_without_an_answer_is_shown_once_after_a_moment() {
    let mut view = view(Reader::Person).greeted_with(Vec::new());
    view.scene.messages.settle();
    view.sees(say("hello"));
    let alarm = view.alarm().unwrap();
    let acts = view.step(alarm, Happened::Alarm);
    assert_eq!(lines(&acts), ["-- sending ...: hello"]);
    assert_eq!(view.alarm(), None);
}

#[test]
fn a_line_beyond_the_limit_waits_in_a_pipe_and_is_refused_to_a_person_and_a_script() {
    for (reader, waits) in [
        (Reader::Pipe, true),
        (Reader::Person, false),
        (Reader::Script, false),
    ] {
        let mut view = view(reader).greeted_with(Vec::new());
        view.scene.messages.settle();
        view.sees(say("six"));
        let code = ErrorCode::RateLimited;
        let now = Instant::now();
        let acts = view.step(
            now,
            Happened::Answered(Answered {
                client_id: None,
                result: Err(RequestError::Refused(ErrorBody {
                    code: code.code(),
                    name: code.name().to_owned(),
                    message: "too many requests; wait 5 s".to_owned(),
                    retry_after_ms: Some(4_500),
                })),
            }),
        );
        let refused = acts
            .iter()
            .any(|act| matches!(act, Act::Show(Shown::Error { .. })));
        assert_eq!(refused, !waits, "{reader:?}");
        if waits {
            assert_eq!(lines(&acts), ["-- waits 5 s: too many requests; wait 5 s"]);
            let alarm = view.alarm().unwrap();
            assert_eq!(alarm, now + Duration::from_millis(4_500));
            let acts = view.step(alarm, Happened::Alarm);
            assert!(
                matches!(&acts[..], [Act::Write(_, Write::Send(text))] if text == "six"),
                "{acts:?}"
            );
        }
    }
}

#[test]
fn skipped_entries_are_not_read_until_they_are_shown() {
    let mut view = view(Reader::Person).greeted_with(Vec::new());
    let skipped = ClientEvent::Skipped {
        room: room(),
        from: Seq(1),
        to: Seq(2),
    };
    view.sees(Happened::Client(skipped));
    let acts = view.sees(live(3, "bob", "three"));
    let delivered = Act::Mark(room(), Mark::Delivered, Seq(3));
    assert_eq!(
        format!("{:?}", acts.last()),
        format!("{:?}", Some(&delivered))
    );
    let acts = view.sees(Happened::Input(Input::Command(Command::More(None))));
    assert!(
        matches!(&acts[..], [Act::AskEarlier(_, Seq(3), MORE)]),
        "{acts:?}"
    );
    let page = HistoryPage {
        epoch: Epoch(RandomIds.next()),
        entries: vec![
            entry(1, "bob", EntryBody::message("one")),
            entry(2, "bob", EntryBody::message("two")),
        ],
        older: false,
        newer: true,
    };
    let acts = view.sees(Happened::Earlier(room(), Ok(page)));
    let read = Act::Mark(room(), Mark::Read, Seq(3));
    assert_eq!(format!("{:?}", acts.last()), format!("{:?}", Some(&read)));
}

#[test]
fn a_token_of_somebody_else_ends_the_program() {
    let mut view = view(Reader::Script);
    view.sees(Happened::Client(ClientEvent::Connected {
        user: user("carol"),
        session: SessionId(RandomIds.next()),
    }));
    let why = "the token is that of carol, not of alice".to_owned();
    assert_eq!(view.outcome(), Some(Outcome::Lost(why)));
}
