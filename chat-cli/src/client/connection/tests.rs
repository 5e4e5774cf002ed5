use super::*;

use chat_core::{
    ClientMessageId, Details, Entry, EntryBody, Epoch, HistoryPage, IdGen as _, Mark, Me,
    MessageId, OnlineUsers, RandomIds, Room, RoomKind, RoomList, Sent, Seq, SessionId, UserId,
    Welcome, command,
};
use chrono::DateTime;
use rand::{SeedableRng as _, rngs::StdRng};
use tokio::sync::{Semaphore, oneshot};

use super::super::request::Message;
use crate::error::{ClientError, RequestError};

const SPACE: usize = 960;

fn lasting() -> Lasting {
    let (base, cap) = (Duration::from_millis(500), Duration::from_secs(30));
    let backoff = Backoff::new(base, cap, StdRng::seed_from_u64(1));
    Lasting::new(Arc::default(), false, backoff)
}

fn opened() -> Input {
    let token = "alice".to_owned();
    Input::Opened { token }
}

fn room() -> RoomId {
    RoomId::new("alice,bob").unwrap()
}

fn send(text: &str) -> Command {
    command::Send {
        room: room(),
        text: text.to_owned(),
        client_id: None,
    }
    .into()
}

fn message(text: &str) -> (Op, oneshot::Receiver<Result<Sent, RequestError>>) {
    let (done, answer) = oneshot::channel();
    let message = Message {
        command: send(text),
        done,
        tries: 0,
        _permit: Arc::new(Semaphore::new(1)).try_acquire_owned().unwrap(),
    };
    (Op::Send(message), answer)
}

fn question(
    command: Command,
    deadline: Instant,
) -> (Op, oneshot::Receiver<Result<Reply, RequestError>>) {
    let (done, answer) = oneshot::channel();
    let question = Question {
        command,
        done,
        deadline,
        _permit: Arc::new(Semaphore::new(1)).try_acquire_owned().unwrap(),
    };
    (Op::Ask(question), answer)
}

fn sent(seq: u64) -> Reply {
    Reply::Sent(Sent {
        room: room(),
        id: MessageId(RandomIds.next()),
        seq: Seq(seq),
        at: DateTime::UNIX_EPOCH,
        duplicate: false,
    })
}

fn entry(seq: u64) -> Arc<Entry> {
    Arc::new(Entry {
        room: room(),
        seq: Seq(seq),
        id: MessageId(RandomIds.next()),
        author: UserId::new("bob").unwrap(),
        client_id: ClientMessageId::new("x").unwrap(),
        at: DateTime::UNIX_EPOCH,
        body: EntryBody::message("hi"),
    })
}

fn reply(id: u64, result: Reply) -> Input {
    Input::Frame(Some(Outgoing::Answer(Answer::Reply { id, result })))
}

fn error(id: u64, code: ErrorCode, retry_after_ms: Option<u64>) -> Input {
    let error = ErrorBody {
        code: code.code(),
        name: code.name().to_owned(),
        message: "no".to_owned(),
        retry_after_ms,
    };
    let id = Some(id);
    Input::Frame(Some(Outgoing::Answer(Answer::Error { id, error })))
}

/// The commands among the actions, with their numbers.
fn written(actions: Vec<Action>) -> Vec<(u64, Command)> {
    let written = actions.into_iter().filter_map(|action| match action {
        Action::Write(request) => Some((request.id, request.command)),
        _ => None,
    });
    written.collect()
}

fn emitted(actions: Vec<Action>) -> Vec<ClientEvent> {
    let emitted = actions.into_iter().filter_map(|action| match action {
        Action::Emit(event) => Some(event),
        _ => None,
    });
    emitted.collect()
}

/// A connection after its welcome and an empty listing; the next command has number 3.
fn welcomed(lasting: &mut Lasting, now: Instant) -> Connection<'_> {
    let mut connection = Connection::new(lasting, now);
    let hello = connection.step(now, SPACE, opened()).unwrap();
    assert!(matches!(&written(hello)[..], [(1, Command::Hello(hello))] if hello.token == "alice"));
    let welcome = Reply::Welcome(Welcome {
        user: UserId::new("alice").unwrap(),
        session: SessionId(RandomIds.next()),
        expires_at: None,
    });
    let actions = connection.step(now, SPACE, reply(1, welcome)).unwrap();
    assert_eq!(written(actions), [(2, listing(None))]);
    let rooms = Vec::new();
    let empty = reply(2, Reply::Rooms(RoomList { rooms, more: false }));
    assert_eq!(connection.step(now, SPACE, empty).unwrap(), []);
    connection
}

