//! Rooms in use, and the one place that says who may enter them.

use std::{
    collections::{HashMap, HashSet},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, RwLock,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
};

use super::{Shared, follow, reading::Reading};
use crate::{
    body::{Effect, EntryBody},
    error::Error,
    hub::Hub,
    ids::{Epoch, RoomId, UserId},
    log::Seq,
    port::{BackendError, Created},
    receipt::Watermarks,
    room::{NewRoom, Room},
};

/// A room that somebody uses now.
#[derive(Debug)]
pub(crate) struct LiveRoom {
    pub(crate) id: RoomId,
    pub(crate) epoch: Epoch,
    /// The newest entry before this node took the room into use.
    pub(crate) since: Seq,
    /// The newest entry that the sessions of this node have been sent, or had when they came.
    published: AtomicU64,
    members: RwLock<Arc<[UserId]>>,
    /// How far members were last said to have got.
    told: Mutex<HashMap<UserId, Watermarks>>,
    pub(crate) reading: Reading,
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

    /// Goes on from `head` with these members, where nobody was to be sent what is in between.
    pub(crate) fn skip_to(&self, head: Seq, members: Vec<UserId>) {
        *self.members.write().unwrap_or_else(PoisonError::into_inner) = members.into();
        self.set_published(head);
    }

    pub(crate) fn members(&self) -> Arc<[UserId]> {
        Arc::clone(&self.members.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Locked while a receipt is told, so that what is told of a member never goes back.
    pub(crate) fn told(&self) -> MutexGuard<'_, HashMap<UserId, Watermarks>> {
        self.told.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Follows what an entry says of the members.
    pub(crate) fn apply(&self, body: &EntryBody) {
        let change = |edit: &dyn Fn(&mut Vec<UserId>)| {
            let mut members = self.members.write().unwrap_or_else(PoisonError::into_inner);
            let mut list = members.to_vec();
            edit(&mut list);
            *members = list.into();
        };
        match body.effect() {
            Effect::Admit { user } => change(&|list| {
                if let Err(at) = list.binary_search(user) {
                    list.insert(at, user.clone());
                }
            }),
            Effect::Dismiss { user } => change(&|list| list.retain(|member| member != user)),
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

    /// All that are in use.
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
        rooms.retain(|_, room| room.members().iter().any(&such));
        rooms
    }

    fn insert(
        &self,
        room: &Room,
        published: Seq,
        members: Vec<UserId>,
        hub: &Hub,
    ) -> Arc<LiveRoom> {
        let mut kept = self.kept();
        if kept.rooms.len() >= kept.clear_at.max(ROOMS_KEPT) {
            kept.rooms.retain(|_, room| {
                // What was published to sessions of this node must not be forgotten.
                Arc::strong_count(room) > 1
                    || room.used.swap(false, Ordering::Relaxed)
                    || room.members().iter().any(|member| hub.has(member))
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
                told: Mutex::default(),
                reading: Reading::default(),
                used: AtomicBool::new(true),
            })
        });
        Arc::clone(room)
    }
}

/// What to do about a direct room that doesn't exist yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum IfAbsent {
    Create,
    Refuse,
}

impl Shared {
    /// The room, if `user` may be in it: the one place where permission is asked.
    ///
    /// Members of a room may do everything in it; to all others it doesn't exist.
    pub(crate) async fn enter(
        &self,
        user: &UserId,
        id: &RoomId,
        if_absent: IfAbsent,
    ) -> Result<Arc<LiveRoom>, Error> {
        if id.pair().is_some_and(|pair| !pair.contains(user)) {
            return Err(Error::NoRoom);
        }
        let room = match self.live_room(id).await? {
            Some(room) => room,
            None if if_absent == IfAbsent::Create => {
                let members = id.pair().ok_or(Error::NoRoom)?.to_vec();
                self.charge("room", user, self.config.room_limit.as_ref())
                    .await?;
                self.create_room(id.clone(), members).await?
            }
            None => return Err(Error::NoRoom),
        };
        // Other nodes tell of members who come and go only while somebody listens here.
        let unheard = self.relay.is_some() && id.pair().is_none() && !self.hub.has(user);
        let member = if unheard {
            self.stored(self.store.is_member(id, user).await)?
        } else {
            room.members().binary_search(user).is_ok()
        };
        if member { Ok(room) } else { Err(Error::NoRoom) }
    }

    pub(crate) async fn create_room(
        &self,
        id: RoomId,
        mut members: Vec<UserId>,
    ) -> Result<Arc<LiveRoom>, Error> {
        members.sort();
        members.dedup();
        let room = NewRoom {
            id,
            epoch: Epoch(self.ids.next()),
            members: members.clone(),
            created_at: self.clock.now(),
        };
        match self.stored(self.store.create_room(room).await)? {
            Created::New(room) => Ok(self.rooms.insert(&room, room.head, members, &self.hub)),
            Created::Existing(room) => Ok(self.use_room(&room).await?),
        }
    }

    /// The room with this id as this node knows it, from the store if need be.
    pub(crate) async fn live_room(
        &self,
        id: &RoomId,
    ) -> Result<Option<Arc<LiveRoom>>, BackendError> {
        if let Some(room) = self.rooms.get(id) {
            return Ok(Some(room));
        }
        let Some(room) = self.stored(self.store.room(id).await)? else {
            return Ok(None);
        };
        self.use_room(&room).await.map(Some)
    }

    /// Takes a room into use that somebody asks for, or hears of.
    pub(crate) async fn use_room(&self, room: &Room) -> Result<Arc<LiveRoom>, BackendError> {
        if let Some(room) = self.rooms.get(&room.id) {
            return Ok(room);
        }
        let published = follow::first_position(self, room).await?;
        self.remember_room(room, published).await
    }

    /// Takes a room into use whose entries up to `published` need not be sent to anyone here.
    pub(crate) async fn remember_room(
        &self,
        room: &Room,
        published: Seq,
    ) -> Result<Arc<LiveRoom>, BackendError> {
        if let Some(room) = self.rooms.get(&room.id) {
            return Ok(room);
        }
        let members = self.load_members(&room.id).await?;
        Ok(self.rooms.insert(room, published, members, &self.hub))
    }

    pub(crate) async fn load_members(&self, id: &RoomId) -> Result<Vec<UserId>, BackendError> {
        const PAGE: usize = 1_000;
        if let Some(pair) = id.pair() {
            return Ok(pair.to_vec());
        }
        let mut members: Vec<UserId> = Vec::new();
        loop {
            let page = self.store.members(id, members.last(), PAGE).await;
            let page = self.stored(page)?;
            let done = page.len() < PAGE;
            members.extend(page);
            if done {
                return Ok(members);
            }
        }
    }
}
