//! A session of Engine.IO as a state machine: it does no I/O, and the time is passed in.
//!
//! The task of the session says what the client did, and carries out what comes back. What is to be
//! sent waits elsewhere until [`Session::wants`] it, and then goes to the one transport that carries
//! the session at that moment; so nothing is lost or repeated when the client moves from one to the
//! other.
//!
//! ```text
//!              GET ?transport=websocket            2probe                      5
//!   polling ----------------------------> tried ------------> probed ----------------> WebSocket
//!      ^                                    |                    |
//!      +------------------------------------+--------------------+
//!            any other frame, the WebSocket's end, or ten seconds
//! ```

use std::time::Duration;

use tokio::time::Instant;

use super::engine_packet::{CLOSE, Encoded, NOOP, PING, PROBE, Packet};

/// The time that a client may take to move to a WebSocket.
const UPGRADE_TIMEOUT: Duration = Duration::from_secs(10);

/// The time from the answer to a probe until the waiting poll is ended. Ended before the client has read
/// that answer, it would be followed by another one.
const NOOP_AFTER: Duration = Duration::from_millis(100);

/// The time from that end until a poll that followed in spite of it is ended with an early ping.
const NUDGE_AFTER: Duration = Duration::from_secs(1);

/// The time that a session which the server closes waits for a poll to take the last packets.
const LINGER: Duration = Duration::from_secs(5);

/// The time that a session which its client has closed waits for a poll that was sent before.
const CROSSING: Duration = Duration::from_millis(500);

/// The times that a session keeps.
#[derive(Debug, Clone, Copy)]
pub(super) struct Timing {
    /// From the handshake or a pong to the next ping.
    pub(super) ping_interval: Duration,
    /// From a ping to its pong.
    pub(super) ping_timeout: Duration,
    /// From the handshake to the connection with a namespace.
    pub(super) connect_timeout: Duration,
}

/// The reason why a session has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    /// The client has closed it, or its connection broke.
    Left,
    /// The client broke the protocol.
    Broke,
    /// The client did not answer a ping.
    Silent,
    /// The client did not connect to a namespace.
    Idle,
    /// The server has closed it.
    Closed,
}

impl End {
    /// The answer to the poll that waits at the end.
    pub(super) fn last_packet(self) -> Encoded {
        match self {
            Self::Left => NOOP,
            _ => CLOSE,
        }
    }
}

/// The reason why a request is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Refused {
    /// The same kind of request is under way.
    Overlap,
    /// The session is on a WebSocket, or closes.
    OtherTransport,
    /// The session has ended.
    Ended,
}

/// The request in a packet or a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Received<'a> {
    Nothing,
    /// A message for the layer above.
    Message(&'a str),
    /// Binary data for the layer above.
    Binary,
    /// A probe, which is to be answered on the WebSocket.
    Probe,
    /// The session is on the WebSocket from now on.
    Upgraded,
    /// The WebSocket is to be closed; the session goes on without it.
    Drop,
    /// The client has closed the session.
    Left,
}

/// The transport that carries the session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Carrier {
    Polling,
    WebSocket,
}

/// A WebSocket that may become the carrier.
#[derive(Debug)]
struct Upgrade {
    until: Instant,
    step: Step,
}

#[derive(Debug, Clone, Copy)]
enum Step {
    /// Nothing has come on it.
    Tried,
    /// It has been probed; a poll is ended from this moment on.
    Probed(Instant),
    /// A poll has been ended; another one is given an early ping at this moment.
    Ended(Instant),
    /// Nothing is left to do until the client moves.
    Waiting,
}

#[derive(Debug)]
struct Heartbeat {
    /// The moment at which the next ping, or the pong, is due.
    due: Instant,
    /// Set while a pong is due.
    pinged: bool,
    /// Set until the ping has been sent.
    unsent: bool,
}