#[test]
fn messages_go_one_at_a_time_in_the_order_of_the_calls() {
    let (mut lasting, now) = (lasting(), Instant::now());
    let mut connection = welcomed(&mut lasting, now);
    let (one, mut first) = message("one");
    let (two, mut second) = message("two");
    let actions = connection.step(now, SPACE, Input::Op(one)).unwrap();
    assert_eq!(written(actions), [(3, send("one"))]);
    assert_eq!(connection.step(now, SPACE, Input::Op(two)).unwrap(), []);
    let actions = connection.step(now, SPACE, reply(3, sent(1))).unwrap();
    assert_eq!(written(actions), [(4, send("two"))]);
    assert_eq!(first.try_recv().unwrap().unwrap().seq, Seq(1));
    let refused = error(4, ErrorCode::Moderated, None);
    assert_eq!(connection.step(now, SPACE, refused).unwrap(), []);
    let refused = second.try_recv().unwrap().unwrap_err();
    assert_eq!(refused.code(), Some(ErrorCode::Moderated));
}

#[test]
fn a_message_without_an_answer_is_sent_again_on_the_next_connection() {
    let (mut lasting, now) = (lasting(), Instant::now());
    let (one, mut answer) = message("one");
    lasting.queue(one);
    for _ in 0..2 {
        let mut connection = Connection::new(&mut lasting, now);
        connection.step(now, SPACE, opened()).unwrap();
        let welcome = Reply::Welcome(Welcome {
            user: UserId::new("alice").unwrap(),
            session: SessionId(RandomIds.next()),
            expires_at: None,
        });
        let actions = connection.step(now, SPACE, reply(1, welcome)).unwrap();
        assert_eq!(written(actions)[0].1, send("one"));
        connection.lost();
        assert!(answer.try_recv().is_err(), "it has no answer yet");
    }
}

#[test]
fn a_message_waits_as_long_as_a_busy_server_says_and_is_given_up_after_five_tries() {
    let (mut lasting, mut now) = (lasting(), Instant::now());
    let mut connection = welcomed(&mut lasting, now);
    let (one, mut answer) = message("one");
    let mut actions = connection.step(now, SPACE, Input::Op(one)).unwrap();
    for n in 0..5 {
        assert_eq!(written(actions), [(3 + n, send("one"))]);
        let busy = error(3 + n, ErrorCode::Overloaded, Some(300));
        assert_eq!(connection.step(now, SPACE, busy).unwrap(), []);
        if n < 4 {
            assert_eq!(connection.alarm(now), now + Duration::from_millis(300));
        }
        now += Duration::from_millis(300);
        actions = connection.step(now, SPACE, Input::Tick).unwrap();
    }
    assert_eq!(actions, []);
    let refused = answer.try_recv().unwrap().unwrap_err();
    assert_eq!(refused.code(), Some(ErrorCode::Overloaded));
}

#[test]
fn questions_that_a_connection_left_open_are_asked_again_in_their_order() {
    let (mut lasting, now) = (lasting(), Instant::now());
    let later = now + Duration::from_secs(15);
    let mut answers = Vec::new();
    let mut connection = welcomed(&mut lasting, now);
    let users = Vec::new();
    let commands: [Command; 2] = [
        command::Online {}.into(),
        command::Presence { users }.into(),
    ];
    for command in commands {
        let (op, answer) = question(command, later);
        connection.step(now, SPACE, Input::Op(op)).unwrap();
        answers.push(answer);
    }
    connection.lost();
    let (op, mut late) = question(command::Ping {}.into(), now + Duration::from_secs(1));
    lasting.queue(op);
    let mut connection = welcomed_with(&mut lasting, now, 3);
    now_is(&mut connection, now + Duration::from_secs(1));
    assert_eq!(late.try_recv().unwrap(), Err(RequestError::TimedOut));
    let users = vec![UserId::new("bob").unwrap()];
    let online = Reply::Online(OnlineUsers { users });
    connection
        .step(now, SPACE, reply(2, online.clone()))
        .unwrap();
    assert_eq!(answers[0].try_recv().unwrap(), Ok(online));
}

