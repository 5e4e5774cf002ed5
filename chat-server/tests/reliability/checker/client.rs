//! A client that writes down what it does and sees: it sends without waiting for answers, and when
//! its node is gone resumes on the next one and tries again what was not answered.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap, VecDeque},
    net::SocketAddr,
    ops::Range,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use chat_testkit::{Client as Connection, Closed};
use rand::{RngExt as _, SeedableRng as _, rngs::StdRng};
use serde_json::{Value, json};
use tokio::{
    sync::watch,
    time::{Instant, interval, sleep, sleep_until, timeout},
};

use super::{
    history::{Client, Line, Marks, Op},
    seats::Standing,
};

/// The server has it on its list if it is not given another one.
pub(crate) const REFUSED_WORD: &str = "war";

/// How many messages of one client may wait for an answer.
const WINDOW: usize = 16;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Phase {
    /// Send new messages.
    Load,
    /// Only get answers for what was sent.
    Drain,
    End,
}

/// How the clients of a run behave.
pub(crate) struct Manner {
    /// How many milliseconds one waits before it sends again.
    pub(crate) pause: Range<u64>,
    /// How long a node may give no sign of life before its clients go to another one.
    pub(crate) silence: Duration,
    /// Some give up, when a connection ends, what they have no answer to.
    pub(crate) gives_up: bool,
    /// A node may say that it can't do something now; then it is tried again.
    pub(crate) may_fail: bool,
}

/// What the clients of a run share.
pub(crate) struct Run {
    /// The nodes.
    pub(crate) addresses: Vec<SocketAddr>,
    pub(crate) manner: Manner,
    pub(crate) phase: watch::Receiver<Phase>,
    /// Which start of the server runs, as far as is known.
    pub(crate) incarnation: watch::Receiver<u32>,
    /// The latest start of the server that acked something.
    pub(crate) acked: watch::Sender<u32>,
    pub(crate) ops: Mutex<Vec<Op>>,
    pub(crate) progress: watch::Sender<Vec<Progress>>,
    /// The longest time from the first attempt to the ack, in microseconds.
    pub(crate) stall: AtomicU64,
}

/// How far a client is.
#[derive(Debug, Clone, Default)]
pub(crate) struct Progress {
    pub(crate) pending: usize,
    /// How many were sent, and up to which of them all are answered.
    pub(crate) sent: u64,
    pub(crate) done: u64,
    pub(crate) acked: u64,
    /// The newest entry received of each room.
    pub(crate) seen: BTreeMap<String, u64>,
}

/// The numbers of the last entries.
pub(crate) struct Heads {
    /// Of the rooms of the ring.
    pub(crate) ring: BTreeMap<String, u64>,
    /// Of the group, with the users who are its members.
    pub(crate) crowd: (u64, BTreeSet<String>),
}

impl Progress {
    /// True if a client of this user has received all that the user may see.
    pub(crate) fn has_all(&self, user: &str, heads: &Heads) -> bool {
        let (head, members) = &heads.crowd;
        let mut rooms = self.seen.iter();
        rooms.all(|(room, seen)| match heads.ring.get(room) {
            Some(head) => seen >= head,
            None => !members.contains(user) || seen >= head,
        })
    }
}

#[derive(Debug, Clone)]
struct Pending {
    number: u64,
    room: String,
    cid: String,
    text: String,
    since: Instant,
}

/// The command whose answer is awaited.
enum Asked {
    Send(Pending),
    Mark(String),
}

pub(crate) struct Device {
    run: Arc<Run>,
    number: Client,
    user: String,
    /// Where it writes, and the epochs of these rooms.
    rooms: Vec<(String, String)>,
    seen: BTreeMap<String, u64>,
    pending: VecDeque<Pending>,
    /// When to try again what came back.
    again: Option<Instant>,
    sent: u64,
    acked: u64,
    /// Which node it is on, and its how manieth connection it is.
    node: usize,
    link: u32,
    rng: StdRng,
}

