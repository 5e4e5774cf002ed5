//! The rooms that this node has in use.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
};

use super::{flights::Flights, hidden::Hidden};
use crate::model::{
    Details, Effect, Entry, Epoch, History, Member, Role, Room, RoomId, RoomKind, Seq, Settings,
    UserId, Watermarks,
};

/// In a room with more members than this, receipts, typing and presence are not sent to all: clients ask.
///
/// With them, a room of n members costs n events for each of n members.
pub(crate) const LARGE_ABOVE: usize = 100;

/// The facts about a member that the engine keeps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Seat {
    pub(crate) role: Role,
    /// The entry by which the member joined; 0 for a first member.
    pub(crate) joined: Seq,
}

impl From<&Member> for Seat {
    fn from(member: &Member) -> Self {
        Self {
            role: member.role,
            joined: member.joined_seq,
        }
    }
}

/// A room that somebody uses now.
#[derive(Debug)]
pub(crate) struct LiveRoom {
    pub(crate) id: RoomId,
    pub(crate) kind: RoomKind,
    pub(crate) epoch: Epoch,
    /// The newest entry before this node took the room into use.
    pub(crate) since: Seq,
    /// The newest entry that the sessions of this node have been sent, or had when they came.
    published: AtomicU64,
    state: RwLock<State>,
    /// The watermarks of members as the sessions of this node were last sent them.
    announced: Mutex<HashMap<UserId, Watermarks>>,
    pub(crate) hidden: Hidden,
    pub(crate) flights: Flights,
    used: AtomicBool,
}

/// The state of a room after the entries so far.
#[derive(Debug)]
struct State {
    details: Details,
    members: BTreeMap<UserId, Seat>,
}

impl State {
    fn new(details: &Details, members: &[Member]) -> Self {
        let seat = |member: &Member| (member.user.clone(), member.into());
        Self {
            details: details.clone(),
            members: members.iter().map(seat).collect(),
        }
    }
}

impl LiveRoom {
    fn state(&self) -> RwLockReadGuard<'_, State> {
        self.state.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn state_mut(&self) -> RwLockWriteGuard<'_, State> {
        self.state.write().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn published(&self) -> Seq {
        Seq(self.published.load(Ordering::Acquire))
    }

    /// Only the sequencer calls this, so entries of a room are published one after the other.
    pub(crate) fn set_published(&self, seq: Seq) {
        self.published.store(seq.0, Ordering::Release);
    }

    /// Goes on as the store has the room, where no session was to be sent what is in between.
    pub(crate) fn skip_to(&self, room: &Room, members: &[Member]) {
        *self.state_mut() = State::new(&room.details, members);
        self.set_published(room.head);
    }

    /// Calls `visit` for each member, in ascending order of their names, under the lock of the members.
    pub(crate) fn each_member(&self, mut visit: impl FnMut(&UserId)) {
        for user in self.state().members.keys() {
            visit(user);
        }
    }

    /// As [`each_member`](Self::each_member), with the first entry that the member may read.
    pub(crate) fn each_reader(&self, mut visit: impl FnMut(&UserId, Seq)) {
        let state = self.state();
        let settings = state.details.settings.unwrap_or_default();
        for (user, seat) in &state.members {
            visit(user, first_readable(self.kind, settings, *seat));
        }
    }

    /// The first member, by name, who is such; found under the lock of the members.
    pub(crate) fn find_member(&self, such: impl Fn(&UserId) -> bool) -> Option<UserId> {
        let state = self.state();
        state.members.keys().find(|user| such(user)).cloned()
    }

    /// True if there is such a member.
    pub(crate) fn has_member(&self, such: impl Fn(&UserId) -> bool) -> bool {
        self.state().members.keys().any(such)
    }

    /// The first members by name, at most `limit`.
    pub(crate) fn members(&self, limit: usize) -> Vec<UserId> {
        self.state().members.keys().take(limit).cloned().collect()
    }

    /// True if the room has so many members that not all of them are sent what is no entry.
    pub(crate) fn is_large(&self) -> bool {
        self.state().members.len() > LARGE_ABOVE
    }

    /// True if the room is archived, as far as this node has followed it.
    pub(crate) fn is_archived(&self) -> bool {
        self.state().details.archived
    }

    /// The seat of a member; `None` for a user who is none.
    pub(crate) fn seat(&self, user: &UserId) -> Option<Seat> {
        self.state().members.get(user).copied()
    }

    /// The settings; the defaults in a direct room.
    pub(crate) fn settings(&self) -> Settings {
        self.state().details.settings.unwrap_or_default()
    }

