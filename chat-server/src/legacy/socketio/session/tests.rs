//! The behaviour of a session, event by event and in any order of events.

use std::collections::VecDeque;

use proptest::{collection::vec, prelude::*};

use super::*;

const TIMING: Timing = Timing {
    ping_interval: Duration::from_secs(25),
    ping_timeout: Duration::from_secs(20),
    connect_timeout: Duration::from_secs(5),
};

fn polling(now: Instant) -> Session {
    let mut session = Session::polling(TIMING, now);
    session.connected();
    session
}

/// The packets that are sent now without one from above.
fn owed(session: &mut Session, now: Instant) -> Option<Vec<Encoded>> {
    (session.wants() && session.owes(now)).then(|| session.flush(Vec::new(), now))
}

fn at(now: Instant, millis: u64) -> Instant {
    now + Duration::from_millis(millis)
}

#[test]
fn the_first_ping_comes_after_the_interval_and_silence_ends_the_session() {
    let now = Instant::now();
    let mut session = polling(now);
    session.poll(now).unwrap();
    assert_eq!(session.deadline(), at(now, 25_000));
    assert_eq!(owed(&mut session, at(now, 24_999)), None);
    session.tick(at(now, 25_000));
    assert_eq!(owed(&mut session, at(now, 25_000)), Some(vec![PING]));
    assert_eq!(session.deadline(), at(now, 45_000));
    session.tick(at(now, 45_000));
    assert_eq!(session.ended(), Some(End::Silent));
}

#[test]
fn a_pong_counts_only_after_the_ping_has_been_sent() {
    let now = Instant::now();
    let mut session = polling(now);
    session.tick(at(now, 25_000));
    session.packet(Packet::Pong(""), at(now, 26_000));
    assert_eq!(session.deadline(), at(now, 45_000));
    session.poll(now).unwrap();
    assert_eq!(owed(&mut session, at(now, 27_000)), Some(vec![PING]));
    session.packet(Packet::Pong(""), at(now, 28_000));
    assert_eq!(session.deadline(), at(now, 53_000));
}

#[test]
fn a_request_that_comes_too_late_finds_the_session_ended_though_no_tick_came() {
    let now = Instant::now();
    for (request, too_late) in [
        (Session::poll as fn(&mut Session, Instant) -> _, 45_000),
        (Session::post, 45_000),
    ] {
        let mut session = polling(now);
        assert_eq!(request(&mut session, at(now, too_late - 1)), Ok(()));
        let mut session = polling(now);
        assert_eq!(
            request(&mut session, at(now, too_late)),
            Err(Refused::Ended)
        );
        assert_eq!(session.ended(), Some(End::Silent));
    }
    let mut session = Session::polling(TIMING, now);
    assert_eq!(session.poll(at(now, 5_000)), Err(Refused::Ended));
    assert_eq!(session.ended(), Some(End::Idle));
}

#[test]
fn a_late_tick_gives_a_client_that_does_not_poll_no_more_time_and_one_that_polls_the_whole() {
    let now = Instant::now();
    let mut session = polling(now);
    session.tick(at(now, 40_000));
    assert_eq!(session.deadline(), at(now, 45_000));
    session.tick(at(now, 45_000));
    assert_eq!(session.ended(), Some(End::Silent));
    let mut session = polling(now);
    session.tick(at(now, 50_000));
    assert_eq!(session.ended(), Some(End::Silent));
    // The server was late with a ping that could have been sent: the client knows of none yet.
    let mut session = polling(now);
    session.poll(now).unwrap();
    let mut websocket = Session::websocket(TIMING, now);
    websocket.connected();
    for session in [&mut session, &mut websocket] {
        session.tick(at(now, 60_000));
        assert_eq!(owed(session, at(now, 60_000)), Some(vec![PING]));
        assert_eq!(session.deadline(), at(now, 80_000));
    }
}

