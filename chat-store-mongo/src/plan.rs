//! The plan for a batch of entries, worked out in memory from the state of the store.

use std::{
    collections::{BTreeMap, HashMap},
    convert::Infallible,
    sync::Arc,
};

use chat_core::{
    ClientMessageId, Effect, Entry, NewEntry, Role, Room, RoomId, Seq, UserId,
    port::{AppendError, Appended, BackendError, BackendErrorKind, Outcome, Retry},
};

use crate::{
    details_doc::DetailsDoc,
    doc::EntryDoc,
    error::{Answer, BACKEND},
};

/// The known state of a room: its newest number, and the entries that have been read.
#[derive(Debug)]
struct Known {
    head: Seq,
    /// The room, with its details and the number of its members, if an entry [asks](asks_room) for it.
    room: Option<Room>,
    entries: BTreeMap<Seq, Arc<Entry>>,
    by_client_id: HashMap<(UserId, ClientMessageId), Seq>,
    /// The roles of the members that have been read.
    roles: HashMap<UserId, Role>,
    /// True if there is a block between the two users of a direct room.
    blocked: bool,
}

/// The plan for one entry.
#[derive(Debug)]
pub(crate) enum Step {
    /// The entry needs no write; this is the answer.
    Answer(Answer),
    /// The entry is stored as this document, and then answered so.
    Store(Box<EntryDoc>, Appended),
}

/// The plan so far, by room.
#[derive(Debug)]
pub(crate) struct Plan(HashMap<RoomId, Known>);

impl Plan {
    /// Creates a plan from the heads of all rooms concerned that exist.
    pub(crate) fn new(heads: HashMap<RoomId, Seq>) -> Self {
        let known = |head| Known {
            head,
            room: None,
            entries: BTreeMap::new(),
            by_client_id: HashMap::new(),
            roles: HashMap::new(),
            blocked: false,
        };
        let rooms = heads.into_iter().map(|(room, head)| (room, known(head)));
        Self(rooms.collect())
    }

    /// Adds an entry that the store already has.
    pub(crate) fn know(&mut self, entry: Entry) {
        if let Some(room) = self.0.get_mut(&entry.room) {
            room.know(Arc::new(entry));
        }
    }

    /// Adds a member of a room.
    pub(crate) fn know_member(&mut self, room: &RoomId, user: UserId, role: Role) {
        if let Some(room) = self.0.get_mut(room) {
            room.roles.insert(user, role);
        }
    }

    /// Adds a block between the two users of this room.
    pub(crate) fn know_block(&mut self, room: &RoomId) {
        if let Some(room) = self.0.get_mut(room) {
            room.blocked = true;
        }
    }

    /// Adds a room as the store has it.
    pub(crate) fn know_room(&mut self, room: Room) {
        if let Some(known) = self.0.get_mut(&room.id) {
            known.room = Some(room);
        }
    }

    /// Plans the next entry of the batch.
    pub(crate) fn next(&mut self, new: NewEntry) -> Step {
        match self.0.get_mut(&new.room) {
            Some(room) => room.next(new),
            None => Step::Answer(Err(AppendError::NoRoom)),
        }
    }
}

/// True if the plan for an entry depends on the room, or changes it.
pub(crate) fn asks_room(new: &NewEntry) -> bool {
    let changes = match new.body.effect() {
        Effect::Admit { .. } | Effect::Dismiss { .. } | Effect::Describe { .. } => true,
        Effect::None | Effect::Replace { .. } | Effect::Erase { .. } | Effect::Assign { .. } => {
            false
        }
    };
    changes || new.asks_roles()
}

impl Known {
    fn know(&mut self, entry: Arc<Entry>) {
        let key = (entry.author.clone(), entry.client_id.clone());
        self.by_client_id.insert(key, entry.seq);
        self.entries.insert(entry.seq, entry);
    }

    fn next(&mut self, new: NewEntry) -> Step {
        // This comes before the check of the target: the retry of a deletion finds its target
        // deleted.
        let key = (new.author.clone(), new.client_id.clone());
        let first = self.by_client_id.get(&key);
        if let Some(entry) = first.and_then(|seq| self.entries.get(seq)) {
            return Step::Answer(Ok(Appended {
                entry: Arc::clone(entry),
                outcome: Outcome::Duplicate,
            }));
        }
        if self.blocked && new.unblocked_with().is_some() {
            return Step::Answer(Err(AppendError::Blocked));
        }
        let effect = new.body.effect();
        let target = effect.target().and_then(|seq| self.entries.get(&seq));
        let about = effect.membership();
        let was_member = about.is_some_and(|(user, _)| self.roles.contains_key(user));
        if asks_room(&new) {
            let Some(room) = &self.room else {
                return Step::Answer(Err(AppendError::NoRoom));
            };
            let Ok(allowed) = new.is_allowed(
                room,
                target.map(|entry| &**entry),
                |user| Ok::<_, Infallible>(self.roles.get(user).copied()),
                |user| {
                    let mut members = self.roles.iter();
                    Ok(members.any(|(other, role)| other != user && *role == Role::Owner))
                },
            );
            if !allowed {
                return Step::Answer(Err(AppendError::NotAllowed));
            }
            if new.overfills(room, was_member) {
                return Step::Answer(Err(AppendError::Full));
            }
        }
        if let Some(seq) = effect.target() {
            let reached = target.is_some_and(|target| new.reaches(target));
            let from_target = self.entries.range_mut(seq..).map(|(_, entry)| entry);
            if !(reached && effect.change(&new.author, new.at, from_target)) {
                return Step::Answer(Err(AppendError::NoTarget));
            }
        }
        match about {
            Some((user, Some(role))) => drop(self.roles.insert(user.clone(), role)),
            Some((user, None)) => drop(self.roles.remove(user)),
            None => {}
        }
        let seq = self.head.next();
        let mut doc = EntryDoc::of(&new, seq);
        if let Some(room) = &mut self.room {
            let (details, members) = effect.room_after(&room.details, room.members, was_member);
            if members != room.members {
                doc.members = Some(i64::try_from(members).unwrap_or(i64::MAX));
            }
            if details != room.details {
                doc.details = Some(DetailsDoc::of(&details));
            }
            (room.details, room.members) = (details, members);
        }
        if let Effect::Admit { .. } = effect {
            doc.joins = (!was_member).then_some(true);
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
}

/// Logs the reason why an entry can't be stored, and returns the error.
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
