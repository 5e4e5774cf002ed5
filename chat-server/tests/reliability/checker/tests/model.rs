//! A small server that keeps its promises, whose histories the checker has to accept.

use std::collections::{BTreeMap, VecDeque};

use proptest::{collection::vec, prelude::*};

use crate::checker::history::{Client, History, Line, Marks, Op, Room, View};

/// The users of the clients: the last one is in no room.
pub(crate) const CLIENTS: [&str; 5] = ["a", "a", "b", "c", "mallory"];
pub(crate) const ROOMS: [&str; 2] = ["a,b", "b,c"];
pub(crate) const OUTSIDER: Client = 4;

/// The link, the room, the client id.
type Written = (u32, &'static str, String);

/// A server that keeps its promises, and its clients.
struct Model {
    history: History,
    logs: BTreeMap<&'static str, Vec<Line>>,
    marks: BTreeMap<(&'static str, &'static str), Marks>,
    /// What the server has read nothing of yet, in the order sent.
    inbound: Vec<VecDeque<Written>>,
    /// The same of links that clients have left, where another node may take it at any time.
    left: Vec<VecDeque<Written>>,
    /// Answers on their way to each client.
    outbound: Vec<VecDeque<Op>>,
    /// What each client has no answer for.
    pending: Vec<Vec<(&'static str, String)>>,
    seen: Vec<BTreeMap<&'static str, usize>>,
    /// The links that clients are on.
    links: Vec<u32>,
    sent: usize,
}

pub(crate) fn members(room: &str) -> Vec<String> {
    room.split(',').map(str::to_owned).collect()
}

/// The clients of its members.
pub(crate) fn members_among(room: &str) -> Vec<Client> {
    let members = members(room);
    let member = |client: &Client| members.iter().any(|one| one == CLIENTS[*client]);
    (0..CLIENTS.len()).filter(member).collect()
}

fn text(cid: &str) -> String {
    let number: usize = cid.parse().unwrap();
    let word = if number % 9 == 4 { "war" } else { "peace" };
    format!("{cid} {word}")
}

fn is_refused(client: Client, cid: &str) -> bool {
    client == OUTSIDER || text(cid).ends_with("war")
}

/// With its store, for a moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Trouble {
    NotNow,
    Unsure { stored: bool },
}

impl Trouble {
    fn of(step: u8) -> Option<Self> {
        match step {
            192..=223 => Some(Self::NotNow),
            224.. => Some(Self::Unsure {
                stored: step.is_multiple_of(2),
            }),
            _ => None,
        }
    }
}

impl Model {
    fn new(links_are_final: bool) -> Self {
        let rooms = ROOMS.map(|room| {
            let made = Room {
                members: members(room),
                epoch: format!("epoch of {room}"),
                changes: false,
            };
            (room.to_owned(), made)
        });
        Self {
            history: History {
                clients: CLIENTS.map(str::to_owned).to_vec(),
                refused_word: "war".to_owned(),
                links_are_final,
                rooms: BTreeMap::from(rooms),
                ops: Vec::new(),
                views: Vec::new(),
            },
            logs: ROOMS.map(|room| (room, Vec::new())).into(),
            marks: BTreeMap::new(),
            inbound: vec![VecDeque::new(); CLIENTS.len()],
            left: vec![VecDeque::new(); CLIENTS.len()],
            outbound: vec![VecDeque::new(); CLIENTS.len()],
            pending: vec![Vec::new(); CLIENTS.len()],
            seen: vec![BTreeMap::new(); CLIENTS.len()],
            links: vec![1; CLIENTS.len()],
            sent: 0,
        }
    }

    fn step(&mut self, client: Client, what: u8) {
        let room = ROOMS[usize::from(what) % 2];
        let member = members_among(room).contains(&client);
        match what % 32 {
            0..=9 if member || client == OUTSIDER => {
                self.sent += 1;
                let message = (room, self.sent.to_string());
                self.pending[client].push(message.clone());
                self.write(client, message);
            }
            10..=17 => {
                let trouble = Trouble::of(what);
                self.process(client, what >= 128, trouble);
                // An error that a crash kept from its client would look like a hole.
                while trouble.is_some() && !self.outbound[client].is_empty() {
                    self.answer(client);
                }
            }
            18..=22 => self.answer(client),
            23..=26 if member => self.receive(client, room),
            27..=30 if member => self.mark(client, room, what),
            31 if self.history.links_are_final => self.crash(),
            31 => self.leave(client),
            _ => {}
        }
    }

    fn write(&mut self, client: Client, message: (&'static str, String)) {
        let (room, cid) = message.clone();
        self.history.ops.push(Op::Send {
            client,
            link: self.links[client],
            room: room.to_owned(),
            text: text(&cid),
            cid,
        });
        let (room, cid) = message;
        self.inbound[client].push_back((self.links[client], room, cid));
    }

    /// The server takes the oldest message of a client, on its link or on those that it left.
    fn process(&mut self, client: Client, left: bool, trouble: Option<Trouble>) {
        let waiting = if left {
            &mut self.left
        } else {
            &mut self.inbound
        };
        let Some((link, room, cid)) = waiting[client].pop_front() else {
            return;
        };
        // Nobody hears the answer, so it has to be the usual one: as with crashes.
        let heard = link == self.links[client];
        let trouble = trouble.filter(|_| heard);
        let (author, name) = (CLIENTS[client].to_owned(), room.to_owned());
        if is_refused(client, &cid) || trouble == Some(Trouble::NotNow) {
            self.reply(
                client,
                heard,
                Op::Refusal {
                    client,
                    link,
                    room: name,
                    cid,
                },
            );
            return;
        }
        let log = self.logs.get_mut(room).unwrap();
        let found = log.iter().position(|line| line.cid == cid);
        let at = found.unwrap_or(log.len());
        if trouble == Some(Trouble::Unsure { stored: false }) {
            self.reply(
                client,
                heard,
                Op::Unsure {
                    client,
                    link,
                    room: name,
                    cid,
                },
            );
            return;
        }
        if found.is_none() {
            log.push(Line {
                seq: log.len() as u64 + 1,
                id: format!("id of {cid}"),
                author,
                text: text(&cid),
                cid: cid.clone(),
                change: None,
            });
        }
        let answer = match trouble {
            Some(_) => Op::Unsure {
                client,
                link,
                room: name,
                cid,
            },
            None => Op::Ack {
                client,
                link,
                room: name,
                cid,
                id: log[at].id.clone(),
                seq: log[at].seq,
                duplicate: found.is_some(),
            },
        };
        self.reply(client, heard, answer);
    }

    fn reply(&mut self, client: Client, heard: bool, answer: Op) {
        if heard {
            self.outbound[client].push_back(answer);
        }
    }

    fn answer(&mut self, client: Client) {
        let Some(answer) = self.outbound[client].pop_front() else {
            return;
        };
        self.history.ops.push(answer.clone());
        if let Op::Ack { cid, .. } | Op::Refusal { cid, .. } | Op::Unsure { cid, .. } = &answer {
            let mine = |(_, pending): &&(_, String)| pending == cid;
            let message = self.pending[client].iter().find(mine).cloned().unwrap();
            if matches!(answer, Op::Ack { .. }) || is_refused(client, cid) {
                self.pending[client].retain(|one| *one != message);
            } else {
                self.write(client, message);
            }
        }
    }

    /// A client receives all that it has not seen of a room.
    fn receive(&mut self, client: Client, room: &'static str) {
        let seen = self.seen[client].entry(room).or_default();
        for line in &self.logs[room][*seen..] {
            self.history.ops.push(Op::Recv {
                client,
                link: self.links[client],
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
        let all = members_among(room).into_iter();
        self.history.ops.extend(all.map(|one| told(one, false)));
        self.history.ops.push(told(client, true));
    }

    /// What was not stored is gone, and so are the answers; some give up, the others try again.
    fn crash(&mut self) {
        for client in 0..CLIENTS.len() {
            self.inbound[client].clear();
            self.leave(client);
        }
    }

    /// A client takes another link; what came on the old one may still be done.
    fn leave(&mut self, client: Client) {
        self.links[client] += 1;
        let rest = std::mem::take(&mut self.inbound[client]);
        self.left[client].extend(rest);
        self.outbound[client].clear();
        self.pending[client].retain(|(_, cid)| !cid.ends_with('7'));
        for message in self.pending[client].clone() {
            self.write(client, message);
        }
    }

    fn end(mut self) -> History {
        for client in 0..CLIENTS.len() {
            while !self.left[client].is_empty() {
                self.process(client, true, None);
            }
            while !self.inbound[client].is_empty() || !self.outbound[client].is_empty() {
                self.process(client, false, None);
                self.answer(client);
            }
        }
        for room in ROOMS {
            for client in members_among(room) {
                self.receive(client, room);
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

fn history(links_are_final: bool, steps: &[(usize, u8)]) -> History {
    let mut model = Model::new(links_are_final);
    for (client, what) in steps {
        model.step(*client, *what);
    }
    model.end()
}

pub(crate) fn histories(links_are_final: bool) -> impl Strategy<Value = History> {
    vec((0..CLIENTS.len(), any::<u8>()), 0..300)
        .prop_map(move |steps| history(links_are_final, &steps))
}
