//! The checker accepts every history of a small model of a correct server, and none of them after
//! a promise was broken in it.

use std::collections::{BTreeMap, VecDeque};

use proptest::{collection::vec, prelude::*, strategy::ValueTree, test_runner::TestRunner};

use super::{
    checker::{Fault, check},
    history::{Client, History, Line, Marks, Op, Room, View},
};

/// The users of the clients: the last one is in no room.
const CLIENTS: [&str; 5] = ["a", "a", "b", "c", "mallory"];
const ROOMS: [&str; 2] = ["a,b", "b,c"];
const OUTSIDER: Client = 4;

/// A server that keeps its promises, and its clients.
struct Model {
    history: History,
    logs: BTreeMap<&'static str, Vec<Line>>,
    marks: BTreeMap<(&'static str, &'static str), Marks>,
    /// What the server has read nothing of yet, in the order sent.
    inbound: Vec<VecDeque<(&'static str, String)>>,
    /// Answers on their way to each client.
    outbound: Vec<VecDeque<Op>>,
    /// What each client has no answer for.
    pending: Vec<Vec<(&'static str, String)>>,
    seen: Vec<BTreeMap<&'static str, usize>>,
    link: u32,
    sent: usize,
}

fn members(room: &str) -> Vec<String> {
    room.split(',').map(str::to_owned).collect()
}

fn text(cid: &str) -> String {
    let number: usize = cid.parse().unwrap();
    let word = if number % 9 == 4 { "war" } else { "peace" };
    format!("{cid} {word}")
}

impl Model {
    fn new() -> Self {
        let rooms = ROOMS.map(|room| {
            let made = Room {
                members: members(room),
                epoch: format!("epoch of {room}"),
            };
            (room.to_owned(), made)
        });
        Self {
            history: History {
                clients: CLIENTS.map(str::to_owned).to_vec(),
                refused_word: "war".to_owned(),
                rooms: BTreeMap::from(rooms),
                ops: Vec::new(),
                views: Vec::new(),
            },
            logs: ROOMS.map(|room| (room, Vec::new())).into(),
            marks: BTreeMap::new(),
            inbound: vec![VecDeque::new(); CLIENTS.len()],
            outbound: vec![VecDeque::new(); CLIENTS.len()],
            pending: vec![Vec::new(); CLIENTS.len()],
            seen: vec![BTreeMap::new(); CLIENTS.len()],
            link: 1,
            sent: 0,
        }
    }

    fn step(&mut self, client: Client, what: u8) {
        let room = ROOMS[usize::from(what) % 2];
        let user = CLIENTS[client];
        let member = members(room).iter().any(|member| member == user);
        match what % 32 {
            0..=9 if member || client == OUTSIDER => {
                self.sent += 1;
                let message = (room, self.sent.to_string());
                self.pending[client].push(message.clone());
                self.write(client, message);
            }
            10..=17 => self.process(client),
            18..=22 => self.answer(client),
            23..=26 if member => self.receive(client, room),
            27..=30 if member => self.mark(client, room, what),
            31 => self.crash(),
            _ => {}
        }
    }

    fn write(&mut self, client: Client, message: (&'static str, String)) {
        let (room, cid) = message.clone();
        self.history.ops.push(Op::Send {
            client,
            link: self.link,
            room: room.to_owned(),
            text: text(&cid),
            cid,
        });
        self.inbound[client].push_back(message);
    }

    /// The server takes the oldest message of a client.
    fn process(&mut self, client: Client) {
        let Some((room, cid)) = self.inbound[client].pop_front() else {
            return;
        };
        let (link, author, name) = (self.link, CLIENTS[client].to_owned(), room.to_owned());
        if client == OUTSIDER || text(&cid).ends_with("war") {
            self.outbound[client].push_back(Op::Refusal {
                client,
                link,
                room: name,
                cid,
            });
            return;
        }
        let log = self.logs.get_mut(room).unwrap();
        let found = log.iter().position(|line| line.cid == cid);
        let at = found.unwrap_or(log.len());
        if found.is_none() {
            log.push(Line {
                seq: log.len() as u64 + 1,
                id: format!("id of {cid}"),
                author,
                text: text(&cid),
                cid: cid.clone(),
            });
        }
        self.outbound[client].push_back(Op::Ack {
            client,
            link,
            room: name,
            cid,
            id: log[at].id.clone(),
            seq: log[at].seq,
            duplicate: found.is_some(),
        });
    }

    fn answer(&mut self, client: Client) {
        if let Some(answer) = self.outbound[client].pop_front() {
            if let Op::Ack { cid, .. } | Op::Refusal { cid, .. } = &answer {
                self.pending[client].retain(|(_, pending)| pending != cid);
            }
            self.history.ops.push(answer);
        }
    }

    /// A client receives all that it has not seen of a room.
    fn receive(&mut self, client: Client, room: &'static str) {
        let seen = self.seen[client].entry(room).or_default();
        for line in &self.logs[room][*seen..] {
            self.history.ops.push(Op::Recv {
                client,
                room: room.to_owned(),
                line: line.clone(),
            });
        }
        *seen = self.logs[room].len();
    }

    /// A client states what it has seen, and all of the room are told.
    fn mark(&mut self, client: Client, room: &'static str, what: u8) {
        let seen = self.seen[client].get(room).copied().unwrap_or(0) as u64;
        let user = CLIENTS[client];
        self.history.ops.push(Op::Mark {
            client,
            room: room.to_owned(),
            upto: seen,
        });
        let marks = self.marks.entry((room, user)).or_default();
        marks.delivered = marks.delivered.max(seen);
        if what >= 128 {
            marks.read = marks.read.max(seen);
        }
        let told = |client, own| Op::Marked {
            client,
            room: room.to_owned(),
            user: user.to_owned(),
            marks: *marks,
            own,
        };
        let members = members(room);
        let all = (0..CLIENTS.len()).filter(|one| members.iter().any(|m| m == CLIENTS[*one]));
        self.history.ops.extend(all.map(|one| told(one, false)));
        self.history.ops.push(told(client, true));
    }

    /// What was not stored is gone, and so are the answers; some give up, the others try again.
    fn crash(&mut self) {
        self.link += 1;
        for client in 0..CLIENTS.len() {
            self.inbound[client].clear();
            self.outbound[client].clear();
            self.pending[client].retain(|(_, cid)| !cid.ends_with('7'));
            for message in self.pending[client].clone() {
                self.write(client, message);
            }
        }
    }

    fn end(mut self) -> History {
        for client in 0..CLIENTS.len() {
            while !self.inbound[client].is_empty() {
                self.process(client);
            }
            while !self.outbound[client].is_empty() {
                self.answer(client);
            }
            for room in ROOMS {
                if members(room).iter().any(|member| member == CLIENTS[client]) {
                    // Its own view below is all that processing left.
                    self.seen[client].entry(room).or_default();
                }
            }
        }
        for client in 0..OUTSIDER {
            for room in ROOMS {
                if members(room).iter().any(|member| member == CLIENTS[client]) {
                    self.receive(client, room);
                }
            }
        }
        for room in ROOMS {
            let marks = members(room).into_iter().map(|user| {
                let marks = self
                    .marks
                    .iter()
                    .find(|((r, u), _)| *r == room && *u == user);
                (user, marks.map_or_else(Marks::default, |(_, marks)| *marks))
            });
            let view = View {
                room: room.to_owned(),
                epoch: format!("epoch of {room}"),
                lines: self.logs[room].clone(),
                marks: marks.collect(),
            };
            self.history.views.extend([view.clone(), view]);
        }
        self.history
    }
}

fn history(steps: &[(usize, u8)]) -> History {
    let mut model = Model::new();
    for (client, what) in steps {
        model.step(*client, *what);
    }
    model.end()
}

fn histories() -> impl Strategy<Value = History> {
    vec((0..CLIENTS.len(), any::<u8>()), 0..300).prop_map(|steps| history(&steps))
}

/// Where the log of a room is told of: all its lines, and all the numbers in acks.
fn renumber(history: &mut History, room: &str, new: &dyn Fn(u64) -> u64) {
    for view in history.views.iter_mut().filter(|view| view.room == room) {
        view.lines
            .iter_mut()
            .for_each(|line| line.seq = new(line.seq));
        view.lines.sort_by_key(|line| line.seq);
    }
    // What is received comes in the order of the numbers, so what is said changes places.
    let lines = line_of(history, room);
    for op in &mut history.ops {
        match op {
            Op::Recv {
                room: name, line, ..
            } if name == room => {
                if let Some(found) = lines.get(&line.seq) {
                    *line = found.clone();
                }
            }
            Op::Ack {
                room: name, seq, ..
            } if name == room => *seq = new(*seq),
            _ => {}
        }
    }
}

fn line_of(history: &History, room: &str) -> BTreeMap<u64, Line> {
    let view = history.views.iter().find(|view| view.room == room).unwrap();
    view.lines
        .iter()
        .map(|line| (line.seq, line.clone()))
        .collect()
}

/// Applies an edit to the lines of both views of the room.
fn edit(history: &mut History, room: &str, edit: impl Fn(&mut Vec<Line>)) {
    for view in history.views.iter_mut().filter(|view| view.room == room) {
        edit(&mut view.lines);
    }
}

/// The acks: where they are, the room, the number.
fn acks(history: &History) -> Vec<(usize, String, u64)> {
    let ops = history.ops.iter().enumerate();
    ops.filter_map(|(at, op)| match op {
        Op::Ack { room, seq, .. } => Some((at, room.clone(), *seq)),
        _ => None,
    })
    .collect()
}

fn one<T>(all: Vec<T>, pick: usize) -> Option<T> {
    let many = all.len().max(1);
    all.into_iter().nth(pick % many)
}

/// Breaks a promise, or finds nothing to break it with.
type Corruption = fn(&mut History, usize) -> Option<()>;

const CORRUPTIONS: &[(&str, Fault, Corruption)] = &[
    (
        "an acked message is dropped",
        Fault::Lost,
        |history, pick| {
            let (_, room, seq) = one(acks(history), pick)?;
            edit(history, &room, |lines| lines.retain(|line| line.seq != seq));
            Some(())
        },
    ),
    (
        "it is dropped, and what follows closes up",
        Fault::Lost,
        |history, pick| {
            let (_, room, seq) = one(acks(history), pick)?;
            edit(history, &room, |lines| lines.retain(|line| line.seq != seq));
            let receives = |op: &Op| matches!(op, Op::Recv { room: r, line, .. } if *r == room && line.seq == seq);
            history.ops.retain(|op| !receives(op));
            renumber(history, &room, &|old| old - u64::from(old > seq));
            Some(())
        },
    ),
    (
        "the newest acked message is dropped",
        Fault::Lost,
        |history, pick| {
            let (_, room, _) = one(acks(history), pick)?;
            let head = line_of(history, &room).len() as u64;
            acks(history)
                .iter()
                .find(|(_, r, seq)| *r == room && *seq == head)?;
            edit(history, &room, |lines| drop(lines.pop()));
            Some(())
        },
    ),
    (
        "a message is stored twice",
        Fault::Duplicated,
        |history, pick| {
            let (_, room, seq) = one(acks(history), pick)?;
            edit(history, &room, |lines| {
                let mut line = lines.iter().find(|line| line.seq == seq).unwrap().clone();
                line.seq = lines.len() as u64 + 1;
                line.id = "another".to_owned();
                lines.push(line);
            });
            Some(())
        },
    ),
    (
        "an id is given twice",
        Fault::Duplicated,
        |history, pick| {
            let room = one(ROOMS.to_vec(), pick)?;
            edit(history, room, |lines| {
                if let [first, .., last] = &mut lines[..] {
                    last.id.clone_from(&first.id);
                }
            });
            (line_of(history, room).len() > 1).then_some(())
        },
    ),
    (
        "a retry is given another number",
        Fault::Duplicated,
        |history, pick| {
            let (at, ..) = one(acks(history), pick)?;
            let mut again = history.ops[at].clone();
            if let Op::Ack { id, seq, .. } = &mut again {
                *seq += 1;
                id.push_str(" again");
            }
            history.ops.insert(at + 1, again);
            Some(())
        },
    ),
    (
        "an entry is delivered again",
        Fault::Duplicated,
        |history, pick| {
            let (_, op) = one(receives(history), pick)?;
            history.ops.push(op);
            Some(())
        },
    ),
    ("a number is left out", Fault::Gap, |history, pick| {
        let (_, room, seq) = one(acks(history), pick)?;
        renumber(history, &room, &|old| old + u64::from(old >= seq));
        Some(())
    }),
    (
        "two entries change places after they were acked",
        Fault::Divergence,
        |history, pick| {
            let (_, room, seq) = one(acks(history), pick)?;
            let swapped = |lines: &mut Vec<Line>| {
                let at = usize::try_from(seq).unwrap() - 1;
                let other = if at == 0 { lines.len() - 1 } else { at - 1 };
                (lines[at].seq, lines[other].seq) = (lines[other].seq, lines[at].seq);
                lines.swap(at, other);
            };
            edit(history, &room, swapped);
            (line_of(history, &room).len() > 1).then_some(())
        },
    ),
    (
        "a text is altered in the log",
        Fault::Divergence,
        |history, pick| {
            let (_, room, seq) = one(acks(history), pick)?;
            edit(history, &room, |lines| {
                let line = lines.iter_mut().find(|line| line.seq == seq).unwrap();
                line.text.push('!');
            });
            Some(())
        },
    ),
    (
        "a text is altered everywhere",
        Fault::Divergence,
        |history, pick| {
            let (_, room, seq) = one(acks(history), pick)?;
            edit(history, &room, |lines| {
                let line = lines.iter_mut().find(|line| line.seq == seq).unwrap();
                line.text.push('!');
            });
            renumber(history, &room, &|old| old);
            Some(())
        },
    ),
    (
        "one client receives another text",
        Fault::Divergence,
        |history, pick| {
            let (at, _) = one(receives(history), pick)?;
            if let Op::Recv { line, .. } = &mut history.ops[at] {
                line.text.push('!');
            }
            Some(())
        },
    ),
    (
        "one member reads something else",
        Fault::Divergence,
        |history, pick| {
            let view = pick % history.views.len();
            history.views[view].lines.pop().map(drop)
        },
    ),
    (
        "a message is acked with another id",
        Fault::Divergence,
        |history, pick| {
            let (at, ..) = one(acks(history), pick)?;
            if let Op::Ack { id, .. } = &mut history.ops[at] {
                id.push('!');
            }
            Some(())
        },
    ),
    (
        "what was received is gone",
        Fault::Divergence,
        |history, pick| {
            let (_, room, _) = one(acks(history), pick)?;
            let head = line_of(history, &room).len() as u64;
            let mine =
                |op: &Op| matches!(op, Op::Ack { room: r, seq, .. } if *r == room && *seq == head);
            history.ops.retain(|op| !mine(op));
            edit(history, &room, |lines| drop(lines.pop()));
            Some(())
        },
    ),
    ("the log begins anew", Fault::Divergence, |history, pick| {
        let view = pick % history.views.len();
        history.views[view].epoch.push('!');
        Some(())
    }),
    (
        "two receives change places",
        Fault::Order,
        |history, pick| {
            let all = receives(history);
            let (at, first) = one(all.clone(), pick)?;
            let key = |op: &Op| match op {
                Op::Recv { client, room, .. } => (*client, room.clone()),
                _ => unreachable!("only receives"),
            };
            let later = all
                .into_iter()
                .find(|(i, op)| *i > at && key(op) == key(&first))?;
            history.ops.swap(at, later.0);
            Some(())
        },
    ),
    (
        "two of one client change places everywhere",
        Fault::Order,
        |history, pick| {
            let (room, one, other) = neighbours(history, pick, |a, b| a.0 == b.0)?;
            swap_everywhere(history, &room, one, other);
            Some(())
        },
    ),
    (
        "one acked before another was sent comes after it",
        Fault::Order,
        |history, pick| {
            let (room, one, other) = neighbours(history, pick, |a, b| a.2 < b.1)?;
            swap_everywhere(history, &room, one, other);
            Some(())
        },
    ),
    (
        "a message is stored without the one before it",
        Fault::Order,
        |history, pick| {
            // The one before was given up, and the other one was acked on the same connection.
            let (room, gone, _) = neighbours(history, pick, |a, b| a.0 == b.0 && a.3 == b.3)?;
            let lost = line_of(history, &room)[&gone].cid.clone();
            history.ops.retain(|op| match op {
                Op::Ack { cid, .. } => *cid != lost,
                Op::Recv { line, .. } => line.cid != lost,
                _ => true,
            });
            edit(history, &room, |lines| {
                lines.retain(|line| line.seq != gone)
            });
            renumber(history, &room, &|old| old - u64::from(old > gone));
            Some(())
        },
    ),
    (
        "a retry stored later is acked as stored before",
        Fault::Order,
        |history, pick| {
            let (room, first, second) = neighbours(history, pick, |a, b| a.0 == b.0 && a.3 == b.3)?;
            // As if both had been tried on an earlier connection, and only the second was stored then.
            let cids = line_of(history, &room);
            let at = |cid: &str| {
                history
                    .ops
                    .iter()
                    .position(|op| matches!(op, Op::Send { cid: c, .. } if c == cid))
            };
            let tried: Vec<Op> = [&cids[&first].cid, &cids[&second].cid]
                .into_iter()
                .map(|cid| history.ops[at(cid).unwrap()].clone())
                .collect();
            for op in &mut history.ops {
                if let Op::Ack {
                    room: r,
                    seq,
                    duplicate,
                    ..
                } = op
                    && *r == room
                {
                    *duplicate = if *seq == first {
                        false
                    } else {
                        *duplicate || *seq == second
                    };
                }
            }
            for (mut op, place) in tried.into_iter().zip(0..) {
                if let Op::Send { link, .. } = &mut op {
                    *link = 0;
                }
                history.ops.insert(place, op);
            }
            Some(())
        },
    ),
    (
        "a member never receives an entry",
        Fault::Unseen,
        |history, pick| {
            let (at, _) = one(receives(history), pick)?;
            history.ops.remove(at);
            Some(())
        },
    ),
    (
        "a room can't be read by one member",
        Fault::Unseen,
        |history, pick| {
            let view = pick % history.views.len();
            history.views.remove(view);
            Some(())
        },
    ),
    (
        "an outsider receives an entry",
        Fault::Leak,
        |history, pick| {
            let (at, mut op) = one(receives(history), pick)?;
            if let Op::Recv { client, .. } = &mut op {
                *client = OUTSIDER;
            }
            history.ops.insert(at, op);
            Some(())
        },
    ),
    (
        "an outsider learns of a receipt",
        Fault::Leak,
        |history, pick| {
            let (at, mut op) = one(told(history), pick)?;
            if let Op::Marked { client, .. } = &mut op {
                *client = OUTSIDER;
            }
            history.ops.insert(at, op);
            Some(())
        },
    ),
    (
        "an outsider's message is stored",
        Fault::Leak,
        |history, pick| {
            let sent = sends(history, |history, client, _| {
                history.clients[client] == "mallory"
            });
            let (room, line) = one(sent, pick)?;
            append(history, &room, line);
            Some(())
        },
    ),
    (
        "a refused message is stored",
        Fault::Ghost,
        |history, pick| {
            let refused = sends(history, |history, client, cid| {
                let tries = history.ops.iter().filter(|op| {
                    matches!(op, Op::Send { client: one, cid: c, .. } if *one == client && c == cid)
                });
                let refusals = history.ops.iter().filter(|op| {
                    matches!(op, Op::Refusal { client: one, cid: c, .. } if *one == client && c == cid)
                });
                tries.count() == refusals.count()
            });
            let (room, line) = one(refused, pick)?;
            append(history, &room, line);
            Some(())
        },
    ),
    (
        "a message is stored that nobody sent",
        Fault::Ghost,
        |history, pick| {
            let room = one(ROOMS.to_vec(), pick)?;
            let line = Line {
                seq: 0,
                id: "new".to_owned(),
                author: "b".to_owned(),
                cid: "new".to_owned(),
                text: "new".to_owned(),
            };
            append(history, room, line);
            Some(())
        },
    ),
    (
        "a message is acked that nobody sent",
        Fault::Ghost,
        |history, pick| {
            let (at, ..) = one(acks(history), pick)?;
            if let Op::Ack { cid, .. } = &mut history.ops[at] {
                cid.push('!');
            }
            Some(())
        },
    ),
    (
        "a watermark is told that goes back",
        Fault::Receipt,
        |history, pick| {
            let moved = told(history).into_iter().filter(
                |(_, op)| matches!(op, Op::Marked { marks, own: false, .. } if marks.delivered > 0),
            );
            let (at, mut op) = one(moved.collect(), pick)?;
            if let Op::Marked { marks, .. } = &mut op {
                marks.delivered -= 1;
                marks.read = marks.read.min(marks.delivered);
            }
            history.ops.insert(at + 1, op);
            Some(())
        },
    ),
    (
        "more is read than delivered",
        Fault::Receipt,
        |history, pick| {
            let (at, _) = one(told(history), pick)?;
            if let Op::Marked { marks, .. } = &mut history.ops[at] {
                marks.read = marks.delivered + 1;
            }
            Some(())
        },
    ),
    (
        "a watermark stands beyond the head",
        Fault::Receipt,
        |history, pick| {
            let (at, _) = one(told(history), pick)?;
            if let Op::Marked { marks, .. } = &mut history.ops[at] {
                marks.delivered = 1_000_000;
            }
            Some(())
        },
    ),
    (
        "a watermark moves that its user never moved",
        Fault::Receipt,
        |history, pick| {
            let view = pick % history.views.len();
            let view = &mut history.views[view];
            let head = view.lines.len() as u64;
            let user = view.marks.keys().next()?.clone();
            let theirs = view.lines.iter().filter(|line| line.author == user);
            let spoke = theirs.map(|line| line.seq).max();
            let asked = history.ops.iter().filter_map(|op| match op {
                Op::Mark { client, room, upto }
                    if CLIENTS[*client] == user && *room == view.room =>
                {
                    Some(*upto)
                }
                _ => None,
            });
            let beyond = asked.chain(spoke).max().unwrap_or(0) + 1;
            let delivered = (beyond <= head).then_some(beyond)?;
            view.marks.insert(user, Marks { delivered, read: 0 });
            Some(())
        },
    ),
    (
        "an answered receipt is lost",
        Fault::Receipt,
        |history, pick| {
            let answered = told(history).into_iter().filter(
                |(_, op)| matches!(op, Op::Marked { marks, own: true, .. } if marks.delivered > 0),
            );
            let (_, op) = one(answered.collect(), pick)?;
            let Op::Marked { room, user, .. } = op else {
                return None;
            };
            for view in history.views.iter_mut().filter(|view| view.room == room) {
                view.marks.insert(user.clone(), Marks::default());
            }
            Some(())
        },
    ),
];

fn receives(history: &History) -> Vec<(usize, Op)> {
    let ops = history.ops.iter().cloned().enumerate();
    ops.filter(|(_, op)| matches!(op, Op::Recv { .. }))
        .collect()
}

fn told(history: &History) -> Vec<(usize, Op)> {
    let ops = history.ops.iter().cloned().enumerate();
    ops.filter(|(_, op)| matches!(op, Op::Marked { .. }))
        .collect()
}

/// Messages of some kind, as they would stand in the log.
fn sends(history: &History, which: impl Fn(&History, Client, &str) -> bool) -> Vec<(String, Line)> {
    let mut found = Vec::new();
    for op in &history.ops {
        if let Op::Send {
            client,
            room,
            cid,
            text,
            ..
        } = op
            && which(history, *client, cid)
        {
            let line = Line {
                seq: 0,
                id: format!("id of {cid}"),
                author: history.clients[*client].clone(),
                cid: cid.clone(),
                text: text.clone(),
            };
            found.push((room.clone(), line));
        }
    }
    found
}

fn append(history: &mut History, room: &str, mut line: Line) {
    edit(history, room, |lines| {
        let mut line = line.clone();
        line.seq = lines.len() as u64 + 1;
        lines.push(line);
    });
    line.seq = line_of(history, room).len() as u64;
    for client in 0..OUTSIDER {
        let line = line.clone();
        let room = room.to_owned();
        if members(&room).iter().any(|m| m == CLIENTS[client]) {
            history.ops.push(Op::Recv { client, room, line });
        }
    }
}

/// Who sent it, where in the history it was first sent and acked, and on which connection both
/// happened, 0 for several.
type Sending = (Client, usize, usize, u32);

/// Two entries of one room, the first of which was sent before the second, such that `related`.
fn neighbours(
    history: &History,
    pick: usize,
    related: fn(&Sending, &Sending) -> bool,
) -> Option<(String, u64, u64)> {
    let sending = |(at, room, seq): &(usize, String, u64)| -> (String, u64, Sending) {
        let Op::Ack {
            client, link, cid, ..
        } = &history.ops[*at]
        else {
            unreachable!("an ack")
        };
        let is_send = |op: &Op| matches!(op, Op::Send { cid: c, .. } if c == cid);
        let tries = history.ops.iter().filter(|op| is_send(op)).count();
        let first = history.ops.iter().position(is_send).unwrap();
        let link = if tries == 1 { *link } else { 0 };
        (room.clone(), *seq, (*client, first, *at, link))
    };
    let all: Vec<_> = acks(history).iter().map(sending).collect();
    let mut pairs = Vec::new();
    for (room, seq, a) in &all {
        for (other_room, other, b) in &all {
            let distinct = room == other_room && seq < other && a.3 != 0 && b.3 != 0;
            if distinct && a.1 < b.1 && related(a, b) {
                pairs.push((room.clone(), *seq, *other));
            }
        }
    }
    one(pairs, pick)
}

fn swap_everywhere(history: &mut History, room: &str, one: u64, other: u64) {
    renumber(history, room, &|seq| match seq {
        _ if seq == one => other,
        _ if seq == other => one,
        _ => seq,
    });
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(48) })]

