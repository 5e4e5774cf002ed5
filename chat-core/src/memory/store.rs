//! The store in memory: the simplest implementation of the contracts in `port/store.rs`.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    convert::Infallible,
    ops::Bound,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use async_trait::async_trait;
use chrono::{DateTime, Utc};

use super::{blocks::Blocks, decisions::Decisions};
use crate::{
    model::{
        ClientMessageId, Decision, Effect, Ends, Entry, EntryBody, History, Invite, InviteId, Look,
        Mark, Me, Member, Membership, MessageId, NewDecision, NewEntry, NewRoom, Page,
        ReceiptTimes, Role, Room, RoomId, RoomKind, Seq, UNREAD_CAP, UserId, Version, Watermarks,
    },
    port::{
        AppendError, Appended, BackendError, Change, Created, LogStore, Outcome, PolicyStore,
        ReceiptStore, RoomStore,
    },
    time::{Clock, SystemClock},
};

/// A store that forgets everything when it is dropped; clones share it.
///
/// It keeps every contract except durability through a power cut, and is the reference that other
/// stores are compared with. A call takes one lock at most, and none waits for anything else.
///
/// ```
/// use chat_core::{UserId, memory::MemoryStore, port::RoomStore};
///
/// # tokio::runtime::Builder::new_current_thread().build()?.block_on(async {
/// let store = MemoryStore::default();
/// assert!(store.rooms_of(&UserId::new("alice")?, None, 10).await?.is_empty());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Default)]
pub struct MemoryStore {
    rooms: Arc<Mutex<Rooms>>,
    decisions: Arc<Mutex<Decisions>>,
    /// The user to whom each look belongs.
    pub(super) looks: Arc<Mutex<HashMap<Look, UserId>>>,
    pub(super) invites: Arc<Mutex<BTreeMap<InviteId, Invite>>>,
}

#[derive(Debug, Default, Clone)]
pub(super) struct Rooms {
    pub(super) all: HashMap<RoomId, Log>,
    /// The same memberships as in `all`, by user.
    pub(super) of: HashMap<UserId, BTreeSet<RoomId>>,
    /// Under the same lock, for no entry may follow a block that forbids it.
    pub(super) blocks: Blocks,
}

/// A member as the room keeps them.
#[derive(Debug, Clone)]
pub(super) struct Seat {
    pub(super) me: Me,
    pub(super) joined_at: DateTime<Utc>,
    pub(super) joined_seq: Seq,
    /// The newest entry when the member hid the room.
    pub(super) hidden_at: Option<Seq>,
}

#[derive(Debug, Clone)]
pub(super) struct Log {
    pub(super) room: Room,
    pub(super) members: BTreeMap<UserId, Seat>,
    /// The newest message, or what is left of it.
    pub(super) last_message: Option<Seq>,
    /// The entry `seq` is at the index `seq - 1`.
    pub(super) entries: Vec<Arc<Entry>>,
    by_id: HashMap<MessageId, usize>,
    by_client_id: HashMap<(UserId, ClientMessageId), usize>,
    /// Kept when a member leaves, so that watermarks don't go back when the member returns.
    watermarks: HashMap<UserId, Watermarks>,
    /// The successive watermarks of a direct room's members, each with its time, oldest first.
    moves: HashMap<UserId, Vec<(Watermarks, DateTime<Utc>)>>,
}