impl Device {
    pub(crate) fn new(
        run: &Arc<Run>,
        number: Client,
        user: &str,
        rooms: Vec<(String, String)>,
        seed: u64,
    ) -> Self {
        Self {
            run: Arc::clone(run),
            number,
            user: user.to_owned(),
            seen: rooms.iter().map(|(room, _)| (room.clone(), 0)).collect(),
            rooms,
            pending: VecDeque::new(),
            again: None,
            sent: 0,
            acked: 0,
            node: number,
            link: 0,
            rng: StdRng::seed_from_u64(seed),
        }
    }

    /// Runs to the end of the run.
    pub(crate) async fn run(mut self) {
        let mut phase = self.run.phase.clone();
        let end = async move {
            phase.wait_for(|phase| *phase == Phase::End).await.ok();
        };
        tokio::select! {
            () = end => {}
            () = self.connections() => {}
        }
    }

    async fn connections(&mut self) {
        loop {
            let incarnation = *self.run.incarnation.borrow();
            if let Some(mut socket) = self.dial().await {
                self.link += 1;
                let Err(closed) = self.talk(&mut socket, incarnation).await;
                if let Closed::With(code) = closed {
                    let comes_back = self.run.manner.may_fail && (4000..4500).contains(&code);
                    assert!(comes_back, "the server closed: {code}");
                }
                if self.run.manner.gives_up && *self.run.phase.borrow() == Phase::Load {
                    let rng = &mut self.rng;
                    self.pending.retain(|_| !rng.random_ratio(1, 12));
                }
            }
            self.node += 1;
            sleep(Duration::from_millis(self.rng.random_range(2..20))).await;
        }
    }

    fn address(&self) -> SocketAddr {
        self.run.addresses[self.node % self.run.addresses.len()]
    }

    async fn dial(&self) -> Option<Connection> {
        let dialling = Connection::dial(self.address());
        timeout(self.run.manner.silence, dialling).await.ok()?
    }

    async fn talk(
        &mut self,
        socket: &mut Connection,
        incarnation: u32,
    ) -> Result<std::convert::Infallible, Closed> {
        let cursors: Vec<Value> = self
            .rooms
            .iter()
            .map(|(room, epoch)| json!({ "room": room, "epoch": epoch, "seq": self.seen[room] }))
            .collect();
        let hello = json!({ "id": 0, "type": "hello", "token": self.user, "cursors": cursors });
        socket.write([hello]).await?;
        let mut asked = HashMap::new();
        let mut last_id = 0;
        // What was not answered goes first, in its old order.
        self.again = Some(Instant::now());
        let mut phase = self.run.phase.clone();
        let mut next_burst = Instant::now();
        let silence = self.run.manner.silence;
        let (mut heard, mut pulse) = (Instant::now(), interval(silence / 4));
        loop {
            let loading = *phase.borrow_and_update() == Phase::Load;
            let may_send = loading && self.pending.len() < WINDOW;
            let again = self.again;
            tokio::select! {
                frame = socket.read() => {
                    heard = Instant::now();
                    let frame = frame?;
                    if frame["type"] == "gap" {
                        self.page(&frame).await?;
                    } else {
                        self.hear(&frame, &mut asked, incarnation)?;
                    }
                }
                () = sleep_until(again.unwrap_or(heard)), if again.is_some() => {
                    self.again = None;
                    let waits = |cid: &str| asked.values().any(|one| matches!(one, Asked::Send(it) if it.cid == cid));
                    let again = self.pending.iter().filter(|one| !waits(&one.cid)).cloned();
                    let again = again.collect();
                    self.send(socket, again, &mut asked, &mut last_id).await?;
                }
                _ = pulse.tick() => {
                    if heard.elapsed() > silence {
                        return Err(Closed::Abruptly);
                    }
                    last_id += 1;
                    socket.write([json!({ "id": last_id, "type": "ping" })]).await?;
                }
                () = sleep_until(next_burst), if may_send && again.is_none() => {
                    let many = self.rng.random_range(1..=6);
                    let burst: Vec<Pending> = (0..many).map(|_| self.compose()).collect();
                    self.pending.extend(burst.iter().cloned());
                    self.send(socket, burst, &mut asked, &mut last_id).await?;
                    if self.rng.random_ratio(1, 4) {
                        self.mark(socket, &mut asked, &mut last_id).await?;
                    }
                    let pause = self.rng.random_range(self.run.manner.pause.clone());
                    let pause = Duration::from_millis(pause);
                    next_burst = Instant::now() + pause;
                }
                _ = phase.changed() => {}
            }
            self.report();
        }
    }