    #[test]
    fn a_history_without_a_fault_is_accepted(history in histories()) {
        let report = check(&history);
        prop_assert!(report.faults.is_empty(), "{}", report);
    }

    #[test]
    fn every_corruption_is_flagged(history in histories(), pick in any::<usize>()) {
        for (what, fault, corrupt) in CORRUPTIONS {
            let mut corrupted = history.clone();
            if corrupt(&mut corrupted, pick).is_some() {
                let report = check(&corrupted);
                prop_assert!(report.count(*fault) > 0, "{}: {}", what, report);
            }
        }
    }
}

/// So that none of the corruptions passes for finding nothing to corrupt.
#[test]
fn every_corruption_finds_something_to_corrupt() {
    let mut runner = TestRunner::deterministic();
    let mut applied = BTreeMap::new();
    for pick in 0..32 {
        let history = histories().new_tree(&mut runner).unwrap().current();
        for (what, fault, corrupt) in CORRUPTIONS {
            let mut corrupted = history.clone();
            if corrupt(&mut corrupted, pick).is_some() {
                assert!(check(&corrupted).count(*fault) > 0, "{what}");
                *applied.entry(*what).or_insert(0) += 1;
            }
        }
    }
    for (what, ..) in CORRUPTIONS {
        assert!(applied.contains_key(what), "never applied: {what}");
    }
    println!("{applied:#?}");
}
