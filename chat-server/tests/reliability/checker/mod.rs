//! Judges a history: which of the promises did the server break?
//!
//! Every room shows a dense number for each entry, so no search for a possible order is needed, as
//! it is in checkers for general databases: all checks are walks over the history.

pub(crate) mod client;
pub(crate) mod crowd;
pub(crate) mod history;
pub(crate) mod ring;
pub(crate) mod seats;
mod tests;

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    fmt,
};

use self::{
    history::{Client, History, Line, Marks, Op, View},
    seats::Seats,
};

/// A broken promise.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Fault {
    /// An acked message isn't there.
    Lost,
    /// A message is there, was numbered, or was delivered twice.
    Duplicated,
    /// The numbers of a log are not 1, 2, 3, ...
    Gap,
    /// Two were told different things of one entry, or something else than was sent.
    Divergence,
    /// A sender's messages, or two of which one was acked before the other was sent, or the
    /// entries that a client received, are in the wrong order; or a message is there and one that
    /// went before it on the same connection is not.
    Order,
    /// A member has not received an entry.
    Unseen,
    /// Somebody read or wrote in a room of others.
    Leak,
    /// An entry is there that was refused, or that nobody sent.
    Ghost,
    /// A watermark went back, or is where its user never put it.
    Receipt,
}

/// What a run amounted to, and what was wrong with it.
#[derive(Debug, Default)]
pub(crate) struct Report {
    pub(crate) messages: usize,
    pub(crate) acked: usize,
    pub(crate) refused: usize,
    /// Attempts that ended without an answer.
    pub(crate) unknown: usize,
    /// Acks of a retry that say that an earlier attempt was stored.
    pub(crate) recovered: usize,
    /// Messages that were given up without an answer, and how many of them are stored.
    pub(crate) abandoned: usize,
    pub(crate) abandoned_stored: usize,
    pub(crate) stored: usize,
    pub(crate) received: usize,
    pub(crate) faults: Vec<(Fault, String)>,
}

impl Report {
    pub(crate) fn count(&self, fault: Fault) -> usize {
        self.faults.iter().filter(|(one, _)| *one == fault).count()
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "messages {}: acked {}, refused {}, given up {} ({} of them stored); attempts with unknown \
             outcome {}, found stored by the retry {}; stored {}, received {}",
            self.messages,
            self.acked,
            self.refused,
            self.abandoned,
            self.abandoned_stored,
            self.unknown,
            self.recovered,
            self.stored,
            self.received,
        )?;
        write!(
            f,
            "lost {}, duplicated {}, gaps {}, divergences {}, order {}, unseen {}, leaks {}, ghosts {}, \
             receipts {}",
            self.count(Fault::Lost),
            self.count(Fault::Duplicated),
            self.count(Fault::Gap),
            self.count(Fault::Divergence),
            self.count(Fault::Order),
            self.count(Fault::Unseen),
            self.count(Fault::Leak),
            self.count(Fault::Ghost),
            self.count(Fault::Receipt),
        )?;
        for (fault, what) in self.faults.iter().take(20) {
            write!(f, "\n  {fault:?}: {what}")?;
        }
        Ok(())
    }
}

/// Judges a history.
pub(crate) fn check(history: &History) -> Report {
    let mut checker = Checker {
        history,
        messages: Vec::new(),
        by_key: HashMap::new(),
        seats: HashMap::new(),
        report: Report::default(),
    };
    for (name, room) in history.rooms.iter().filter(|(_, room)| room.changes) {
        checker
            .seats
            .insert(name, Seats::new(room, checker.log(name)));
    }
    checker.gather();
    checker.logs();
    checker.outcomes();
    checker.pipelines();
    checker.deliveries();
    checker.stays();
    checker.bans();
    checker.receipts();
    checker.report
}

/// A message as the store tells it from others: room, author, client id.
type Key<'a> = (&'a str, &'a str, &'a str);