/// The state machine.
#[derive(Debug)]
pub(super) struct Session {
    timing: Timing,
    carrier: Carrier,
    /// Set while a poll waits for its answer.
    poll: bool,
    /// Set while a post is under way.
    post: bool,
    upgrade: Option<Upgrade>,
    heartbeat: Heartbeat,
    /// The moment by which the client has to connect to a namespace; `None` while it is connected.
    connect_by: Option<Instant>,
    /// The moment until which the last packets wait for a poll.
    closing: Option<Instant>,
    /// The reason that it ends with then.
    end: End,
    ended: Option<End>,
}

impl Session {
    /// A session that a GET has opened.
    pub(super) fn polling(timing: Timing, now: Instant) -> Self {
        Self::new(Carrier::Polling, timing, now)
    }

    /// A session that a WebSocket has opened.
    pub(super) fn websocket(timing: Timing, now: Instant) -> Self {
        Self::new(Carrier::WebSocket, timing, now)
    }

    fn new(carrier: Carrier, timing: Timing, now: Instant) -> Self {
        Self {
            timing,
            carrier,
            poll: false,
            post: false,
            upgrade: None,
            heartbeat: Heartbeat {
                due: now + timing.ping_interval,
                pinged: false,
                unsent: false,
            },
            connect_by: Some(now + timing.connect_timeout),
            closing: None,
            end: End::Closed,
            ended: None,
        }
    }

    /// The reason why it has ended, once it has. A poll that waits then is answered with
    /// [`last_packet`](End::last_packet).
    pub(super) fn ended(&self) -> Option<End> {
        self.ended
    }

    fn end(&mut self, why: End) {
        self.ended.get_or_insert(why);
    }

    /// Ends at once.
    pub(super) fn break_off(&mut self) {
        self.end(End::Broke);
    }

    /// Ends when what waits has been sent: at the next [`flush`](Self::flush), or after five seconds
    /// without a poll.
    pub(super) fn close(&mut self, now: Instant) {
        self.closing.get_or_insert(now + LINGER);
        self.connect_by = None;
    }

    /// Ends like [`close`](Self::close), but at once where no poll waits to take the last packets.
    pub(super) fn close_now(&mut self, now: Instant) {
        self.close(now);
        if !self.wants() {
            self.end(self.end);
        }
    }

    /// True once [`close`](Self::close) has been called.
    pub(super) fn is_closing(&self) -> bool {
        self.closing.is_some()
    }

    /// True while a WebSocket carries it.
    pub(super) fn is_on_websocket(&self) -> bool {
        self.carrier == Carrier::WebSocket
    }

    /// The client is connected to a namespace.
    pub(super) fn connected(&mut self) {
        self.connect_by = None;
    }

    /// Whether the time is over in which the client has to connect to a namespace.
    pub(super) fn is_late(&self, now: Instant) -> bool {
        self.connect_by.is_some_and(|by| by <= now)
    }

    /// The client is connected to no namespace any more.
    pub(super) fn disconnected(&mut self, now: Instant) {
        self.connect_by = Some(now + self.timing.connect_timeout);
    }

    /// A GET has come. One that comes too late finds the session ended, also when no
    /// [`tick`](Self::tick) has ended it yet.
    ///
    /// # Errors
    ///
    /// A second one ends the session, as the protocol wants it.
    pub(super) fn poll(&mut self, now: Instant) -> Result<(), Refused> {
        self.request(self.poll, now)?;
        self.poll = true;
        Ok(())
    }

    /// A POST has come; its body follows. It may come too late as a [`poll`](Self::poll) may.
    ///
    /// # Errors
    ///
    /// A second one ends the session, as the protocol wants it.
    pub(super) fn post(&mut self, now: Instant) -> Result<(), Refused> {
        self.request(self.post, now)?;
        self.post = true;
        Ok(())
    }

    fn request(&mut self, under_way: bool, now: Instant) -> Result<(), Refused> {
        self.expire(now);
        if self.ended.is_some() {
            Err(Refused::Ended)
        } else if self.carrier == Carrier::WebSocket {
            Err(Refused::OtherTransport)
        } else if under_way {
            self.end(End::Broke);
            Err(Refused::Overlap)
        } else {
            Ok(())
        }
    }

