//! The rooms that this node has in use.

use std::{
    collections::{HashMap, HashSet},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, RwLock,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
};

use super::flights::Flights;
use crate::model::{Effect, EntryBody, Epoch, Member, Role, Room, RoomId, Seq, UserId, Watermarks};

/// A room that somebody uses now.
#[derive(Debug)]
pub(crate) struct LiveRoom {
    pub(crate) id: RoomId,
    pub(crate) epoch: Epoch,
    /// The newest entry before this node took the room into use.
    pub(crate) since: Seq,
    /// The newest entry that the sessions of this node have been sent, or had when they came.
    published: AtomicU64,
    /// In ascending order of their names.
    members: RwLock<Arc<[Member]>>,
    /// The watermarks of members as the sessions of this node were last sent them.
    announced: Mutex<HashMap<UserId, Watermarks>>,
    pub(crate) flights: Flights,
    used: AtomicBool,
}

impl LiveRoom {
    pub(crate) fn published(&self) -> Seq {
        Seq(self.published.load(Ordering::Acquire))
    }

    /// Only the sequencer calls this, so entries of a room are published one after the other.
    pub(crate) fn set_published(&self, seq: Seq) {
        self.published.store(seq.0, Ordering::Release);
    }

    /// Goes on from `head` with these members, where no session was to be sent what is in between.
    pub(crate) fn skip_to(&self, head: Seq, members: Vec<Member>) {
        *self.members.write().unwrap_or_else(PoisonError::into_inner) = members.into();
        self.set_published(head);
    }

    pub(crate) fn members(&self) -> Arc<[Member]> {
        Arc::clone(&self.members.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// The role of a member; `None` for a user who is none.
    pub(crate) fn role(&self, user: &UserId) -> Option<Role> {
        let members = self.members();
        let at = members.binary_search_by(|member| member.user.cmp(user));
        at.ok().map(|at| members[at].role)
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

    /// Applies to the members what an entry changes about them.
    pub(crate) fn apply(&self, body: &EntryBody) {
        let change = |edit: &dyn Fn(&mut Vec<Member>)| {
            let mut members = self.members.write().unwrap_or_else(PoisonError::into_inner);
            let mut list = members.to_vec();
            edit(&mut list);
            *members = list.into();
        };
        match body.effect() {
            Effect::Admit { user, role } | Effect::Assign { user, role } => change(&|list| {
                let at = list.binary_search_by(|member| member.user.cmp(user));
                let at = at.unwrap_or_else(|at| {
                    let user = user.clone();
                    list.insert(at, Member { user, role });
                    at
                });
                list[at].role = role;
            }),
            Effect::Dismiss { user } => change(&|list| list.retain(|it| it.user != *user)),
            Effect::None | Effect::Replace { .. } | Effect::Erase { .. } => {}
        }
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
        rooms.retain(|_, room| room.members().iter().any(|it| such(&it.user)));
        rooms
    }

    /// Keeps a room; the one that is kept already stays. Rooms that are forgotten for it were not used
    /// lately, and none of their members `is_here`.
    pub(crate) fn insert(
        &self,
        room: &Room,
        published: Seq,
        members: Vec<Member>,
        is_here: impl Fn(&UserId) -> bool,
    ) -> Arc<LiveRoom> {
        let mut kept = self.kept();
        if kept.rooms.len() >= kept.clear_at.max(ROOMS_KEPT) {
            kept.rooms.retain(|_, room| {
                // What was published to sessions of this node must not be forgotten.
                Arc::strong_count(room) > 1
                    || room.used.swap(false, Ordering::Relaxed)
                    || room.members().iter().any(|it| is_here(&it.user))
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
                epoch: room.epoch,
                since: published,
                published: AtomicU64::new(published.0),
                members: RwLock::new(members.into()),
                announced: Mutex::default(),
                flights: Flights::default(),
                used: AtomicBool::new(true),
            })
        });
        Arc::clone(room)
    }
}