struct Answered<'a> {
    link: u32,
    id: &'a str,
    seq: u64,
    duplicate: bool,
}

struct Message<'a> {
    client: Client,
    key: Key<'a>,
    text: &'a str,
    /// The links that it was tried on, in ascending order.
    attempts: Vec<u32>,
    acks: Vec<Answered<'a>>,
    refusals: Vec<u32>,
    /// The links on which it was said that nobody knows whether it is stored.
    unsure: Vec<u32>,
    /// The highest number acked in the room before it was first sent.
    floor: u64,
}

impl Message<'_> {
    /// Whether it can be told that it was stored when this link ended.
    fn stored_by(&self, link: u32, present: bool) -> bool {
        // The last attempt on these links, and the one before it.
        let last = |until| self.attempts.iter().rev().filter(move |one| **one <= until);
        let by_then = |attempt: Option<&u32>| attempt.is_some_and(|one| *one <= link);
        match self.acks.first() {
            Some(ack) => ack.link <= link || ack.duplicate && by_then(last(ack.link).nth(1)),
            None => present && by_then(last(u32::MAX).next()),
        }
    }

    /// Whether it can be told that it was not yet stored when this link ended.
    fn missing_after(&self, link: u32, present: bool, final_links: bool) -> bool {
        match self.acks.first() {
            Some(ack) => final_links && !ack.duplicate && ack.link > link,
            None => !present,
        }
    }
}

struct Checker<'a> {
    history: &'a History,
    /// In the order of their first attempts.
    messages: Vec<Message<'a>>,
    by_key: HashMap<Key<'a>, usize>,
    /// The members of each group whose members change.
    seats: HashMap<&'a str, Seats<'a>>,
    report: Report,
}

impl<'a> Checker<'a> {
    fn fault(&mut self, fault: Fault, what: impl Into<String>) {
        self.report.faults.push((fault, what.into()));
    }