#[test]
fn a_command_that_would_make_a_second_invitation_is_not_sent_again() {
    let (mut lasting, now) = (lasting(), Instant::now());
    let mut connection = welcomed(&mut lasting, now);
    let invite = command::MakeInvite {
        room: RoomId::group("team").unwrap(),
        uses: None,
        ttl: None,
        role: None,
    };
    let create = command::Create::group(Vec::new());
    let late = now + Duration::from_secs(15);
    let (op, mut answer) = question(invite.into(), late);
    connection.step(now, SPACE, Input::Op(op)).unwrap();
    let (op, _waits) = question(create.clone().into(), late);
    connection.step(now, SPACE, Input::Op(op)).unwrap();
    connection.lost();
    assert_eq!(answer.try_recv().unwrap(), Err(RequestError::Unanswered));
    let again = lasting.queue.next_question().unwrap();
    assert_eq!(
        again.command,
        create.into(),
        "a client id makes one room of it"
    );
    assert!(lasting.queue.next_question().is_none());
}

/// A connection after a welcome that is followed at once by this number of questions.
fn welcomed_with(lasting: &mut Lasting, now: Instant, questions: usize) -> Connection<'_> {
    let mut connection = Connection::new(lasting, now);
    connection.step(now, SPACE, opened()).unwrap();
    let welcome = Reply::Welcome(Welcome {
        user: UserId::new("alice").unwrap(),
        session: SessionId(RandomIds.next()),
        expires_at: None,
    });
    let actions = connection.step(now, SPACE, reply(1, welcome)).unwrap();
    let commands: Vec<_> = written(actions).into_iter().map(|(_, c)| c).collect();
    assert_eq!(commands[0], command::Online {}.into());
    assert!(matches!(commands[1], Command::Presence(_)));
    assert_eq!(commands.len(), questions + 1, "and the listing");
    connection
}

fn now_is(connection: &mut Connection<'_>, now: Instant) {
    connection.step(now, SPACE, Input::Tick).unwrap();
}

#[test]
fn silence_is_pinged_after_30_s_and_ends_the_connection_after_45_s() {
    let (mut lasting, start) = (lasting(), Instant::now());
    let mut connection = welcomed(&mut lasting, start);
    let quiet = connection.alarm(start);
    assert_eq!(quiet, start + QUIET);
    assert_eq!(
        connection.step(quiet, SPACE, Input::Tick),
        Ok(vec![Action::Ping])
    );
    let dead = connection.alarm(quiet);
    assert_eq!(dead, start + DEAD);
    let end = End::lost("no sign of life from the server");
    assert_eq!(connection.step(dead, SPACE, Input::Tick), Err(end));
    // Any frame is a sign of life.
    let pong = Input::Frame(None);
    assert_eq!(connection.step(dead, SPACE, pong), Ok(Vec::new()));
    assert_eq!(connection.alarm(dead), dead + QUIET);
}

#[test]
fn a_message_without_an_answer_for_30_s_ends_the_connection() {
    let (mut lasting, now) = (lasting(), Instant::now());
    let mut connection = welcomed(&mut lasting, now);
    let (one, _answer) = message("one");
    connection.step(now, SPACE, Input::Op(one)).unwrap();
    // Frames come, but not the answer.
    let then = now + UNANSWERED;
    connection.step(then, SPACE, Input::Frame(None)).unwrap();
    assert!(connection.step(then, SPACE, Input::Tick).is_err());
}

