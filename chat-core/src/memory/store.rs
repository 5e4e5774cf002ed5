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
        ClientMessageId, Decision, Effect, Ends, Entry, EntryBody, Look, Mark, Member, Membership,
        MessageId, NewDecision, NewEntry, NewRoom, Page, ReceiptTimes, Role, Room, RoomId,
        RoomKind, Seq, UNREAD_CAP, UserId, Version, Watermarks,
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
}

#[derive(Debug, Default, Clone)]
pub(super) struct Rooms {
    all: HashMap<RoomId, Log>,
    /// The same memberships as in `all`, by user.
    of: HashMap<UserId, BTreeSet<RoomId>>,
    /// Under the same lock, for no entry may follow a block that forbids it.
    pub(super) blocks: Blocks,
}

#[derive(Debug, Clone)]
struct Log {
    room: Room,
    members: BTreeMap<UserId, Role>,
    /// The entry `seq` is at the index `seq - 1`.
    entries: Vec<Arc<Entry>>,
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
        Self {
            rooms: Arc::new(rooms),
            decisions: Arc::new(decisions),
            looks: Arc::clone(&self.looks),
        }
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, Rooms> {
        self.rooms.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn decisions(&self) -> MutexGuard<'_, Decisions> {
        self.decisions
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

impl Rooms {
    fn join(&mut self, room: &RoomId, user: &UserId, role: Role) {
        if let Some(log) = self.all.get_mut(room) {
            log.members.insert(user.clone(), role);
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
            at_target.as_deref(),
            |user| Ok::<_, Infallible>(log.members.get(user).copied()),
            |user| {
                let mut members = log.members.iter();
                Ok(members.any(|(other, role)| other != user && *role == Role::Owner))
            },
        );
        if !allowed {
            return Err(AppendError::NotAllowed);
        }
        if let Some(target) = target
            && !(at_target.is_some_and(|it| new.reaches(&it))
                && effect.change(&new.author, new.at, log.from(target)))
        {
            return Err(AppendError::NoTarget);
        }
        let at = log.entries.len();
        log.room.head = log.room.head.next();
        log.by_id.insert(new.id, at);
        log.by_client_id.insert(key, at);
        let entry = Arc::new(new.numbered(log.room.head));
        log.entries.push(Arc::clone(&entry));
        match entry.body.effect() {
            Effect::Admit { user, role } | Effect::Assign { user, role } => {
                self.join(&entry.room, user, role);
            }
            Effect::Dismiss { user } => self.leave(&entry.room, user),
            // The effect was carried out above.
            Effect::None | Effect::Replace { .. } | Effect::Erase { .. } => {}
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

    fn page(&self, page: Page, limit: usize) -> &[Arc<Entry>] {
        let range = page.range(self.room.head, limit);
        let index = |number: u64| usize::try_from(number).unwrap_or(usize::MAX);
        let (first, after) = (index(range.start().0 - 1), index(range.end().0));
        self.entries.get(first..after).unwrap_or_default()
    }

    fn unread(&self, user: &UserId, read: Seq) -> u64 {
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

    fn watermarks(&self, user: &UserId) -> Watermarks {
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
        let room = Room {
            id: new.id.clone(),
            epoch: new.epoch,
            head: Seq::ZERO,
            created_at: new.created_at,
        };
        let log = Log {
            room: room.clone(),
            members: BTreeMap::new(),
            entries: Vec::new(),
            by_id: HashMap::new(),
            by_client_id: HashMap::new(),
            watermarks: HashMap::new(),
            moves: HashMap::new(),
        };
        rooms.all.insert(new.id.clone(), log);
        for Member { user, role } in new.first_members() {
            rooms.join(&new.id, &user, role);
        }
        Ok(Created::New(room))
    }

    async fn room(&self, id: &RoomId) -> Result<Option<Room>, BackendError> {
        Ok(self.lock().all.get(id).map(|log| log.room.clone()))
    }

    async fn role(&self, id: &RoomId, user: &UserId) -> Result<Option<Role>, BackendError> {
        let rooms = self.lock();
        let members = rooms.all.get(id).map(|log| &log.members);
        Ok(members.and_then(|members| members.get(user).copied()))
    }

    async fn members(
        &self,
        id: &RoomId,
        after: Option<&UserId>,
        limit: usize,
    ) -> Result<Vec<Member>, BackendError> {
        let rooms = self.lock();
        let members = rooms.all.get(id).map(|log| &log.members).into_iter();
        let page = members.flat_map(|members| members.range::<UserId, _>(beyond(after)));
        let member = |(user, role): (&UserId, &Role)| Member {
            user: user.clone(),
            role: *role,
        };
        Ok(page.take(limit).map(member).collect())
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
            let watermarks = log.watermarks(user);
            Membership {
                room: log.room.clone(),
                watermarks,
                unread: log.unread(user, watermarks.read),
            }
        };
        Ok(page
            .filter_map(|id| rooms.all.get(id))
            .map(membership)
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
        if room.kind() == RoomKind::Direct {
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
        Ok(decisions.after(after).iter().take(limit).cloned().collect())
    }

    async fn newest_decision(&self) -> Result<Version, BackendError> {
        Ok(self.decisions().newest())
    }

    async fn in_force(&self, after: Ends, limit: usize) -> Result<Vec<Decision>, BackendError> {
        let decisions = self.decisions();
        Ok(decisions.in_force(after).take(limit).cloned().collect())
    }
}