    /// The log that all others are compared with: the first view of the room.
    fn log(&self, room: &str) -> &'a [Line] {
        let view = self.history.views.iter().find(|view| view.room == room);
        view.map_or(&[], |view| &view.lines)
    }

    fn is_member(&self, room: &str, user: &str) -> bool {
        let room = self.history.rooms.get(room);
        room.is_some_and(|room| room.members.iter().any(|member| member == user))
    }

    fn may_see(&self, room: &str, user: &str, seq: u64) -> bool {
        let is_member = || self.is_member(room, user);
        let seats = self.seats.get(room);
        seats.map_or_else(is_member, |seats| seats.may_see(user, seq))
    }

    fn may_write(&self, room: &str, user: &str, seq: u64) -> bool {
        let is_member = || self.is_member(room, user);
        let seats = self.seats.get(room);
        seats.map_or_else(is_member, |seats| seats.may_write(user, seq))
    }

    /// Puts together what belongs to one message.
    fn gather(&mut self) {
        let history = self.history;
        let mut acked: HashMap<&str, u64> = HashMap::new();
        for op in &history.ops {
            match op {
                Op::Send {
                    client,
                    link,
                    room,
                    cid,
                    text,
                } => {
                    let key = (&**room, &*history.clients[*client], &**cid);
                    let messages = &mut self.messages;
                    let at = *self.by_key.entry(key).or_insert_with(|| {
                        messages.push(Message {
                            client: *client,
                            key,
                            text,
                            attempts: Vec::new(),
                            acks: Vec::new(),
                            refusals: Vec::new(),
                            unsure: Vec::new(),
                            floor: acked.get(&**room).copied().unwrap_or(0),
                        });
                        messages.len() - 1
                    });
                    messages[at].attempts.push(*link);
                }
                Op::Ack {
                    client,
                    link,
                    room,
                    cid,
                    id,
                    seq,
                    duplicate,
                } => {
                    let head = acked.entry(room).or_default();
                    *head = (*head).max(*seq);
                    let key = (&**room, &*history.clients[*client], &**cid);
                    match self.by_key.get(&key) {
                        Some(at) => self.messages[*at].acks.push(Answered {
                            link: *link,
                            id,
                            seq: *seq,
                            duplicate: *duplicate,
                        }),
                        None => self.fault(Fault::Ghost, format!("an ack of {key:?}, never sent")),
                    }
                }
                Op::Refusal {
                    client,
                    link,
                    room,
                    cid,
                } => {
                    let key = (&**room, &*history.clients[*client], &**cid);
                    if let Some(at) = self.by_key.get(&key) {
                        self.messages[*at].refusals.push(*link);
                    }
                }
                Op::Unsure {
                    client,
                    link,
                    room,
                    cid,
                } => {
                    let key = (&**room, &*history.clients[*client], &**cid);
                    if let Some(at) = self.by_key.get(&key) {
                        self.messages[*at].unsure.push(*link);
                    }
                }
                Op::Recv { .. } | Op::Mark { .. } | Op::Marked { .. } | Op::Banned { .. } => {}
            }
        }
    }

    /// C2, C3, C4, C7: the logs themselves.
    fn logs(&mut self) {
        let history = self.history;
        for (name, room) in &history.rooms {
            let views: Vec<&View> = history.views.iter().filter(|v| v.room == *name).collect();
            for view in &views {
                if view.epoch != room.epoch {
                    self.fault(Fault::Divergence, format!("{name} has another epoch"));
                }
                if view.lines != views[0].lines {
                    self.fault(Fault::Divergence, format!("{name} reads differently"));
                }
            }
            // A group is read by its owner.
            let readers = if room.changes { 1 } else { room.members.len() };
            if views.len() < readers {
                self.fault(Fault::Unseen, format!("{name} can't be read by all"));
            }
            let (mut ids, mut cids) = (BTreeSet::new(), BTreeSet::new());
            for (line, expected) in self.log(name).iter().zip(1..) {
                self.report.stored += 1;
                if line.seq != expected {
                    let seq = line.seq;
                    self.fault(Fault::Gap, format!("{name} {seq} stands at {expected}"));
                }
                if !ids.insert(&line.id) || !cids.insert((&line.author, &line.cid)) {
                    self.fault(Fault::Duplicated, format!("{name} {line:?}"));
                }
                if line.change.is_some() {
                    continue;
                }
                if !self.may_write(name, &line.author, line.seq) {
                    self.fault(Fault::Leak, format!("{name} {line:?}"));
                }
                let key: Key<'_> = (name, &line.author, &line.cid);
                match self.by_key.get(&key).map(|at| &self.messages[*at]) {
                    None => self.fault(Fault::Ghost, format!("{name} {line:?}: nobody sent it")),
                    Some(message) if message.text != line.text => {
                        self.fault(Fault::Divergence, format!("{name} {line:?}: another text"));
                    }
                    Some(_) => {}
                }
            }
        }
    }

    /// C1, C2, C8, and of C5 that what was acked before another was sent has the lower number.
    fn outcomes(&mut self) {
        let stored: HashMap<Key<'a>, &Line> = self.stored();
        let mut found = Vec::new();
        for message in &self.messages {
            let key = message.key;
            let line = stored.get(&key);
            let all_refused =
                message.refusals.len() == message.attempts.len() || self.must_be_refused(message);
            let report = &mut self.report;
            report.messages += 1;
            report.acked += usize::from(!message.acks.is_empty());
            let answers = message.acks.len() + message.refusals.len();
            report.unknown += message.attempts.len().saturating_sub(answers);
            report.recovered += message.acks.iter().filter(|ack| ack.duplicate).count();
            if message.acks.is_empty() && !message.refusals.is_empty() {
                report.refused += 1;
            } else if message.acks.is_empty() {
                report.abandoned += 1;
                report.abandoned_stored += usize::from(line.is_some());
            }
            if all_refused && line.is_some() {
                found.push((Fault::Ghost, format!("{key:?} was refused and is there")));
            }
            for ack in &message.acks {
                let Answered { id, seq, .. } = ack;
                match line {
                    None => found.push((Fault::Lost, format!("{key:?} was acked as {seq}"))),
                    Some(line) if line.seq != *seq || line.id != *id => found.push((
                        Fault::Divergence,
                        format!("{key:?} was acked as {seq} {id}, and is {line:?}"),
                    )),
                    Some(_) => {}
                }
                let first = &message.acks[0];
                if first.id != *id || first.seq != *seq {
                    found.push((Fault::Duplicated, format!("{key:?} has two numbers")));
                }
            }
            if let Some(line) = line
                && line.seq <= message.floor
            {
                let floor = message.floor;
                found.push((
                    Fault::Order,
                    format!("{key:?} is {}, sent after the ack of {floor}", line.seq),
                ));
            }
        }
        self.report.faults.extend(found);
    }

    fn must_be_refused(&self, message: &Message<'_>) -> bool {
        let word = &self.history.refused_word;
        message.text.split(' ').any(|one| one == word)
    }

    fn stored(&self) -> HashMap<Key<'a>, &'a Line> {
        let rooms = self.history.rooms.keys();
        let lines = rooms.flat_map(|room| self.log(room).iter().map(move |line| (room, line)));
        lines
            .map(|(room, line)| ((&**room, &*line.author, &*line.cid), line))
            .collect()
    }

    /// C5: what a client sends without waiting keeps its order, in the log and through a crash:
    /// of each connection a prefix is stored. What came back with an error has lost its place.
    fn pipelines(&mut self) {
        let stored = self.stored();
        let mut found = Vec::new();
        let mut last: HashMap<(Client, &str), u64> = HashMap::new();
        let mut links: BTreeMap<(Client, u32), Vec<&Message<'_>>> = BTreeMap::new();
        for message in &self.messages {
            if let Some(line) = stored.get(&message.key) {
                let last = last.entry((message.client, message.key.0)).or_default();
                if line.seq < *last {
                    let key = message.key;
                    found.push((
                        Fault::Order,
                        format!("{key:?} is {}, sent after {last}", line.seq),
                    ));
                }
                // Given up on a link that was left, it may come at any time.
                let kept = self.history.links_are_final || !message.acks.is_empty();
                if kept && message.refusals.is_empty() && message.unsure.is_empty() {
                    *last = (*last).max(line.seq);
                }
            }
            for link in &message.attempts {
                links
                    .entry((message.client, *link))
                    .or_default()
                    .push(message);
            }
        }
        for ((_, link), attempts) in links {
            let mut hole = None;
            for message in attempts {
                let present = stored.contains_key(&message.key);
                let mut failures = message.refusals.iter().chain(&message.unsure);
                // In a group the sender may have been no member then, and the refusal lost.
                let refused = failures.any(|failed| *failed <= link)
                    || self.must_be_refused(message)
                    || self.seats.contains_key(message.key.0);
                if message.missing_after(link, present, self.history.links_are_final) && !refused {
                    hole = hole.or(Some(message.key));
                } else if let Some(hole) = hole
                    && message.stored_by(link, present)
                {
                    let key = message.key;
                    found.push((
                        Fault::Order,
                        format!("{key:?} was stored and {hole:?}, sent before it, was not"),
                    ));
                }
            }
        }
        self.report.faults.extend(found);
    }

    /// C4, C6, C7: what each client received.
    fn deliveries(&mut self) {
        let history = self.history;
        let mut seen: HashMap<(Client, &str), BTreeSet<u64>> = HashMap::new();
        for op in &history.ops {
            let Op::Recv {
                client, room, line, ..
            } = op
            else {
                continue;
            };
            self.report.received += 1;
            let (user, seq) = (&history.clients[*client], line.seq);
            if !self.may_see(room, user, seq) {
                self.fault(Fault::Leak, format!("{user} received {room} {seq}"));
            }
            let seen = seen.entry((*client, room)).or_default();
            let newest = seen.last().copied();
            if !seen.insert(seq) {
                self.fault(
                    Fault::Duplicated,
                    format!("client {client} received {room} {seq} again"),
                );
            } else if newest.is_some_and(|newest| seq < newest) {
                self.fault(
                    Fault::Order,
                    format!("client {client} received {room} {seq} after {newest:?}"),
                );
            }
            let log = self.log(room);
            let stored = usize::try_from(seq).ok().and_then(|seq| seq.checked_sub(1));
            if stored.and_then(|at| log.get(at)) != Some(line) {
                self.fault(
                    Fault::Divergence,
                    format!("client {client} received {room} {line:?}, which is not in the log"),
                );
            }
        }
        for (client, user) in history.clients.iter().enumerate() {
            for (name, room) in &history.rooms {
                if room.changes || !room.members.contains(user) {
                    continue;
                }
                let seen = seen.get(&(client, name.as_str()));
                let log = self.log(name);
                let missing: Vec<u64> = log
                    .iter()
                    .map(|line| line.seq)
                    .filter(|seq| seen.is_none_or(|seen| !seen.contains(seq)))
                    .collect();
                if !missing.is_empty() {
                    let many = missing.len();
                    let first = missing[0];
                    self.fault(
                        Fault::Unseen,
                        format!("client {client}: {many} of {name}, the first is {first}"),
                    );
                }
            }
        }
    }

    /// C4 and C7 for groups: a client receives each membership of its user from the beginning and without a
    /// hole; the present one as far as the log goes, one that has ended maybe not to its end. The entry that
    /// ended it may be the first that comes on a connection, for the user may not read those before it then; and
    /// a user who is banned is sent nothing between the ban and the entry that ends the membership.
    fn stays(&mut self) {
        let mut seen: HashMap<(Client, &str), BTreeMap<u64, u32>> = HashMap::new();
        for op in &self.history.ops {
            if let Op::Recv {
                client,
                link,
                room,
                line,
            } = op
            {
                let seen = seen.entry((*client, room)).or_default();
                seen.entry(line.seq).or_insert(*link);
            }
        }
        let (mut found, nothing) = (Vec::new(), BTreeMap::new());
        for (room, seats) in &self.seats {
            let head = self.log(room).last().map_or(0, |line| line.seq);
            for (client, user) in self.history.clients.iter().enumerate() {
                let seen = seen.get(&(client, room)).unwrap_or(&nothing);
                for stay in seats.stays(user) {
                    let wanted = match stay.to {
                        None => head,
                        Some(end) => {
                            let before = seen.range(stay.from..end).last();
                            let (before, link) = before.unzip();
                            match seen.get(&end) {
                                Some(same) if link == Some(same) && !stay.banned => end,
                                _ => before.copied().unwrap_or(0),
                            }
                        }
                    };
                    let first = (stay.from..=wanted).find(|seq| !seen.contains_key(seq));
                    if let Some(first) = first {
                        let (before, after) = (seen.range(..first).last(), seen.range(first..));
                        let (before, after) = (before, after.take(3).collect::<Vec<_>>());
                        let what = format!(
                            "client {client}: of {room} {stay:?}, {first}; by number and link, it \
                             received {before:?} and then {after:?}"
                        );
                        found.push((Fault::Unseen, what));
                    }
                }
            }
        }
        self.report.faults.extend(found);
    }

    /// C7 for groups: nothing is acked of what a user begins to send between the answer to a ban and its end.
    fn bans(&mut self) {
        let history = self.history;
        let mut banned: BTreeSet<(&str, &str)> = BTreeSet::new();
        let mut begun: HashMap<Key<'_>, bool> = HashMap::new();
        let mut found = Vec::new();
        for op in &history.ops {
            match op {
                Op::Banned {
                    room,
                    user,
                    banned: true,
                } => drop(banned.insert((room, user))),
                Op::Banned { room, user, .. } => drop(banned.remove(&(&**room, &**user))),
                Op::Send {
                    client, room, cid, ..
                } => {
                    let user = &*history.clients[*client];
                    let is_banned = banned.contains(&(&**room, user));
                    begun.entry((room, user, cid)).or_insert(is_banned);
                }
                Op::Ack {
                    client, room, cid, ..
                } => {
                    let user = &*history.clients[*client];
                    let is_banned = banned.contains(&(&**room, user));
                    let key: Key<'_> = (room, user, cid);
                    if is_banned && begun.get(&key) == Some(&true) {
                        found.push((Fault::Leak, format!("{key:?}, by a user who is banned")));
                    }
                }
                _ => {}
            }
        }
        self.report.faults.extend(found);
    }

    /// C10: watermarks never go back, and only their user moves them.
    fn receipts(&mut self) {
        let history = self.history;
        // How far a user may be, having asked for it or spoken; where they were told they are.
        let mut allowed: HashMap<(&str, &str), u64> = HashMap::new();
        let mut promised: HashMap<(&str, &str), Marks> = HashMap::new();
        let mut told: HashMap<(Client, &str, &str), Marks> = HashMap::new();
        for (name, line) in history
            .views
            .iter()
            .flat_map(|view| view.lines.iter().map(|line| (&view.room, line)))
        {
            let allowed = allowed.entry((name, &line.author)).or_default();
            *allowed = (*allowed).max(line.seq);
        }
        for op in &history.ops {
            if let Op::Mark { client, room, upto } = op {
                let user = &history.clients[*client];
                let allowed = allowed.entry((room, user)).or_default();
                *allowed = (*allowed).max(*upto);
            }
        }
        let beyond = |room: &str, user: &str, marks: Marks| {
            let allowed = allowed.get(&(room, user)).copied().unwrap_or(0);
            let head = self.log(room).last().map_or(0, |line| line.seq);
            marks.read > marks.delivered || marks.delivered > allowed.min(head)
        };
        let behind =
            |one: Marks, other: Marks| one.delivered < other.delivered || one.read < other.read;
        let mut found = Vec::new();
        for op in &history.ops {
            let Op::Marked {
                client,
                room,
                user,
                marks,
                own,
            } = op
            else {
                continue;
            };
            let what = || format!("client {client}: {user} is at {marks:?} in {room}");
            if !self.is_member(room, &history.clients[*client]) {
                found.push((Fault::Leak, what()));
            }
            if beyond(room, user, *marks) {
                found.push((Fault::Receipt, what() + ", where they never put it"));
            }
            if *own {
                // Another device may have moved it on before this answer arrives.
                let promised = promised.entry((room, user)).or_default();
                promised.delivered = promised.delivered.max(marks.delivered);
                promised.read = promised.read.max(marks.read);
                continue;
            }
            let before = told.entry((*client, room, user)).or_default();
            if behind(*marks, *before) {
                found.push((Fault::Receipt, what() + &format!(", and was at {before:?}")));
            }
            *before = *marks;
        }
        for view in &history.views {
            for (user, marks) in &view.marks {
                let what = || format!("at the end {user} is at {marks:?} in {}", view.room);
                if beyond(&view.room, user, *marks) {
                    found.push((Fault::Receipt, what() + ", where they never put it"));
                }
                let promised = promised.get(&(&*view.room, &**user));
                if promised.is_some_and(|promised| behind(*marks, *promised)) {
                    found.push((
                        Fault::Receipt,
                        what() + &format!(" instead of {promised:?}"),
                    ));
                }
            }
        }
        self.report.faults.extend(found);
    }
}