#[test]
fn entries_are_paged_only_while_the_consumer_has_room() {
    let (mut lasting, now) = (lasting(), Instant::now());
    let mut connection = welcomed(&mut lasting, now);
    let epoch = Epoch(RandomIds.next());
    let (op, _answer) = question(command::Online {}.into(), now + Duration::from_secs(15));
    connection.step(now, SPACE, Input::Op(op)).unwrap();
    let room = Room {
        id: room(),
        epoch,
        head: Seq(0),
        created_at: DateTime::UNIX_EPOCH,
        kind: RoomKind::Direct,
        created_by: None,
        details: Details::default(),
        members: 2,
    };
    let view = chat_core::RoomView {
        room,
        me: Me::default(),
        members: Vec::new(),
    };
    connection
        .step(now, SPACE, reply(3, Reply::Room(view)))
        .unwrap();
    let live = |seq| Input::Frame(Some(Outgoing::Event(Event::Entry(entry(seq)))));
    let actions = connection.step(now, SPACE, live(1)).unwrap();
    assert!(matches!(&emitted(actions)[..], [ClientEvent::Entry(_)]));
    // Without room the entry counts as missed, and no page is asked for.
    assert_eq!(connection.step(now, 0, live(2)).unwrap(), []);
    assert!(connection.is_stalled(PAGE - 1) && !connection.is_stalled(PAGE));
    let actions = connection.step(now, SPACE, Input::Tick).unwrap();
    let history = command::History {
        room: tests::room(),
        page: Page::After(Seq(1)),
        limit: Some(PAGE),
    };
    assert_eq!(written(actions), [(4, history.into())]);
    let page = HistoryPage {
        epoch,
        entries: vec![entry(2)],
        older: true,
        newer: false,
    };
    let actions = connection
        .step(now, SPACE, reply(4, Reply::History(page)))
        .unwrap();
    assert!(matches!(&emitted(actions)[..], [ClientEvent::Entry(entry)] if entry.seq == Seq(2)));
}

#[test]
fn the_last_receipts_are_sent_before_parting() {
    let (mut lasting, now) = (lasting(), Instant::now());
    let marks = Arc::clone(&lasting.marks);
    let mut connection = welcomed(&mut lasting, now);
    marks.raise(&room(), Mark::Read, Seq(3));
    let receipt = command::Receipt {
        room: room(),
        mark: Mark::Read,
        seq: Seq(3),
    };
    assert_eq!(written(connection.farewell(now)), [(3, receipt.into())]);
}

#[test]
fn a_refused_hello_ends_the_client_only_when_the_user_is_at_fault() {
    for (code, last) in [
        (ErrorCode::Unauthenticated, true),
        (ErrorCode::TooManySessions, true),
        (ErrorCode::ShuttingDown, false),
        (ErrorCode::StoreUnavailable, false),
    ] {
        let (mut lasting, now) = (lasting(), Instant::now());
        let mut connection = Connection::new(&mut lasting, now);
        connection.step(now, SPACE, opened()).unwrap();
        let end = connection
            .step(now, SPACE, error(1, code, None))
            .unwrap_err();
        let refused = matches!(end, End::Final(ClientError::Refused(_)));
        assert_eq!(refused, last, "{code:?}");
    }
}

#[test]
fn a_login_that_ends_soon_is_renewed_where_there_is_a_new_token() {
    let expiring = Event::Expiring {
        expires_at: DateTime::UNIX_EPOCH,
    };
    let soon = || Input::Frame(Some(Outgoing::Event(expiring.clone())));
    let (mut fixed, now) = (lasting(), Instant::now());
    let mut connection = welcomed(&mut fixed, now);
    let actions = connection.step(now, SPACE, soon()).unwrap();
    let told = Action::Emit(ClientEvent::Event(expiring.clone()));
    assert!(actions.contains(&told), "{actions:?}");

    let mut renewable = lasting();
    renewable.renewable = true;
    let mut connection = welcomed(&mut renewable, now);
    let actions = connection.step(now, SPACE, soon()).unwrap();
    assert_eq!(actions, [Action::Renew]);
    let token = Input::Token("another".to_owned());
    let actions = connection.step(now, SPACE, token).unwrap();
    let [Action::Write(Request { id, command })] = &*actions else {
        panic!("{actions:?}");
    };
    let token = "another".to_owned();
    assert_eq!(*command, command::Renew { token }.into());
    // One that is refused changes nothing before the first token ends.
    let refused = error(*id, ErrorCode::Unauthenticated, None);
    assert!(connection.step(now, SPACE, refused).is_ok());
}

#[test]
fn a_token_that_ran_out_is_renewed_and_one_that_never_worked_is_not() {
    for (renewable, welcome, comes_back) in [
        (true, true, true),
        (true, false, false),
        (false, true, false),
    ] {
        let (mut lasting, now) = (lasting(), Instant::now());
        lasting.renewable = renewable;
        let mut connection = if welcome {
            welcomed(&mut lasting, now)
        } else {
            Connection::new(&mut lasting, now)
        };
        let closed = Input::Closed(Some((4501, "unauthenticated".to_owned())));
        let end = connection.step(now, SPACE, closed).unwrap_err();
        assert_eq!(
            matches!(end, End::Lost(_)),
            comes_back,
            "{renewable} {welcome}"
        );
    }
}