    /// Locked while a receipt is sent, so that the watermarks that sessions see never go back.
    pub(crate) fn announced(&self) -> MutexGuard<'_, HashMap<UserId, Watermarks>> {
        self.announced
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// How far a member had got as the sessions of this node know it: as they were last sent it, or else
    /// what the room held before this node used it.
    pub(crate) fn announced_of(&self, user: &UserId) -> Watermarks {
        let start = Watermarks {
            delivered: self.since,
            read: self.since,
        };
        self.announced().get(user).copied().unwrap_or(start)
    }

    /// Applies what an entry changes about the room and its members.
    pub(crate) fn apply(&self, entry: &Entry) {
        match entry.body.effect() {
            Effect::Admit { user, role } | Effect::Assign { user, role } => {
                let seat = Seat {
                    role,
                    joined: entry.seq,
                };
                let mut state = self.state_mut();
                let seats = state.members.entry(user.clone());
                seats.and_modify(|seat| seat.role = role).or_insert(seat);
            }
            Effect::Dismiss { user } => {
                let mut state = self.state_mut();
                state.members.remove(user);
                state.details.archived |= state.members.is_empty();
            }
            Effect::Describe { change } => {
                let mut state = self.state_mut();
                state.details = state.details.changed(change);
            }
            Effect::None | Effect::Replace { .. } | Effect::Erase { .. } => {}
        }
    }
}

/// The first entry of a room that a member may read, under these settings.
pub(crate) fn first_readable(kind: RoomKind, settings: Settings, seat: Seat) -> Seq {
    match settings.history {
        History::Joined if kind != RoomKind::Direct => seat.joined,
        _ => Seq::ZERO,
    }
}

/// The rooms in use, by id: a memory of what the store says of them, in proportion to the members
/// who are connected.
#[derive(Debug, Default)]
pub(crate) struct Rooms(Mutex<Kept>);

#[derive(Debug, Default)]
struct Kept {
    rooms: HashMap<RoomId, Arc<LiveRoom>>,
    /// Which of these are groups: far fewer, where most rooms are direct.
    groups: HashSet<RoomId>,
    /// At this number, rooms that were not used since the last clearing are forgotten.
    clear_at: usize,
}

/// Up to this number no room is forgotten.
const ROOMS_KEPT: usize = 65_536;

impl Rooms {
    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn get(&self, id: &RoomId) -> Option<Arc<LiveRoom>> {
        let kept = self.kept();
        let room = kept.rooms.get(id)?;
        room.used.store(true, Ordering::Relaxed);
        Some(Arc::clone(room))
    }

    /// Forgets a room that is deleted.
    pub(crate) fn remove(&self, id: &RoomId) {
        let mut kept = self.kept();
        kept.rooms.remove(id);
        kept.groups.remove(id);
    }

    pub(crate) fn count(&self) -> usize {
        self.kept().rooms.len()
    }

    /// All rooms in use.
    pub(crate) fn all(&self) -> Vec<Arc<LiveRoom>> {
        self.kept().rooms.values().cloned().collect()
    }

    /// Group rooms with such a member, as far as this node knows.
    pub(crate) fn groups_with(
        &self,
        such: impl Fn(&UserId) -> bool,
    ) -> HashMap<RoomId, Arc<LiveRoom>> {
        let groups = self.kept().groups.clone();
        let mut rooms: HashMap<_, _> = groups
            .into_iter()
            .filter_map(|id| Some((id.clone(), self.get(&id)?)))
            .collect();
        rooms.retain(|_, room| room.has_member(&such));
        rooms
    }

    /// Keeps a room; the one that is kept already stays. Rooms that are forgotten for it were not used
    /// lately, and none of their members `is_here`.
    pub(crate) fn insert(
        &self,
        room: &Room,
        published: Seq,
        members: &[Member],
        is_here: impl Fn(&UserId) -> bool,
    ) -> Arc<LiveRoom> {
        let mut kept = self.kept();
        if kept.rooms.len() >= kept.clear_at.max(ROOMS_KEPT) {
            kept.rooms.retain(|_, room| {
                // What was published to sessions of this node must not be forgotten.
                Arc::strong_count(room) > 1
                    || room.used.swap(false, Ordering::Relaxed)
                    || room.has_member(&is_here)
            });
            let Kept { rooms, groups, .. } = &mut *kept;
            groups.retain(|id| rooms.contains_key(id));
            // So that clearing costs little for each room, however many have to stay.
            kept.clear_at = 2 * kept.rooms.len();
        }
        if room.id.pair().is_none() {
            kept.groups.insert(room.id.clone());
        }
        let room = kept.rooms.entry(room.id.clone()).or_insert_with(|| {
            Arc::new(LiveRoom {
                id: room.id.clone(),
                kind: room.kind,
                epoch: room.epoch,
                since: published,
                published: AtomicU64::new(published.0),
                state: RwLock::new(State::new(&room.details, members)),
                announced: Mutex::default(),
                hidden: Hidden::default(),
                flights: Flights::default(),
                used: AtomicBool::new(true),
            })
        });
        Arc::clone(room)
    }
}
