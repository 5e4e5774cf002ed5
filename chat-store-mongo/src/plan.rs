//! What is to be done about some entries, worked out in memory from what the store has now.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

use chat_core::{
    ClientMessageId, Entry, EntryBody, NewEntry, RoomId, Seq, UserId,
    port::{AppendError, Appended, BackendErrorKind, Outcome, Retry},
};

use crate::{
    doc::EntryDoc,
    error::{Answer, backend_error},
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
        let seq = self.head.next();
        let Some(doc) = EntryDoc::of(&new, seq) else {
            return Step::Answer(Err(refused("the store is older than this kind of entry")));
        };
        match &new.body {
            EntryBody::Edit { target, text } => {
                let Some(target) = self.own_message(*target, &new.author) else {
                    return Step::Answer(Err(AppendError::NoTarget));
                };
                target.body = EntryBody::Message {
                    text: Arc::clone(text),
                    edited_at: Some(new.at),
                };
            }
            EntryBody::Delete { target } => {
                let Some(message) = self.own_message(*target, &new.author) else {
                    return Step::Answer(Err(AppendError::NoTarget));
                };
                message.body = EntryBody::Deleted;
                self.delete_edits_of(*target);
            }
            _ => {}
        }
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

    fn own_message(&mut self, seq: Seq, by: &UserId) -> Option<&mut Entry> {
        let entry = self.entries.get_mut(&seq)?;
        let fits = entry.author == *by && matches!(entry.body, EntryBody::Message { .. });
        fits.then(|| Arc::make_mut(entry))
    }

    fn delete_edits_of(&mut self, message: Seq) {
        for entry in self.entries.values_mut() {
            if matches!(entry.body, EntryBody::Edit { target, .. } if target == message) {
                Arc::make_mut(entry).body = EntryBody::Deleted;
            }
        }
    }
}

/// An entry that can't be stored, with the reason for the log.
pub(crate) fn refused(reason: &'static str) -> AppendError {
    backend_error(BackendErrorKind::Other, Retry::No, "append", reason).into()
}
