//! Histories of a group whose members come and go: the checker accepts those of a correct server, and detects
//! what a server may not do.

use std::collections::{BTreeMap, BTreeSet};

use proptest::{collection::vec, prelude::*};

use crate::checker::{
    Fault, check,
    history::{Client, History, Line, Op, Room, View},
    seats::{Seats, Standing},
};

const ROOM: &str = "crowd";
const USERS: [&str; 3] = ["a", "b", "c"];

/// A server that keeps its promises, and a client of each user.
struct Model {
    log: Vec<Line>,
    ops: Vec<Op>,
    standings: BTreeMap<&'static str, Standing>,
    /// The entry by which each user came in last.
    joined: BTreeMap<&'static str, u64>,
    banned: BTreeSet<&'static str>,
    connected: [bool; 3],
    /// The number of times that each client has connected.
    links: [u32; 3],
    seen: [u64; 3],
}

fn room() -> Room {
    Room {
        members: vec!["a".to_owned()],
        epoch: "epoch".to_owned(),
        changes: true,
    }
}

impl Model {
    fn standing(&self, user: &str) -> Standing {
        self.standings
            .get(user)
            .copied()
            .unwrap_or(Standing::Stranger)
    }

    fn push(&mut self, author: &str, change: Option<(&'static str, Standing)>) -> Line {
        let seq = self.log.len() as u64 + 1;
        let line = Line {
            seq,
            id: format!("id {seq}"),
            author: author.to_owned(),
            cid: format!("cid {seq}"),
            text: change.map_or_else(|| format!("text {seq}"), |_| String::new()),
            change: change.map(|(user, standing)| (user.to_owned(), standing)),
        };
        self.log.push(line.clone());
        if let Some((user, standing)) = change {
            if self.standing(user) == Standing::Stranger {
                self.joined.insert(user, seq);
            }
            self.standings.insert(user, standing);
        }
        line
    }

    /// Sends all who are connected what they may see; `left` also sees the last entry.
    fn deliver(&mut self, left: Option<&str>) {
        for (client, user) in USERS.into_iter().enumerate() {
            let is_member = self.standing(user) != Standing::Stranger;
            if self.connected[client] && (is_member || left == Some(user)) {
                let joined = self.joined.get(user).copied().unwrap_or(1);
                let from = joined.max(self.seen[client] + 1);
                self.seen[client] = self.log.len() as u64;
                let lines = self.log.iter().filter(|line| line.seq >= from);
                let link = self.links[client];
                self.ops.extend(lines.map(|line| Op::Recv {
                    client,
                    link,
                    room: ROOM.to_owned(),
                    line: line.clone(),
                }));
            }
        }
    }

    fn step(&mut self, client: Client, what: u8) {
        let user = USERS[client];
        let standing = self.standing(user);
        let is_member = standing != Standing::Stranger;
        match what % 8 {
            0 if !is_member && !self.banned.contains(user) => {
                drop(self.push("steward", Some((user, Standing::Writer))));
                self.deliver(None);
            }
            1 | 2 if is_member => {
                let line = self.push("steward", Some((user, Standing::Stranger)));
                if !self.connected[client] && what >= 128 {
                    // The client comes back just then: the user may not read what was missed any more.
                    self.connect(client);
                    self.seen[client] = line.seq;
                    self.ops.push(Op::Recv {
                        client,
                        link: self.links[client],
                        room: ROOM.to_owned(),
                        line,
                    });
                    self.deliver(None);
                } else {
                    self.deliver(Some(user));
                }
                if what % 8 == 2 {
                    self.banned.insert(user);
                    self.ban(user, true);
                }
            }
            2 if self.banned.remove(user) => self.ban(user, false),
            3 if is_member => {
                let turned = if standing == Standing::Reader {
                    Standing::Writer
                } else {
                    Standing::Reader
                };
                drop(self.push("steward", Some((user, turned))));
                self.deliver(None);
            }
            4..=6 => self.send(client, standing == Standing::Writer),
            7 if self.connected[client] => self.connected[client] = false,
            7 => {
                self.connect(client);
                self.deliver(None);
            }
            _ => {}
        }
    }

    fn connect(&mut self, client: Client) {
        self.connected[client] = true;
        self.links[client] += 1;
    }

    fn ban(&mut self, user: &str, banned: bool) {
        self.ops.push(Op::Banned {
            room: ROOM.to_owned(),
            user: user.to_owned(),
            banned,
        });
    }

    fn send(&mut self, client: Client, stored: bool) {
        let seq = self.log.len() as u64 + 1;
        let (cid, room) = (format!("cid {seq}"), ROOM.to_owned());
        if stored {
            let line = self.push(USERS[client], None);
            self.ops.extend(sent(client, &line));
            self.deliver(None);
        } else {
            let cid = format!("{cid} of {client}, {}", self.ops.len());
            self.ops.push(Op::Send {
                client,
                link: 1,
                room: room.clone(),
                cid: cid.clone(),
                text: "refused".to_owned(),
            });
            self.ops.push(Op::Refusal {
                client,
                link: 1,
                room,
                cid,
            });
        }
    }
}

/// A message that is sent, and its ack.
fn sent(client: Client, line: &Line) -> [Op; 2] {
    let (room, cid) = (ROOM.to_owned(), line.cid.clone());
    let send = Op::Send {
        client,
        link: 1,
        room: room.clone(),
        cid: cid.clone(),
        text: line.text.clone(),
    };
    let ack = Op::Ack {
        client,
        link: 1,
        room,
        cid,
        id: line.id.clone(),
        seq: line.seq,
        duplicate: false,
    };
    [send, ack]
}

fn history(steps: &[(usize, u8)]) -> History {
    let mut model = Model {
        log: Vec::new(),
        ops: Vec::new(),
        standings: [("a", Standing::Writer)].into(),
        joined: BTreeMap::new(),
        banned: BTreeSet::new(),
        connected: [true; 3],
        links: [1; 3],
        seen: [0; 3],
    };
    for (client, what) in steps {
        model.step(*client, *what);
    }
    for client in 0..USERS.len() {
        if !model.connected[client] {
            model.connect(client);
        }
    }
    model.deliver(None);
    let view = View {
        room: ROOM.to_owned(),
        epoch: "epoch".to_owned(),
        lines: model.log,
        marks: BTreeMap::new(),
    };
    History {
        clients: USERS.map(str::to_owned).to_vec(),
        refused_word: "war".to_owned(),
        links_are_final: false,
        rooms: [(ROOM.to_owned(), room())].into(),
        ops: model.ops,
        views: vec![view],
    }
}

fn histories() -> impl Strategy<Value = History> {
    vec((0..USERS.len(), any::<u8>()), 60..200).prop_map(|steps| history(&steps))
}

fn found(history: &History, fault: Fault) -> bool {
    check(history).count(fault) > 0
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(64) })]

    #[test]
    fn a_group_without_a_fault_is_accepted(history in histories()) {
        let report = check(&history);
        prop_assert!(report.faults.is_empty(), "{}", report);
    }

    #[test]
    fn an_entry_from_before_joining_or_after_leaving_is_a_leak(history in histories(), pick in any::<usize>()) {
        let (made, lines) = (room(), history.views[0].lines.clone());
        let seats = Seats::new(&made, &lines);
        let all = (0..USERS.len()).flat_map(|client| lines.iter().map(move |line| (client, line)));
        let hidden: Vec<_> = all.filter(|(client, line)| !seats.may_see(USERS[*client], line.seq)).collect();
        prop_assume!(!hidden.is_empty());
        let (client, line) = hidden[pick % hidden.len()];
        let mut broken = history.clone();
        broken.ops.push(Op::Recv { client, link: 9, room: ROOM.to_owned(), line: line.clone() });
        prop_assert!(found(&broken, Fault::Leak));
    }

    #[test]
    fn an_entry_that_a_member_did_not_receive_is_unseen(history in histories(), pick in any::<usize>()) {
        let (made, lines) = (room(), history.views[0].lines.clone());
        let seats = Seats::new(&made, &lines);
        // Of a membership that has ended the last ones may be missing.
        let is_needed = |op: &Op| matches!(op, Op::Recv { client, line, .. } if seats
            .stays(USERS[*client])
            .iter()
            .any(|stay| stay.from <= line.seq && stay.to.is_none()));
        let ops = history.ops.iter().enumerate();
        let needed: Vec<usize> = ops.filter(|(_, op)| is_needed(op)).map(|(at, _)| at).collect();
        prop_assume!(!needed.is_empty());
        let mut broken = history.clone();
        broken.ops.remove(needed[pick % needed.len()]);
        prop_assert!(found(&broken, Fault::Unseen));
    }

    #[test]
    fn a_message_by_one_who_may_not_write_is_a_leak(history in histories(), pick in any::<usize>()) {
        let (made, mut broken) = (room(), history.clone());
        let lines = history.views[0].lines.clone();
        let seats = Seats::new(&made, &lines);
        let seq = lines.len() as u64 + 1;
        let client = pick % USERS.len();
        prop_assume!(!seats.may_write(USERS[client], seq));
        let line = Line {
            seq,
            id: "new".to_owned(),
            author: USERS[client].to_owned(),
            cid: "new".to_owned(),
            text: "new".to_owned(),
            change: None,
        };
        broken.ops.extend(sent(client, &line));
        broken.views[0].lines.push(line);
        prop_assert!(found(&broken, Fault::Leak));
    }

    #[test]
    fn an_ack_of_what_was_sent_after_a_ban_is_a_leak(history in histories(), pick in any::<usize>()) {
        let acks = history.ops.iter().enumerate();
        let acks: Vec<usize> = acks.filter(|(_, op)| matches!(op, Op::Ack { .. })).map(|(at, _)| at).collect();
        prop_assume!(!acks.is_empty());
        let at = acks[pick % acks.len()];
        let Op::Ack { client, .. } = history.ops[at] else { unreachable!("it is an ack") };
        let mut broken = history.clone();
        // The message was sent just before its ack.
        broken.ops.insert(at - 1, Op::Banned {
            room: ROOM.to_owned(),
            user: USERS[client].to_owned(),
            banned: true,
        });
        prop_assert!(found(&broken, Fault::Leak));
    }
}
