use super::*;

use chat_core::{Epoch, IdGen as _, MemberView, MessageId, RandomIds, Room, SessionId, Watermarks};

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
        peer: user("bob"),
        room: room(),
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
    };
    let bob = MemberView {
        presence: Presence {
            user: user("bob"),
            online: true,
            last_seen: None,
        },
        watermarks: Watermarks::default(),
    };
    let members = vec![bob];
    Happened::Greeted(Ok(Box::new(Greeting {
        view: RoomView { room, members },
        online: vec![user("alice"), user("bob")],
        past: past.map(|entries| HistoryPage {
            epoch,
            entries,
            older: false,
            newer: false,
        }),
    })))
}

fn answered(text: &str, seq: u64) -> Happened {
    Happened::Answered(Answered {
        text: text.to_owned(),
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
    Happened::Input(Input::Say(text.to_owned()))
}

impl View {
    fn sees(&mut self, happened: Happened) -> Vec<Act> {
        self.step(Instant::now(), happened)
    }

    /// A view that is connected and has been greeted with this past.
    fn greeted_with(mut self, past: Vec<Arc<Entry>>) -> Self {
        let acts = self.sees(connected());
        assert!(matches!(acts[0], Act::Greet(Some(20))), "{acts:?}");
        self.sees(greeting(Some(past)));
        self
    }
}

/// What is shown to people.
fn lines(acts: &[Act]) -> Vec<String> {
    let style = super::super::shown::Style { colours: false };
    let lines = acts.iter().filter_map(|act| match act {
        Act::Show(shown) => shown.line(&user("alice"), style),
        _ => None,
    });
    lines.collect()
}

#[test]
fn the_program_ends_when_the_input_has_ended_and_every_message_is_shown() {
    let mut view = view(Reader::Pipe).greeted_with(Vec::new());
    view.receipts.settle();
    let acts = view.sees(say("hello"));
    assert!(matches!(&acts[..], [Act::Send(text)] if text == "hello"));
    view.sees(Happened::Input(Input::End));
    assert!(!view.takes_input());
    assert_eq!(view.outcome(), None, "the answer is missing");
    view.sees(answered("hello", 1));
    assert_eq!(view.outcome(), None, "the entry is missing");
    view.sees(live(1, "alice", "hello"));
    assert_eq!(view.outcome(), Some(Outcome::Left));
    assert_eq!(view.parted(Outcome::Left), Outcome::Left);
}

#[test]
fn what_was_not_sent_is_counted_at_the_end() {
    let mut view = view(Reader::Pipe).greeted_with(Vec::new());
    view.sees(say("one"));
    view.sees(say("two"));
    view.sees(Happened::Answered(Answered {
        text: "one".to_owned(),
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
    let acts = view.sees(Happened::Greeted(Err(RequestError::TimedOut)));
    assert!(matches!(&acts[..], [Act::Greet(Some(20))]));
    view.sees(disconnected());
    let acts = view.sees(Happened::Greeted(Err(RequestError::TimedOut)));
    assert!(acts.is_empty() && view.takes_events());
}