#[test]
fn a_second_get_or_post_ends_the_session() {
    let now = Instant::now();
    let mut session = polling(now);
    session.poll(now).unwrap();
    session.post(now).unwrap();
    assert_eq!(session.poll(now), Err(Refused::Overlap));
    assert_eq!(session.ended(), Some(End::Broke));
    assert_eq!(session.ended().unwrap().last_packet(), CLOSE);
    let mut session = polling(now);
    session.post(now).unwrap();
    session.posted();
    session.post(now).unwrap();
    assert_eq!(session.post(now), Err(Refused::Overlap));
    assert_eq!(session.ended(), Some(End::Broke));
}

#[test]
fn a_poll_that_its_client_breaks_off_ends_the_session() {
    let now = Instant::now();
    let mut session = polling(now);
    session.poll(now).unwrap();
    session.request_broken();
    assert_eq!(session.ended(), Some(End::Left));
}

#[test]
fn a_failed_upgrade_leaves_the_session_to_its_polls() {
    let now = Instant::now();
    for fail in [
        |session: &mut Session, now| session.tick(at(now, 10_000)),
        |session: &mut Session, now| session.frame("4hello", now),
        |session: &mut Session, now| session.frame("5", now),
        |session: &mut Session, now| session.frame("2", now),
        |session: &mut Session, _| session.binary_frame(),
        |session: &mut Session, _| {
            session.socket_ended();
            Received::Drop
        },
    ] {
        let mut session = polling(now);
        session.poll(now).unwrap();
        session.upgrade(now).unwrap();
        assert_eq!(session.upgrade(now), Err(Refused::Overlap));
        assert_eq!(fail(&mut session, now), Received::Drop);
        assert_eq!(session.ended(), None);
        let packet = Encoded::from_static("4hello");
        assert!(session.wants());
        assert_eq!(session.flush(vec![packet.clone()], now), [packet]);
        session.upgrade(now).unwrap();
        assert_eq!(session.frame("2probe", now), Received::Probe);
        assert_eq!(session.frame("5", now), Received::Upgraded);
    }
}

#[test]
fn an_upgrade_attempt_ends_one_poll_with_a_noop() {
    let now = Instant::now();
    let mut session = polling(now);
    session.poll(now).unwrap();
    session.upgrade(now).unwrap();
    assert_eq!(owed(&mut session, at(now, 500)), None);
    let now = at(now, 500);
    assert_eq!(session.frame("2probe", now), Received::Probe);
    assert_eq!(owed(&mut session, now), None);
    assert_eq!(session.deadline(), at(now, 100));
    assert_eq!(owed(&mut session, at(now, 100)), Some(vec![NOOP]));
    assert_eq!(session.frame("2probe", at(now, 150)), Received::Probe);
    session.poll(now).unwrap();
    assert_eq!(owed(&mut session, at(now, 300)), None);
    // A poll that crossed the answer to the probe is ended, too, for its client waits for that.
    assert_eq!(session.deadline(), at(now, 1_100));
    session.tick(at(now, 1_100));
    assert_eq!(owed(&mut session, at(now, 1_100)), Some(vec![PING]));
    session.packet(Packet::Pong(""), at(now, 1_200));
    session.poll(now).unwrap();
    assert_eq!(session.deadline(), at(now, 9_500));
    assert_eq!(session.tick(at(now, 9_500)), Received::Drop);
    assert_eq!(owed(&mut session, at(now, 9_500)), None);
}

#[test]
fn after_the_upgrade_requests_are_refused_and_the_poll_that_waits_is_ended() {
    let now = Instant::now();
    let mut session = polling(now);
    session.poll(now).unwrap();
    session.upgrade(now).unwrap();
    session.frame("2probe", now);
    assert_eq!(session.frame("5", now), Received::Upgraded);
    assert!(session.ends_poll() && !session.ends_poll());
    assert_eq!(session.poll(now), Err(Refused::OtherTransport));
    assert_eq!(session.post(now), Err(Refused::OtherTransport));
    assert_eq!(session.upgrade(now), Err(Refused::OtherTransport));
    assert_eq!(session.ended(), None);
    session.socket_ended();
    assert_eq!(session.ended(), Some(End::Left));
}