    /// The body of the POST has come whole.
    pub(super) fn posted(&mut self) {
        self.post = false;
    }

    /// The client has broken off a GET or a POST.
    pub(super) fn request_broken(&mut self) {
        self.end(End::Left);
    }

    /// A WebSocket has come for this session.
    ///
    /// # Errors
    ///
    /// [`Refused`] if there is one already, or the session ends. It costs the session nothing.
    pub(super) fn upgrade(&mut self, now: Instant) -> Result<(), Refused> {
        if self.carrier == Carrier::WebSocket || self.ended.is_some() || self.closing.is_some() {
            return Err(Refused::OtherTransport);
        }
        if self.upgrade.is_some() {
            return Err(Refused::Overlap);
        }
        let until = now + UPGRADE_TIMEOUT;
        // The client for Python tries the WebSocket before it does anything else.
        let connect_by = until + self.timing.connect_timeout;
        self.connect_by = self.connect_by.map(|by| by.max(connect_by));
        self.upgrade = Some(Upgrade {
            until,
            step: Step::Tried,
        });
        Ok(())
    }

    /// A packet has come in a POST, or on the WebSocket that carries the session.
    pub(super) fn packet<'a>(&mut self, packet: Packet<'a>, now: Instant) -> Received<'a> {
        match packet {
            Packet::Message(text) => return Received::Message(text),
            Packet::Binary(_) => return Received::Binary,
            Packet::Pong(_) => self.pong(now),
            Packet::Close if self.carrier == Carrier::Polling && !self.poll => {
                self.closing.get_or_insert(now + CROSSING);
                self.end = End::Left;
                return Received::Left;
            }
            Packet::Close => self.end(End::Left),
            Packet::Open(_) | Packet::Ping(_) | Packet::Upgrade | Packet::Noop => {
                self.end(End::Broke);
            }
        }
        Received::Nothing
    }

    /// A frame of text has come on the WebSocket.
    pub(super) fn frame<'a>(&mut self, text: &'a str, now: Instant) -> Received<'a> {
        let packet = Packet::of_frame(text);
        if self.carrier == Carrier::WebSocket {
            if let Ok(packet) = packet {
                return self.packet(packet, now);
            }
            self.end(End::Broke);
            return Received::Nothing;
        }
        match (&mut self.upgrade, packet) {
            (Some(Upgrade { step, .. }), Ok(Packet::Ping(PROBE))) => {
                if matches!(step, Step::Tried) {
                    *step = Step::Probed(now + NOOP_AFTER);
                }
                Received::Probe
            }
            (Some(upgrade), Ok(Packet::Upgrade)) if !matches!(upgrade.step, Step::Tried) => {
                self.upgrade = None;
                self.carrier = Carrier::WebSocket;
                Received::Upgraded
            }
            _ => {
                self.upgrade = None;
                Received::Drop
            }
        }
    }

    /// A binary frame has come on the WebSocket.
    pub(super) fn binary_frame(&mut self) -> Received<'static> {
        if self.carrier == Carrier::WebSocket {
            return Received::Binary;
        }
        self.upgrade = None;
        Received::Drop
    }

    /// The WebSocket has ended.
    pub(super) fn socket_ended(&mut self) {
        match self.carrier {
            Carrier::Polling => self.upgrade = None,
            Carrier::WebSocket => self.end(End::Left),
        }
    }

    fn pong(&mut self, now: Instant) {
        // One that was not asked for proves nothing: the client may have read no ping.
        if self.heartbeat.pinged && !self.heartbeat.unsent {
            self.heartbeat = Heartbeat {
                due: now + self.timing.ping_interval,
                pinged: false,
                unsent: false,
            };
        }
    }

    /// The client has the whole time to answer a ping that can be sent now. One that waits for a poll
    /// counts from the moment that it was due, however late the caller is.
    fn ping(&mut self, now: Instant) {
        let from = if self.wants() {
            now
        } else {
            self.heartbeat.due
        };
        self.heartbeat = Heartbeat {
            due: from + self.timing.ping_timeout,
            pinged: true,
            unsent: true,
        };
    }

    /// The moment at which [`tick`](Self::tick) is to be called next.
    pub(super) fn deadline(&self) -> Instant {
        let mut next = self.heartbeat.due;
        let upgrade = self.upgrade.as_ref();
        let step = upgrade.and_then(|upgrade| match upgrade.step {
            // Without a poll the moment passes by itself.
            Step::Probed(at) if self.poll => Some(at),
            Step::Ended(at) => Some(at),
            _ => None,
        });
        let others = [
            self.connect_by,
            self.closing,
            upgrade.map(|upgrade| upgrade.until),
            step,
        ];
        for other in others.into_iter().flatten() {
            next = next.min(other);
        }
        next
    }

    /// Time has passed. Gives [`Received::Drop`] when the WebSocket took too long.
    pub(super) fn tick(&mut self, now: Instant) -> Received<'static> {
        self.expire(now);
        let Some(upgrade) = &mut self.upgrade else {
            return Received::Nothing;
        };
        if upgrade.until <= now {
            self.upgrade = None;
            return Received::Drop;
        }
        if let Step::Ended(at) = upgrade.step
            && at <= now
        {
            upgrade.step = Step::Waiting;
            // A client that polls again before it has read the answer to its probe moves only when
            // that poll has ended, too.
            if self.poll && !self.heartbeat.pinged {
                self.ping(now);
            }
        }
        Received::Nothing
    }

    /// Ends what has lasted too long, or pings.
    fn expire(&mut self, now: Instant) {
        let passed = |at: Option<Instant>| at.is_some_and(|at| at <= now);
        if passed(self.closing) {
            return self.end(self.end);
        }
        if passed(self.connect_by) {
            return self.end(End::Idle);
        }
        if self.heartbeat.due <= now && !self.heartbeat.pinged {
            self.ping(now);
        }
        if self.heartbeat.due <= now {
            self.end(End::Silent);
        }
    }

    /// True while packets can be sent.
    pub(super) fn wants(&self) -> bool {
        self.ended.is_none() && (self.poll || self.carrier == Carrier::WebSocket)
    }

    /// True if something is to be sent although no packet waits.
    pub(super) fn owes(&self, now: Instant) -> bool {
        self.heartbeat.unsent || self.closing.is_some() || self.noop_is_due(now)
    }

    fn noop_is_due(&self, now: Instant) -> bool {
        let upgrade = self.upgrade.as_ref();
        upgrade.is_some_and(|upgrade| matches!(upgrade.step, Step::Probed(at) if at <= now))
    }

    /// True, once, if a poll has to be ended because its session has moved away from it.
    pub(super) fn ends_poll(&mut self) -> bool {
        self.carrier == Carrier::WebSocket && std::mem::take(&mut self.poll)
    }

    /// Gives these packets, and those that it owes, to be sent: in answer to the poll that waits, or
    /// on the WebSocket. To be called when it [wants](Self::wants) some.
    pub(super) fn flush(&mut self, mut packets: Vec<Encoded>, now: Instant) -> Vec<Encoded> {
        if self.noop_is_due(now)
            && let Some(upgrade) = &mut self.upgrade
        {
            upgrade.step = Step::Ended(now + NUDGE_AFTER);
            packets.push(NOOP);
        }
        if std::mem::take(&mut self.heartbeat.unsent) {
            packets.push(PING);
        }
        if self.closing.is_some() {
            // The npm client drops the packets that come in one body with the last one.
            if self.carrier == Carrier::WebSocket || packets.is_empty() {
                self.end(self.end);
            }
        }
        if self.carrier == Carrier::Polling {
            self.poll = false;
            packets.extend(self.ended.map(End::last_packet));
        }
        packets
    }
}

#[cfg(test)]
mod tests;
