//! What is to be done about some entries, worked out in memory from what the store has now.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

use chat_core::{
    ClientMessageId, Entry, NewEntry, RoomId, Seq, UserId,
    port::{AppendError, Appended, BackendError, BackendErrorKind, Outcome, Retry},
};

use crate::{
    doc::EntryDoc,
    error::{Answer, BACKEND},
};

/// What is known of a room: its newest number, and the entries that have been read.
#[derive(Debug)]
struct Known {
    head: Seq,
    entries: BTreeMap<Seq, Arc<Entry>>,
    by_client_id: HashMap<(UserId, ClientMessageId), Seq>,
}

/// What becomes of an entry.
#[derive(Debug)]
pub(crate) enum Step {
    /// Nothing is to be stored; this is the answer.
    Answer(Answer),
    /// It is to be stored as this; then this is the answer.
    Store(Box<EntryDoc>, Appended),
}

/// The plan so far, by room.
#[derive(Debug)]
pub(crate) struct Plan(HashMap<RoomId, Known>);

impl Plan {
    /// Begins with the heads of all rooms concerned that exist.
    pub(crate) fn new(heads: HashMap<RoomId, Seq>) -> Self {
        let known = |head| Known {
            head,
            entries: BTreeMap::new(),
            by_client_id: HashMap::new(),
        };
        let rooms = heads.into_iter().map(|(room, head)| (room, known(head)));
        Self(rooms.collect())
    }

    /// Adds an entry that the store has.
    pub(crate) fn know(&mut self, entry: Entry) {
        if let Some(room) = self.0.get_mut(&entry.room) {
            room.know(Arc::new(entry));
        }
    }

    /// Goes on with the next entry.
    pub(crate) fn next(&mut self, new: NewEntry) -> Step {
        match self.0.get_mut(&new.room) {
            Some(room) => room.next(new),
            None => Step::Answer(Err(AppendError::NoRoom)),
        }
    }
}

impl Known {
    fn know(&mut self, entry: Arc<Entry>) {
        let key = (entry.author.clone(), entry.client_id.clone());
        self.by_client_id.insert(key, entry.seq);
        self.entries.insert(entry.seq, entry);
    }

    fn next(&mut self, new: NewEntry) -> Step {
        // Before the target is looked at: the retry of a deletion finds its target deleted.
        let key = (new.author.clone(), new.client_id.clone());
        let first = self.by_client_id.get(&key);
        if let Some(entry) = first.and_then(|seq| self.entries.get(seq)) {
            return Step::Answer(Ok(Appended {
                entry: Arc::clone(entry),
                outcome: Outcome::Duplicate,
            }));
        }
        let effect = new.body.effect();
        if let Some(target) = effect.target() {
            let from_target = self.entries.range_mut(target..).map(|(_, entry)| entry);
            if !effect.change(&new.author, new.at, from_target) {
                return Step::Answer(Err(AppendError::NoTarget));
            }
        }
        let seq = self.head.next();
        let doc = EntryDoc::of(&new, seq);
        let entry = Arc::new(new.numbered(seq));
        self.head = seq;
        self.know(Arc::clone(&entry));
        Step::Store(
            Box::new(doc),
            Appended {
                entry,
                outcome: Outcome::Stored,
            },
        )
    }
}

/// An entry that can't be stored, with the reason for the log.
pub(crate) fn refused(reason: &'static str) -> AppendError {
    BackendError::new(
        BACKEND,
        BackendErrorKind::Other,
        Retry::No,
        "append",
        reason,
    )
    .into()
}