#[test]
fn a_client_that_closes_ends_its_poll_with_a_noop() {
    let now = Instant::now();
    let mut session = polling(now);
    session.poll(now).unwrap();
    session.packet(Packet::Close, now);
    assert_eq!(session.ended().map(End::last_packet), Some(NOOP));
}

#[test]
fn a_poll_that_crosses_its_clients_close_is_ended_with_a_noop() {
    let now = Instant::now();
    let mut session = polling(now);
    assert_eq!(session.packet(Packet::Close, now), Received::Left);
    session.poll(now).unwrap();
    assert_eq!(owed(&mut session, now), Some(vec![NOOP]));
    assert_eq!(session.ended(), Some(End::Left));
    let mut session = polling(now);
    session.packet(Packet::Close, now);
    session.tick(at(now, 500));
    assert_eq!(session.ended(), Some(End::Left));
}

#[test]
fn a_client_has_to_connect_to_a_namespace() {
    let now = Instant::now();
    let mut session = Session::websocket(TIMING, now);
    assert_eq!(session.deadline(), at(now, 5_000));
    session.connected();
    assert_eq!(session.deadline(), at(now, 25_000));
    session.disconnected(at(now, 10_000));
    session.tick(at(now, 15_000));
    assert_eq!(session.ended(), Some(End::Idle));
}

#[test]
fn a_client_that_tries_a_websocket_first_has_time_for_it() {
    let now = Instant::now();
    let mut session = Session::polling(TIMING, now);
    session.upgrade(now).unwrap();
    assert_eq!(session.tick(at(now, 10_000)), Received::Drop);
    assert_eq!(session.ended(), None);
    session.tick(at(now, 15_000));
    assert_eq!(session.ended(), Some(End::Idle));
}

#[test]
fn a_packet_that_only_a_server_sends_ends_the_session() {
    let now = Instant::now();
    for text in ["0{}", "2", "2probe", "5", "6", "abc", ""] {
        let mut session = Session::websocket(TIMING, now);
        assert_eq!(session.frame(text, now), Received::Nothing);
        assert_eq!(session.ended(), Some(End::Broke), "{text:?}");
    }
}

#[test]
fn a_server_that_closes_sends_what_waits_before() {
    let now = Instant::now();
    let packet = Encoded::from_static("4hello");
    let mut session = polling(now);
    session.close(now);
    assert_eq!(session.ended(), None);
    session.poll(now).unwrap();
    assert_eq!(
        session.flush(vec![packet.clone()], now),
        vec![packet.clone()]
    );
    assert_eq!(session.ended(), None);
    session.poll(now).unwrap();
    assert_eq!(owed(&mut session, now), Some(vec![CLOSE]));
    assert_eq!(session.ended(), Some(End::Closed));
    let mut session = polling(now);
    session.close(now);
    session.tick(session.deadline());
    assert_eq!(session.ended(), Some(End::Closed));
    let mut session = polling(now);
    session.close_now(now);
    assert_eq!(session.ended(), Some(End::Closed));
    let mut session = Session::websocket(TIMING, now);
    session.close(now);
    assert_eq!(session.flush(vec![packet.clone()], now), [packet]);
    assert_eq!(session.ended(), Some(End::Closed));
}

/// The inputs that may come, in any order.
#[derive(Debug, Clone, Copy)]
enum Op {
    Send,
    Poll,
    Post,
    Posted,
    Upgrade,
    Frame(&'static str),
    /// The client breaks off the requests that are under way.
    Break,
    SocketEnded,
    Pass(u64),
    /// The machine is late: time passes, and the tick comes only after what follows.
    Stall(u64),
    Close,
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        4 => Just(Op::Send),
        4 => Just(Op::Poll),
        1 => Just(Op::Post),
        2 => Just(Op::Posted),
        2 => Just(Op::Upgrade),
        4 => prop::sample::select(vec!["2probe", "5", "3", "4m", "6", "1", "x"]).prop_map(Op::Frame),
        1 => Just(Op::SocketEnded),
        1 => Just(Op::Break),
        1 => (0..50_000_u64).prop_map(Op::Stall),
        3 => prop_oneof![0..200_u64, 1_000..30_000_u64].prop_map(Op::Pass),
        1 => Just(Op::Close),
    ]
}