    fn record(&self, op: Op) {
        self.run.ops.lock().unwrap().push(op);
    }

    fn report(&self) {
        self.run.progress.send_if_modified(|progress| {
            let mine = &mut progress[self.number];
            let oldest = self.pending.front();
            let done = oldest.map_or(self.sent, |oldest| oldest.number - 1);
            let moved = (mine.sent, mine.done) != (self.sent, done)
                || mine.acked != self.acked
                || mine.seen != self.seen;
            mine.pending = self.pending.len();
            (mine.sent, mine.done) = (self.sent, done);
            mine.acked = self.acked;
            mine.seen.clone_from(&self.seen);
            moved
        });
    }

    fn compose(&mut self) -> Pending {
        let room = self.rng.random_range(0..self.rooms.len());
        self.sent += 1;
        let cid = format!("{}-{}", self.number, self.sent);
        let long = self.rng.random_range(1..60);
        let body: Vec<String> = (0..long)
            .map(|_| format!("{:04x}", self.rng.random::<u16>()))
            .collect();
        let word = if self.rng.random_ratio(1, 20) {
            REFUSED_WORD
        } else {
            "peace"
        };
        Pending {
            number: self.sent,
            room: self.rooms[room].0.clone(),
            text: format!("{cid} {word} {}", body.join(" ")),
            cid,
            since: Instant::now(),
        }
    }

    async fn send(
        &self,
        socket: &mut Connection,
        messages: Vec<Pending>,
        asked: &mut HashMap<u64, Asked>,
        last_id: &mut u64,
    ) -> Result<(), Closed> {
        let mut commands = Vec::new();
        for message in messages {
            *last_id += 1;
            let Pending {
                room, cid, text, ..
            } = message.clone();
            commands.push(json!({
                "id": *last_id, "type": "send", "room": room, "text": text, "client_id": cid,
            }));
            self.record(Op::Send {
                client: self.number,
                link: self.link,
                room,
                cid,
                text,
            });
            asked.insert(*last_id, Asked::Send(message));
        }
        socket.write(commands).await
    }

    /// States that all it has seen of a room is delivered, or read.
    async fn mark(
        &mut self,
        socket: &mut Connection,
        asked: &mut HashMap<u64, Asked>,
        last_id: &mut u64,
    ) -> Result<(), Closed> {
        // Not of a group, of which the client may be no member.
        let room = self.rooms[self.rng.random_range(0..2)].0.clone();
        let mark = if self.rng.random() {
            "read"
        } else {
            "delivered"
        };
        let upto = self.seen[&room];
        *last_id += 1;
        let command =
            json!({ "id": *last_id, "type": "receipt", "room": room, "mark": mark, "seq": upto });
        asked.insert(*last_id, Asked::Mark(room.clone()));
        self.record(Op::Mark {
            client: self.number,
            room,
            upto,
        });
        socket.write([command]).await
    }

    /// Reads what was skipped; what comes meanwhile waits.
    async fn page(&mut self, gap: &Value) -> Result<(), Closed> {
        let (room, to) = (&gap["room"], gap["to"].as_u64().unwrap());
        let mut after = gap["from"].as_u64().unwrap().saturating_sub(1);
        let gone = |_| Closed::Abruptly;
        let mut reader = self.dial().await.ok_or(Closed::Abruptly)?;
        let hello = json!({ "type": "hello", "token": self.user });
        reader.try_result(hello).await.map_err(gone)?;
        while after < to {
            let page = json!({ "after": after });
            let limit = (to - after).min(200);
            let ask = json!({ "type": "history", "room": room, "page": page, "limit": limit });
            let page = reader.try_result(ask).await.map_err(gone)?;
            for line in page["entries"].as_array().unwrap() {
                after = line["seq"].as_u64().unwrap();
                self.receive(line);
            }
        }
        Ok(())
    }

    fn receive(&mut self, frame: &Value) {
        let (room, line) = entry(frame);
        let seen = self.seen.entry(room.clone()).or_default();
        *seen = (*seen).max(line.seq);
        self.record(Op::Recv {
            client: self.number,
            link: self.link,
            room,
            line,
        });
    }