impl MemoryStore {
    /// An independent copy of the store.
    #[cfg(any(test, feature = "testing"))]
    pub(crate) fn snapshot(&self) -> Self {
        let rooms = Mutex::new(self.lock().clone());
        let decisions = Mutex::new(self.decisions().clone());
        let invites = self.invites.lock().unwrap_or_else(PoisonError::into_inner);
        Self {
            rooms: Arc::new(rooms),
            decisions: Arc::new(decisions),
            looks: Arc::clone(&self.looks),
            invites: Arc::new(Mutex::new(invites.clone())),
        }
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, Rooms> {
        self.rooms.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn decisions(&self) -> MutexGuard<'_, Decisions> {
        self.decisions
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

impl Rooms {
    /// Makes a user a member, or gives a member another role.
    fn join(&mut self, room: &RoomId, user: &UserId, role: Role, at: DateTime<Utc>, seq: Seq) {
        if let Some(log) = self.all.get_mut(room) {
            let seat = log.members.entry(user.clone()).or_insert_with(|| Seat {
                me: Me::default(),
                joined_at: at,
                joined_seq: seq,
                hidden_at: None,
            });
            seat.me.role = role;
            self.of
                .entry(user.clone())
                .or_default()
                .insert(room.clone());
        }
    }

    fn leave(&mut self, room: &RoomId, user: &UserId) {
        if let Some(log) = self.all.get_mut(room) {
            log.members.remove(user);
        }
        if let Some(rooms) = self.of.get_mut(user) {
            rooms.remove(room);
        }
    }

    fn append(&mut self, new: NewEntry) -> Result<Appended, AppendError> {
        let log = self.all.get_mut(&new.room).ok_or(AppendError::NoRoom)?;
        // This comes before the check of the target: the retry of a deletion finds its target
        // deleted.
        let key = (new.author.clone(), new.client_id.clone());
        if let Some(first) = log.by_client_id.get(&key) {
            return Ok(Appended {
                entry: Arc::clone(&log.entries[*first]),
                outcome: Outcome::Duplicate,
            });
        }
        if let Some(other) = new.unblocked_with()
            && self.blocks.between(&new.author, &other)
        {
            return Err(AppendError::Blocked);
        }
        let effect = new.body.effect();
        let target = effect.target();
        let at_target = target.and_then(|seq| log.from(seq).first().cloned());
        let Ok(allowed) = new.is_allowed(
            &log.room,
            at_target.as_deref(),
            |user| Ok::<_, Infallible>(log.members.get(user).map(|seat| seat.me.role)),
            |user| {
                let mut members = log.members.iter();
                Ok(members.any(|(other, seat)| other != user && seat.me.role == Role::Owner))
            },
        );
        if !allowed {
            return Err(AppendError::NotAllowed);
        }
        let about = effect.membership();
        let was_member = about.is_some_and(|(user, _)| log.members.contains_key(user));
        if new.overfills(&log.room, was_member) {
            return Err(AppendError::Full);
        }
        if let Some(target) = target
            && !(at_target.is_some_and(|it| new.reaches(&it))
                && effect.change(&new.author, new.at, log.from(target)))
        {
            return Err(AppendError::NoTarget);
        }
        let Room {
            details, members, ..
        } = &log.room;
        (log.room.details, log.room.members) = effect.room_after(details, *members, was_member);
        let at = log.entries.len();
        log.room.head = log.room.head.next();
        if matches!(new.body, EntryBody::Message { .. }) {
            log.last_message = Some(log.room.head);
        }
        log.by_id.insert(new.id, at);
        log.by_client_id.insert(key, at);
        let entry = Arc::new(new.numbered(log.room.head));
        log.entries.push(Arc::clone(&entry));
        match entry.body.effect() {
            Effect::Admit { user, role } | Effect::Assign { user, role } => {
                self.join(&entry.room, user, role, entry.at, entry.seq);
            }
            Effect::Dismiss { user } => self.leave(&entry.room, user),
            // The effect was carried out above.
            Effect::None
            | Effect::Replace { .. }
            | Effect::Erase { .. }
            | Effect::Describe { .. } => {}
        }
        Ok(Appended {
            entry,
            outcome: Outcome::Stored,
        })
    }
}

impl Log {
    /// The entries from this number on, for changes.
    fn from(&mut self, seq: Seq) -> &mut [Arc<Entry>] {
        let index = seq.0.checked_sub(1).and_then(|at| usize::try_from(at).ok());
        let entries = index.and_then(|index| self.entries.get_mut(index..));
        entries.unwrap_or_default()
    }

    pub(super) fn page(&self, page: Page, limit: usize) -> &[Arc<Entry>] {
        let range = page.range(self.room.head, limit);
        let index = |number: u64| usize::try_from(number).unwrap_or(usize::MAX);
        let (first, after) = (index(range.start().0 - 1), index(range.end().0));
        self.entries.get(first..after).unwrap_or_default()
    }

    /// The number before which a member reads nothing.
    pub(super) fn first_of(&self, seat: &Seat) -> Seq {
        match self.room.details.settings {
            Some(settings) if settings.history == History::Joined => seat.joined_seq,
            _ => Seq::ZERO,
        }
    }

    /// The member that a user is.
    fn member(&self, user: &UserId, seat: &Seat) -> Member {
        Member {
            user: user.clone(),
            role: seat.me.role,
            joined_at: seat.joined_at,
            joined_seq: seat.joined_seq,
            watermarks: self.watermarks(user),
        }
    }

    pub(super) fn unread(&self, user: &UserId, seat: &Seat) -> u64 {
        let read = self.watermarks(user).read.max(self.first_of(seat));
        let cap = usize::try_from(UNREAD_CAP).unwrap_or(usize::MAX);
        let counts = |entry: &&Arc<Entry>| {
            entry.author != *user && matches!(entry.body, EntryBody::Message { .. })
        };
        self.page(Page::After(read), usize::MAX)
            .iter()
            .filter(counts)
            .take(cap)
            .map(|_| 1)
            .sum()
    }

    pub(super) fn has_receipt_of(&self, user: &UserId) -> bool {
        self.watermarks.contains_key(user)
    }

    /// Takes a user out of the log.
    pub(super) fn erase(&mut self, user: &UserId, name: &UserId) {
        self.by_client_id.clear();
        for (at, entry) in self.entries.iter_mut().enumerate() {
            if entry.is_about(user) {
                *entry = Arc::new(entry.without(user, name));
            }
            let key = (entry.author.clone(), entry.client_id.clone());
            self.by_client_id.insert(key, at);
        }
        self.room.created_by = self.room.created_by.take().filter(|maker| maker != user);
        self.watermarks.remove(user);
        self.moves.remove(user);
    }

    pub(super) fn watermarks(&self, user: &UserId) -> Watermarks {
        self.watermarks.get(user).copied().unwrap_or_default()
    }
}

/// The range of what follows `after`, of everything without it.
fn beyond<T>(after: Option<&T>) -> (Bound<&T>, Bound<&T>) {
    let from = after.map_or(Bound::Unbounded, Bound::Excluded);
    (from, Bound::Unbounded)
}

#[async_trait]
impl RoomStore for MemoryStore {
    async fn create_room(&self, new: NewRoom) -> Result<Created, BackendError> {
        let mut rooms = self.lock();
        if let Some(log) = rooms.all.get(&new.id) {
            return Ok(Created::Existing(log.room.clone()));
        }
        let first_members = new.first_members();
        let room = new.made();
        let log = Log {
            room: room.clone(),
            members: BTreeMap::new(),
            last_message: None,
            entries: Vec::new(),
            by_id: HashMap::new(),
            by_client_id: HashMap::new(),
            watermarks: HashMap::new(),
            moves: HashMap::new(),
        };
        rooms.all.insert(room.id.clone(), log);
        for Member { user, role, .. } in first_members {
            rooms.join(&room.id, &user, role, room.created_at, Seq::ZERO);
        }
        Ok(Created::New(room))
    }

    async fn room(&self, id: &RoomId) -> Result<Option<Room>, BackendError> {
        Ok(self.lock().all.get(id).map(|log| log.room.clone()))
    }

    async fn member(&self, id: &RoomId, user: &UserId) -> Result<Option<Member>, BackendError> {
        let rooms = self.lock();
        let log = rooms.all.get(id);
        Ok(log.and_then(|log| Some(log.member(user, log.members.get(user)?))))
    }

    async fn members(
        &self,
        id: &RoomId,
        after: Option<&UserId>,
        limit: usize,
    ) -> Result<Vec<Member>, BackendError> {
        let rooms = self.lock();
        let Some(log) = rooms.all.get(id) else {
            return Ok(Vec::new());
        };
        let page = log.members.range::<UserId, _>(beyond(after)).take(limit);
        Ok(page.map(|(user, seat)| log.member(user, seat)).collect())
    }

    async fn rooms_of(
        &self,
        user: &UserId,
        after: Option<&RoomId>,
        limit: usize,
    ) -> Result<Vec<Membership>, BackendError> {
        let rooms = self.lock();
        let ids = rooms.of.get(user).into_iter();
        let page = ids
            .flat_map(|ids| ids.range::<RoomId, _>(beyond(after)))
            .take(limit);
        let membership = |log: &Log| {
            Some(Membership {
                room: log.room.clone(),
                watermarks: log.watermarks(user),
                unread: log.unread(user, log.members.get(user)?),
            })
        };
        Ok(page
            .filter_map(|id| rooms.all.get(id))
            .filter_map(membership)
            .collect())
    }

    async fn rooms_with(
        &self,
        users: &[UserId],
        after: Option<&RoomId>,
        limit: usize,
    ) -> Result<Vec<Room>, BackendError> {
        let rooms = self.lock();
        let ids = users.iter().filter_map(|user| rooms.of.get(user));
        let ids: BTreeSet<&RoomId> = ids
            .flat_map(|ids| ids.range::<RoomId, _>(beyond(after)))
            .collect();
        let page = ids.into_iter().take(limit);
        Ok(page
            .filter_map(|id| rooms.all.get(id))
            .map(|log| log.room.clone())
            .collect())
    }

    async fn directory(
        &self,
        query: &str,
        after: Option<&RoomId>,
        limit: usize,
    ) -> Result<Vec<Room>, BackendError> {
        let rooms = self.lock();
        let found = rooms.all.values().map(|log| &log.room).filter(|room| {
            let listed = room.kind == RoomKind::Channel && !room.details.archived;
            listed && room.details.name.folded().contains(query)
        });
        let found: BTreeMap<&RoomId, &Room> = found.map(|room| (&room.id, room)).collect();
        let page = found.range::<RoomId, _>(beyond(after)).take(limit);
        Ok(page.map(|(_, room)| (*room).clone()).collect())
    }
}

#[async_trait]
impl LogStore for MemoryStore {
    async fn append(&self, batch: Vec<NewEntry>) -> Vec<Result<Appended, AppendError>> {
        let mut rooms = self.lock();
        batch.into_iter().map(|new| rooms.append(new)).collect()
    }

    async fn page(
        &self,
        room: &RoomId,
        page: Page,
        limit: usize,
    ) -> Result<Vec<Arc<Entry>>, BackendError> {
        let rooms = self.lock();
        let Some(log) = rooms.all.get(room) else {
            return Ok(Vec::new());
        };
        Ok(log.page(page, limit).to_vec())
    }

    async fn find(&self, room: &RoomId, id: MessageId) -> Result<Option<Arc<Entry>>, BackendError> {
        let rooms = self.lock();
        let entry = |log: &Log| log.by_id.get(&id).map(|at| Arc::clone(&log.entries[*at]));
        Ok(rooms.all.get(room).and_then(entry))
    }
}

#[async_trait]
impl ReceiptStore for MemoryStore {
    async fn advance(
        &self,
        room: &RoomId,
        user: &UserId,
        mark: Mark,
        upto: Seq,
    ) -> Result<Change<Watermarks>, BackendError> {
        let mut rooms = self.lock();
        let Some(log) = rooms.all.get_mut(room) else {
            return Ok(Change::Unchanged(Watermarks::default()));
        };
        let from = log.watermarks(user);
        let to = from.advanced(mark, upto, log.room.head);
        if from == to {
            return Ok(Change::Unchanged(from));
        }
        log.watermarks.insert(user.clone(), to);
        if room.is_direct() {
            let now = SystemClock::default().now();
            log.moves.entry(user.clone()).or_default().push((to, now));
        }
        Ok(Change::Moved { from, to })
    }

    async fn watermarks(
        &self,
        room: &RoomId,
        users: &[UserId],
    ) -> Result<Vec<Watermarks>, BackendError> {
        let rooms = self.lock();
        let log = rooms.all.get(room);
        let of = |user| log.map_or_else(Watermarks::default, |log: &Log| log.watermarks(user));
        Ok(users.iter().map(of).collect())
    }

    async fn readers(
        &self,
        room: &RoomId,
        seq: Seq,
        after: Option<&UserId>,
        limit: usize,
    ) -> Result<Vec<Member>, BackendError> {
        let rooms = self.lock();
        let Some(log) = rooms.all.get(room) else {
            return Ok(Vec::new());
        };
        let members = log.members.range::<UserId, _>(beyond(after));
        let members = members.map(|(user, seat)| log.member(user, seat));
        let readers = members.filter(|member| member.watermarks.read >= seq);
        Ok(readers.take(limit).collect())
    }

    async fn receipt_times(
        &self,
        room: &RoomId,
        user: &UserId,
        seqs: &[Seq],
    ) -> Result<Vec<ReceiptTimes>, BackendError> {
        let rooms = self.lock();
        let moves = rooms.all.get(room).and_then(|log| log.moves.get(user));
        let moves = moves.map(Vec::as_slice).unwrap_or_default();
        let since = |place: usize| moves.get(place).map(|(_, at)| *at);
        let times = |seq: &Seq| ReceiptTimes {
            delivered: since(moves.partition_point(|(to, _)| to.delivered < *seq)),
            read: since(moves.partition_point(|(to, _)| to.read < *seq)),
        };
        Ok(seqs.iter().map(times).collect())
    }
}

#[async_trait]
impl PolicyStore for MemoryStore {
    async fn decide(&self, new: NewDecision) -> Result<Decision, BackendError> {
        Ok(self.decisions().decide(new))
    }

    async fn decisions(&self, after: Version, limit: usize) -> Result<Vec<Decision>, BackendError> {
        let decisions = self.decisions();
        Ok(decisions.after(after).take(limit).cloned().collect())
    }

    async fn newest_decision(&self) -> Result<Version, BackendError> {
        Ok(self.decisions().newest())
    }

    async fn forget_decisions(
        &self,
        before: DateTime<Utc>,
        now: DateTime<Utc>,
    ) -> Result<(), BackendError> {
        self.decisions().forget(before, now);
        Ok(())
    }

    async fn in_force(&self, after: Ends, limit: usize) -> Result<Vec<Decision>, BackendError> {
        let decisions = self.decisions();
        Ok(decisions.in_force(after).take(limit).cloned().collect())
    }
}