/// A client and the task of its session, as far as they matter.
struct World {
    session: Session,
    now: Instant,
    queue: VecDeque<Encoded>,
    sent: usize,
    arrived: Vec<Encoded>,
    polls: i32,
    post: bool,
    socket: bool,
    noops: usize,
    attempts: usize,
}

impl World {
    fn pump(&mut self) {
        while self.session.wants() && (self.session.owes(self.now) || !self.queue.is_empty()) {
            let on_poll = self.polls == 1;
            let flushed = self.session.flush(self.queue.drain(..).collect(), self.now);
            if on_poll {
                assert!(!flushed.is_empty());
                self.polls -= 1;
            } else {
                assert!(self.socket, "nothing goes to a WebSocket that isn't there");
            }
            self.noops += flushed.iter().filter(|packet| **packet == NOOP).count();
            self.arrived
                .extend(flushed.into_iter().filter(|packet| packet.starts_with('4')));
        }
        if self.session.ends_poll() {
            self.polls -= 1;
        }
        assert!((0..=1).contains(&self.polls));
    }

    fn play(&mut self, op: Op) {
        let received = match op {
            Op::Send => {
                self.queue.push_back(format!("4{}", self.sent).into());
                self.sent += 1;
                Received::Nothing
            }
            Op::Poll => {
                if self.session.poll(self.now).is_ok() {
                    self.polls += 1;
                }
                Received::Nothing
            }
            Op::Post => {
                self.post |= self.session.post(self.now).is_ok();
                Received::Nothing
            }
            Op::Posted => {
                self.session.posted();
                self.post = false;
                Received::Nothing
            }
            Op::Upgrade => {
                if self.session.upgrade(self.now).is_ok() {
                    self.socket = true;
                    self.attempts += 1;
                }
                Received::Nothing
            }
            Op::Frame(text) if self.socket => self.session.frame(text, self.now),
            Op::SocketEnded if self.socket => {
                self.session.socket_ended();
                Received::Drop
            }
            Op::Frame(_) | Op::SocketEnded => Received::Nothing,
            Op::Break => {
                if self.polls == 1 || self.post {
                    self.session.request_broken();
                }
                Received::Nothing
            }
            Op::Stall(millis) => {
                self.now = at(self.now, millis);
                Received::Nothing
            }
            Op::Pass(millis) => {
                self.now = at(self.now, millis);
                self.session.tick(self.now)
            }
            Op::Close => {
                self.session.close(self.now);
                Received::Nothing
            }
        };
        if received == Received::Drop {
            self.socket = false;
        }
    }
}

proptest! {
    #[test]
    fn no_order_of_events_loses_or_repeats_a_packet_or_leaves_a_session(
        ops in vec(op(), 0..60),
        websocket in any::<bool>(),
    ) {
        let now = Instant::now();
        let mut world = World {
            session: if websocket { Session::websocket(TIMING, now) } else { polling(now) },
            now,
            queue: VecDeque::new(),
            sent: 0,
            arrived: Vec::new(),
            polls: 0,
            post: false,
            socket: websocket,
            noops: 0,
            attempts: 0,
        };
        for op in ops {
            world.play(op);
            world.pump();
            if world.session.ended().is_some() {
                break;
            }
            prop_assert!(world.session.deadline() <= at(world.now, 25_000));
        }
        let expected: Vec<Encoded> = (0..world.sent).map(|sent| format!("4{sent}").into()).collect();
        let waiting: Vec<Encoded> = world.queue.iter().cloned().collect();
        prop_assert_eq!([world.arrived.clone(), waiting].concat(), expected);
        prop_assert!(world.noops <= world.attempts);
        // A client that does nothing more is gone within a ping and its time.
        let last = at(world.now, 46_000);
        while world.session.ended().is_none() {
            prop_assert!(world.session.deadline() <= last);
            world.now = world.session.deadline().max(world.now);
            if world.session.tick(world.now) == Received::Drop {
                world.socket = false;
            }
            world.pump();
        }
    }
}