    fn hear(
        &mut self,
        frame: &Value,
        asked: &mut HashMap<u64, Asked>,
        incarnation: u32,
    ) -> Result<(), Closed> {
        let client = self.number;
        match frame["type"].as_str().unwrap() {
            "entry" => self.receive(frame),
            "receipt" => self.record(Op::Marked {
                client,
                room: string(&frame["room"]),
                user: string(&frame["user"]),
                marks: marks(frame),
                own: false,
            }),
            // To `hello`.
            "error" if frame["id"] == 0 && self.run.manner.may_fail => {
                return Err(Closed::Abruptly);
            }
            answer @ ("reply" | "error") => {
                let Some(asked) = frame["id"].as_u64().and_then(|id| asked.remove(&id)) else {
                    return Ok(());
                };
                match asked {
                    Asked::Send(message) => self.answered(message, frame, incarnation),
                    Asked::Mark(room) if answer == "reply" => self.record(Op::Marked {
                        client,
                        room,
                        user: self.user.clone(),
                        marks: marks(&frame["result"]),
                        own: true,
                    }),
                    Asked::Mark(_) => {}
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn answered(&mut self, message: Pending, frame: &Value, incarnation: u32) {
        let (client, link) = (self.number, self.link);
        let Pending {
            room, cid, since, ..
        } = message;
        if let Some(code) = frame["error"]["code"].as_u64() {
            let may_fail = self.run.manner.may_fail;
            match code {
                // Moderation, or a room of others, or only readable.
                200 | 202 | 212 => self.pending.retain(|pending| pending.cid != cid),
                // Not now, or nobody knows. Any disk may be slow for a moment.
                300 | 302 | 303 | 310 if may_fail || code == 303 => {
                    let wait = Duration::from_millis(self.rng.random_range(100..400));
                    self.again.get_or_insert(Instant::now() + wait);
                }
                _ => panic!("{frame}"),
            }
            self.record(if code == 302 {
                Op::Unsure {
                    client,
                    link,
                    room,
                    cid,
                }
            } else {
                Op::Refusal {
                    client,
                    link,
                    room,
                    cid,
                }
            });
            return;
        }
        self.pending.retain(|pending| pending.cid != cid);
        self.acked += 1;
        let stall = u64::try_from(since.elapsed().as_micros()).unwrap();
        self.run.stall.fetch_max(stall, Ordering::Relaxed);
        let sent = &frame["result"];
        self.record(Op::Ack {
            client,
            link,
            room,
            cid,
            id: string(&sent["id"]),
            seq: sent["seq"].as_u64().unwrap(),
            duplicate: sent["duplicate"].as_bool().unwrap(),
        });
        self.run.acked.send_if_modified(|acked| {
            let first = *acked < incarnation;
            *acked = (*acked).max(incarnation);
            first
        });
    }
}

pub(crate) fn string(value: &Value) -> String {
    value.as_str().unwrap().to_owned()
}

pub(crate) fn marks(value: &Value) -> Marks {
    Marks {
        delivered: value["delivered"].as_u64().unwrap(),
        read: value["read"].as_u64().unwrap(),
    }
}

/// An entry and its room.
pub(crate) fn entry(value: &Value) -> (String, Line) {
    let body = &value["body"];
    let line = Line {
        seq: value["seq"].as_u64().unwrap(),
        id: string(&value["id"]),
        author: string(&value["author"]),
        cid: string(&value["client_id"]),
        text: body["text"].as_str().unwrap_or_default().to_owned(),
        change: change(body),
    };
    (string(&value["room"]), line)
}

/// The user of a group whom an entry changes, and their standing after it.
fn change(body: &Value) -> Option<(String, Standing)> {
    let standing = match (body["kind"].as_str()?, body["role"].as_str()) {
        ("left", _) if body["why"] == "banned" => Standing::Banned,
        ("left", _) => Standing::Stranger,
        ("joined" | "role", Some("reader")) => Standing::Reader,
        ("joined" | "role", _) => Standing::Writer,
        _ => return None,
    };
    Some((string(&body["user"]), standing))
}
