//! Ways to break a promise in a history, each of which the checker has to flag.

use std::collections::BTreeMap;

use super::model::{CLIENTS, OUTSIDER, ROOMS, members_among};
use crate::checker::{
    Fault,
    history::{Client, History, Line, Marks, Op},
};

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
pub(crate) type Corruption = fn(&mut History, usize) -> Option<()>;

pub(crate) const CORRUPTIONS: &[(&str, Fault, Corruption)] = &[
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
                line.id.push_str(" again");
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
                lines.retain(|line| line.seq != gone);
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
            // Where links are not final, it may have been stored after the first all the same.
            history.links_are_final.then_some(())?;
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
                change: None,
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
                change: None,
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
    for client in members_among(room) {
        let (room, line) = (room.to_owned(), line.clone());
        history.ops.push(Op::Recv {
            client,
            link: 1,
            room,
            line,
        });
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
