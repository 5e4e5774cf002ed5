//! The store in memory with one thing broken: hooks that spoil what goes in or out.

mod blocks;
mod memberships;

use std::{
    cmp::Ordering,
    collections::{HashMap, HashSet, VecDeque},
    convert::Infallible,
    sync::{Arc, Mutex, MutexGuard},
};

use async_trait::async_trait;
use chat_core::{
    Block, ClientMessageId, Decision, Ends, Entry, EntryBody, Look, Mark, Member, Membership,
    MessageId, NewDecision, NewEntry, NewRoom, Page, Reason, ReceiptTimes, Role, Room, RoomId, Seq,
    UserId, Version, Watermarks,
    memory::MemoryStore,
    port::{
        AppendError, Appended, BackendError, BlockStore, Change, Created, LogStore, LookStore,
        Outcome, PolicyStore, ReceiptStore, RoomStore,
    },
    testing::Hooks,
};
use chrono::DateTime;
use tokio::task::yield_now;

use super::Fault::{self, *};

#[derive(Debug)]
pub(crate) struct BrokenStore {
    fault: Fault,
    inner: MemoryStore,
    notes: Mutex<Notes>,
}

/// What a broken store remembers beside, to answer wrongly from.
#[derive(Debug, Default)]
struct Notes {
    rooms: Vec<RoomId>,
    looks: HashMap<Look, UserId>,
    /// By a key that is too coarse, or for an answer that is out of date.
    first: HashMap<String, Arc<Entry>>,
    /// The newest keys of these.
    recent: VecDeque<String>,
    refused: HashSet<String>,
    /// As they were first stored.
    original: HashMap<(RoomId, Seq), EntryBody>,
    /// Messages whose edit has not reached them yet.
    late: HashMap<(RoomId, Seq), EntryBody>,
    former: HashSet<(RoomId, UserId)>,
    marks: HashMap<(RoomId, UserId), Watermarks>,
    counter: u64,
    restarts: u64,
}

fn member(user: &UserId) -> Member {
    Member {
        user: user.clone(),
        role: Role::Member,
        joined_at: DateTime::UNIX_EPOCH,
        joined_seq: Seq::ZERO,
        watermarks: Watermarks::default(),
    }
}

fn by_name(one: &Member, other: &Member) -> Ordering {
    one.user.cmp(&other.user)
}

impl BrokenStore {
    /// In front of `inner`.
    pub(crate) fn new(fault: Fault, inner: MemoryStore) -> Self {
        Self {
            fault,
            inner,
            notes: Mutex::default(),
        }
    }

    pub(crate) fn restarted(&self) {
        self.notes().restarts += 1;
    }

    fn notes(&self) -> MutexGuard<'_, Notes> {
        self.notes.lock().unwrap()
    }

    fn rooms_that_begin_with(&self, prefix: &str) -> Vec<RoomId> {
        let notes = self.notes();
        let begins = |room: &&RoomId| room.as_str().starts_with(prefix);
        notes.rooms.iter().filter(begins).cloned().collect()
    }

    /// A client message id that is in use nowhere.
    fn fresh_client_id(&self) -> ClientMessageId {
        let mut notes = self.notes();
        notes.counter += 1;
        ClientMessageId::new(format!("fresh-{}", notes.counter)).unwrap()
    }

    /// An entry on its way out.
    fn show(&self, mut entry: Arc<Entry>) -> Arc<Entry> {
        let notes = self.notes();
        let key = (entry.room.clone(), entry.seq);
        let original = notes.original.get(&key);
        let entry_mut = Arc::make_mut(&mut entry);
        match (self.fault, &mut entry_mut.body, original) {
            (NumbersHaveAGap, ..) if key.1 > Seq(2) => entry_mut.seq = key.1.next(),
            (NumbersRepeat, ..) if key.1 > Seq(2) => entry_mut.seq.0 -= 1,
            (EditMissesItsTarget, body @ EntryBody::Message { .. }, Some(original)) => {
                *body = original.clone();
            }
            (EditTellsNoTime, EntryBody::Message { edited_at, .. }, _) => *edited_at = None,
            (EditComesLate, body, _) => {
                if let Some(old) = notes.late.get(&key) {
                    *body = old.clone();
                }
            }
            (
                DeletionLeavesTheText,
                body @ EntryBody::Deleted,
                Some(original @ EntryBody::Message { .. }),
            )
            | (
                DeletionLeavesTheEdits,
                body @ EntryBody::Deleted,
                Some(original @ EntryBody::Edit { .. }),
            ) => *body = original.clone(),
            _ => {}
        }
        entry
    }

    async fn head(&self, room: &RoomId) -> Seq {
        let room = self.inner.room(room).await.unwrap();
        room.map_or(Seq::ZERO, |room| room.head)
    }

    async fn role(&self, room: &RoomId, user: &UserId) -> Role {
        let member = self.inner.member(room, user).await.unwrap();
        member.unwrap().role
    }

    async fn entry(&self, room: &RoomId, seq: Seq) -> Option<Arc<Entry>> {
        let page = self.inner.page(room, Page::Around(seq), 1).await.unwrap();
        page.into_iter().find(|entry| entry.seq == seq)
    }

    /// The key by which this store takes an entry for a duplicate, if that is what is broken.
    fn coarse_key(&self, new: &NewEntry) -> Option<String> {
        let NewEntry {
            room,
            author,
            client_id,
            ..
        } = new;
        match self.fault {
            ClientIdForgetsTheAuthor => Some(format!("{room} {client_id}")),
            ClientIdForgetsTheRoom => Some(format!("{author} {client_id}")),
            ClientIdIgnoresCase => Some(format!("{room} {author} {client_id}").to_lowercase()),
            DuplicateShowsTheOldText
            | DuplicateIsCheckedThenStored
            | RefusalUsesUpTheClientId
            | ClientIdsAreKeptFor64 => Some(format!("{room} {author} {client_id}")),
            _ => None,
        }
    }

    async fn append_one(&self, mut new: NewEntry) -> Result<Appended, AppendError> {
        let given = new.clone();
        let key = self.coarse_key(&new);
        if let Some(key) = &key {
            if self.notes().refused.contains(key) {
                return Err(AppendError::NoTarget);
            }
            if let Some(first) = self.notes().first.get(key) {
                return Ok(Appended {
                    entry: Arc::clone(first),
                    outcome: Outcome::Duplicate,
                });
            }
        }
        self.spoil(&mut new).await?;
        self.spoil_membership(&mut new).await;
        let head = self.head(&new.room).await;
        let mut late = None;
        match (self.fault, &mut new.body) {
            (AppendIsLost, _) if head == Seq(2) => {
                return Ok(Appended {
                    entry: Arc::new(new.numbered(Seq(3))),
                    outcome: Outcome::Stored,
                });
            }
            (TextIsTrimmed, EntryBody::Message { text, .. }) => *text = text.trim().into(),
            (DuplicateIsStored | ClientIdsAreKeptFor64, _) => {
                new.client_id = self.fresh_client_id();
            }
            (DuplicateIsCheckedThenStored, _) => {
                yield_now().await;
                new.client_id = self.fresh_client_id();
            }
            (RestartForgetsClientIds, _) => {
                let id = format!("{}-{}", self.notes().restarts, new.client_id);
                new.client_id = ClientMessageId::new(id).unwrap();
            }
            (RolesAreAskedThenStored, _) => {
                if !self.allows(&new).await {
                    return Err(AppendError::NotAllowed);
                }
                yield_now().await;
                new.require = None;
            }
            (RoleStays, EntryBody::Role { user, role }) => {
                *role = self.role(&new.room, user).await;
            }
            (NumbersRace, _) => yield_now().await,
            (AnybodyEdits, EntryBody::Edit { target, .. } | EntryBody::Delete { target }) => {
                if let Some(target) = self.entry(&new.room, *target).await {
                    new.author = target.author.clone();
                }
            }
            (EditComesLate, EntryBody::Edit { target, .. }) => {
                if let Some(old) = self.entry(&new.room, *target).await {
                    let key = (new.room.clone(), *target);
                    self.notes().late.insert(key.clone(), old.body.clone());
                    late = Some(key);
                }
            }
            _ => {}
        }
        let mut answer = self.inner.append(vec![new]).await.remove(0);
        if let Some(late) = late {
            yield_now().await;
            self.notes().late.remove(&late);
        }
        match (self.fault, &mut answer) {
            (RefusalTakesANumber, Err(AppendError::NoTarget)) => {
                let mut filler = given.clone();
                filler.body = EntryBody::message("");
                drop(self.inner.append(vec![filler]).await);
            }
            (RefusalUsesUpTheClientId, Err(_)) => {
                self.notes().refused.extend(key.clone());
            }
            (DuplicateAnswersTheRetry, Ok(answer)) => {
                Arc::make_mut(&mut answer.entry).id = given.id;
            }
            (NumbersRace, Ok(answer)) => Arc::make_mut(&mut answer.entry).seq = head.next(),
            (RetriesNeedTheRole, Ok(_)) if !self.allows(&given).await => {
                return Err(AppendError::NotAllowed);
            }
            (RetriesAreBlocked, Ok(_)) if self.forbids(&given).await => {
                return Err(AppendError::Blocked);
            }
            (DuplicateIsStored | ClientIdsAreKeptFor64, Ok(answer)) => {
                Arc::make_mut(&mut answer.entry).client_id = given.client_id.clone();
            }
            _ => {}
        }
        let mut answer = answer?;
        if answer.outcome == Outcome::Stored {
            self.stored(&given, &answer.entry, key);
        }
        answer.entry = self.show(answer.entry);
        Ok(answer)
    }

    /// Whether it asks for no right that an entry requires.
    fn waives(&self, new: &NewEntry) -> bool {
        match self.fault {
            RolesAreNotAsked => true,
            BlocksAreNotAsked => new.unblocked_with().is_some(),
            _ => false,
        }
    }

    /// Whether the roles as they stand now allow an entry.
    async fn allows(&self, new: &NewEntry) -> bool {
        let members = self.inner.members(&new.room, None, 100).await.unwrap();
        let role = |user: &UserId| members.iter().find(|it| it.user == *user).map(|it| it.role);
        let role = |user: &UserId| Ok::<_, Infallible>(role(user));
        match self.inner.room(&new.room).await.unwrap() {
            Some(room) => new.is_allowed(&room, None, role, |_| Ok(true)).unwrap(),
            None => true,
        }
    }

    fn stored(&self, given: &NewEntry, entry: &Arc<Entry>, key: Option<String>) {
        let mut notes = self.notes();
        let at = (entry.room.clone(), entry.seq);
        notes.original.insert(at, given.body.clone());
        if let Some(key) = key.filter(|_| self.fault != RefusalUsesUpTheClientId) {
            notes.first.insert(key.clone(), Arc::clone(entry));
            notes.recent.push_back(key);
            if self.fault == ClientIdsAreKeptFor64
                && notes.recent.len() > 64
                && let Some(oldest) = notes.recent.pop_front()
            {
                notes.first.remove(&oldest);
            }
        }
        match &entry.body {
            EntryBody::Joined { user, .. } => {
                let member = (entry.room.clone(), user.clone());
                if self.fault == JoiningForgetsReceipts {
                    notes.marks.remove(&member);
                }
                notes.former.remove(&member);
            }
            EntryBody::Left { user, .. } => {
                let gone = (entry.room.clone(), user.clone());
                if self.fault == LeavingForgetsReceipts {
                    notes.marks.remove(&gone);
                }
                notes.former.insert(gone);
            }
            _ => {}
        }
    }

    async fn unread(&self, user: &UserId, entry: &Membership) -> u64 {
        let (room, read) = (&entry.room.id, entry.watermarks.read);
        let log = self.inner.page(room, Page::After(read), usize::MAX).await;
        let counts = |entry: &&Arc<Entry>| match (&entry.body, self.fault) {
            (EntryBody::Message { .. }, UnreadCountsOwn) | (_, UnreadCountsAllKinds) => true,
            (EntryBody::Message { .. }, UnreadHasNoCap)
            | (EntryBody::Message { .. } | EntryBody::Deleted, UnreadCountsDeleted) => {
                entry.author != *user
            }
            _ => false,
        };
        log.unwrap().iter().filter(counts).map(|_| 1).sum()
    }
}

#[async_trait]
impl Hooks for BrokenStore {
    async fn create_room(
        &self,
        _: &dyn RoomStore,
        mut new: NewRoom,
    ) -> Result<Created, BackendError> {
        let epoch = new.epoch;
        if self.fault == OwnerIsForgotten {
            new.created_by = None;
        }
        self.notes().rooms.push(new.id.clone());
        let there = self.inner.room(&new.id).await?.is_some();
        if self.fault == CreateIsCheckedThenMade {
            yield_now().await;
        }
        let created = self.inner.create_room(new).await?;
        Ok(match (self.fault, created) {
            (CreateGivesTheNewEpoch, Created::Existing(room)) => {
                Created::Existing(Room { epoch, ..room })
            }
            (CreateIsCheckedThenMade, Created::Existing(room)) if !there => Created::New(room),
            (_, created) => created,
        })
    }

    async fn room(&self, _: &dyn RoomStore, id: &RoomId) -> Result<Option<Room>, BackendError> {
        let mut room = self.inner.room(id).await?;
        if let (HeadLags, Some(room)) = (self.fault, &mut room) {
            room.head.0 = room.head.0.saturating_sub(1);
        }
        Ok(room)
    }

    async fn member(
        &self,
        _: &dyn RoomStore,
        id: &RoomId,
        user: &UserId,
    ) -> Result<Option<Member>, BackendError> {
        let former = self.notes().former.contains(&(id.clone(), user.clone()));
        let former = (self.fault == FormerMembersStay && former).then(|| member(user));
        Ok(self.inner.member(id, user).await?.or(former))
    }

    async fn members(
        &self,
        _: &dyn RoomStore,
        id: &RoomId,
        after: Option<&UserId>,
        limit: usize,
    ) -> Result<Vec<Member>, BackendError> {
        let mut members = self.inner.members(id, after, limit).await?;
        match (self.fault, after) {
            (FormerMembersAreListed, _) => {
                let notes = self.notes();
                let former = notes.former.iter().filter(|(room, _)| room == id);
                members.extend(former.map(|(_, user)| member(user)));
                members.sort_by(by_name);
            }
            (MembersTakeAPrefix, _) => {
                for room in self.rooms_that_begin_with(id.as_str()) {
                    members.extend(self.inner.members(&room, after, limit).await?);
                }
                members.sort_by(by_name);
                members.dedup();
                members.truncate(limit);
            }
            (MembersIgnoreCase, _) => members.sort_by_key(|it| it.user.as_str().to_lowercase()),
            (RolesAreForgotten, _) => members.iter_mut().for_each(|it| it.role = Role::Member),
            (MembersBeginWithAfter, Some(after))
                if self.inner.member(id, after).await?.is_some() =>
            {
                members.insert(0, member(after));
                members.truncate(limit);
            }
            _ => {}
        }
        Ok(members)
    }

    async fn rooms_of(
        &self,
        _: &dyn RoomStore,
        user: &UserId,
        after: Option<&RoomId>,
        limit: usize,
    ) -> Result<Vec<Membership>, BackendError> {
        let limit = limit.saturating_add(usize::from(self.fault == RoomsExceedTheLimit));
        let mut rooms = self.inner.rooms_of(user, after, limit).await?;
        if self.fault == RoomsAreUnordered {
            rooms.reverse();
        }
        for entry in &mut rooms {
            if let UnreadCountsOwn | UnreadCountsAllKinds | UnreadCountsDeleted | UnreadHasNoCap =
                self.fault
            {
                entry.unread = self.unread(user, entry).await;
            }
            if let LeavingForgetsReceipts | JoiningForgetsReceipts = self.fault {
                let marks =
                    self.watermarks(&self.inner, &entry.room.id, std::slice::from_ref(user));
                entry.watermarks = marks.await?[0];
            }
        }
        Ok(rooms)
    }

    async fn rooms_with(
        &self,
        _: &dyn RoomStore,
        users: &[UserId],
        after: Option<&RoomId>,
        limit: usize,
    ) -> Result<Vec<Room>, BackendError> {
        let mut rooms = self.inner.rooms_with(users, after, limit).await?;
        match self.fault {
            SharedRoomsRepeat => {
                rooms.clear();
                for user in users {
                    let theirs = std::slice::from_ref(user);
                    rooms.extend(self.inner.rooms_with(theirs, after, limit).await?);
                }
                rooms.sort_by(|one, other| one.id.cmp(&other.id));
                rooms.truncate(limit);
            }
            SharedRoomsBeginWithAfter => {
                if let Some(after) = after
                    && let Some(room) = self.inner.room(after).await?
                {
                    rooms.insert(0, room);
                    rooms.truncate(limit);
                }
            }
            SharedRoomsLackHeads => {
                for room in &mut rooms {
                    room.head = Seq::ZERO;
                }
            }
            _ => {}
        }
        Ok(rooms)
    }

    async fn append(
        &self,
        _: &dyn LogStore,
        mut batch: Vec<NewEntry>,
    ) -> Vec<Result<Appended, AppendError>> {
        let length = batch.len();
        let mut refused = Vec::new();
        match self.fault {
            RolesAreAskedBeforeTheBatch => {
                for new in &mut batch {
                    refused.push(!self.allows(new).await);
                    new.require = None;
                }
            }
            LongBatchIsCut => batch.truncate(1_000),
            BatchIsReversed => batch.reverse(),
            DuplicateInABatchIsStored => {
                let mut seen = HashSet::new();
                for new in &mut batch {
                    if !seen.insert((new.author.clone(), new.client_id.clone())) {
                        new.client_id = self.fresh_client_id();
                    }
                }
            }
            BatchIsRefusedAsAWhole => {
                for new in &batch {
                    if self.head(&new.room).await == Seq::ZERO
                        && self.inner.room(&new.room).await.unwrap().is_none()
                    {
                        return batch.iter().map(|_| Err(AppendError::NoRoom)).collect();
                    }
                }
            }
            _ => {}
        }
        let mut answers: Vec<Result<Appended, AppendError>> = Vec::new();
        for (at, mut new) in batch.into_iter().enumerate() {
            new.require = new.require.filter(|_| !self.waives(&new));
            if refused.get(at) == Some(&true) {
                answers.push(Err(AppendError::NotAllowed));
            } else if self.fault == RefusalStopsTheBatch
                && answers.last().is_some_and(Result::is_err)
            {
                answers.push(Err(AppendError::NoRoom));
            } else {
                answers.push(self.append_one(new).await);
            }
        }
        match self.fault {
            AnswersAreReversed | BatchIsReversed => answers.reverse(),
            LongBatchIsCut => answers.resize_with(length, || Err(AppendError::NoRoom)),
            _ => {}
        }
        answers
    }

    async fn page(
        &self,
        _: &dyn LogStore,
        room: &RoomId,
        page: Page,
        limit: usize,
    ) -> Result<Vec<Arc<Entry>>, BackendError> {
        let limit = limit.saturating_add(usize::from(self.fault == PageExceedsTheLimit));
        let page = match (self.fault, page) {
            (NewestMissesTheNewest, Page::Newest) => Page::Before(self.head(room).await),
            (BeforeIncludesItsNumber, Page::Before(seq)) => Page::Before(seq.next()),
            (AfterIncludesItsNumber, Page::After(seq)) => Page::After(Seq(seq.0.saturating_sub(1))),
            (AroundIsOffCentre, Page::Around(seq)) => Page::Around(seq.next()),
            (AroundBeyondIsEmpty, Page::Around(seq)) if seq > self.head(room).await => {
                Page::After(seq)
            }
            (_, page) => page,
        };
        let mut entries = self.inner.page(room, page, limit).await?;
        match self.fault {
            PageIsDescending => entries.reverse(),
            PageHasAHole if entries.len() > 2 => drop(entries.remove(1)),
            _ => {}
        }
        Ok(entries.into_iter().map(|entry| self.show(entry)).collect())
    }

    async fn find(
        &self,
        _: &dyn LogStore,
        room: &RoomId,
        id: MessageId,
    ) -> Result<Option<Arc<Entry>>, BackendError> {
        let mut rooms = vec![room.clone()];
        rooms.extend(match self.fault {
            FindLooksEverywhere => self.rooms_that_begin_with(""),
            FindTakesAPrefix => self.rooms_that_begin_with(room.as_str()),
            _ => Vec::new(),
        });
        for room in &rooms {
            if let Some(entry) = self.inner.find(room, id).await? {
                return Ok(Some(self.show(entry)));
            }
        }
        Ok(None)
    }

    async fn advance(
        &self,
        _: &dyn ReceiptStore,
        room: &RoomId,
        user: &UserId,
        mark: Mark,
        upto: Seq,
    ) -> Result<Change<Watermarks>, BackendError> {
        let change = self.inner.advance(room, user, mark, upto).await?;
        let from = self
            .watermarks(&self.inner, room, std::slice::from_ref(user))
            .await?[0];
        let head = self.head(room).await;
        let mut to = from.advanced(mark, upto, head);
        match self.fault {
            ReceiptGoesBack if mark == Mark::Read => to.read = upto.min(head),
            ReceiptGoesBeyondTheHead => to = from.advanced(mark, upto, Seq::MAX),
            ReadWithoutDelivered => to.delivered = from.delivered,
            ReceiptsRace => yield_now().await,
            LeavingForgetsReceipts | JoiningForgetsReceipts => {}
            ReceiptAlwaysMoves => {
                return Ok(match change {
                    Change::Unchanged(to) => Change::Moved { from: to, to },
                    moved @ Change::Moved { .. } => moved,
                });
            }
            _ => return Ok(change),
        }
        self.notes().marks.insert((room.clone(), user.clone()), to);
        Ok(Change::Moved { from, to })
    }

    async fn watermarks(
        &self,
        _: &dyn ReceiptStore,
        room: &RoomId,
        users: &[UserId],
    ) -> Result<Vec<Watermarks>, BackendError> {
        let mut marks = self.inner.watermarks(room, users).await?;
        match self.fault {
            ReceiptGoesBack
            | ReceiptGoesBeyondTheHead
            | ReadWithoutDelivered
            | ReceiptsRace
            | LeavingForgetsReceipts
            | JoiningForgetsReceipts => {
                let notes = self.notes();
                let of = |user: &UserId| notes.marks.get(&(room.clone(), user.clone()));
                marks = users
                    .iter()
                    .map(|user| of(user).copied().unwrap_or_default())
                    .collect();
            }
            WatermarksAreReversed => marks.reverse(),
            _ => {}
        }
        Ok(marks)
    }

    async fn decide(
        &self,
        _: &dyn PolicyStore,
        mut new: NewDecision,
    ) -> Result<Decision, BackendError> {
        let given = new.clone();
        let newest = self.inner.newest_decision().await?;
        match self.fault {
            ReasonIsLost => new.reason = Reason::default(),
            RepeatedDecisionIsStored => new.client_id = self.fresh_client_id(),
            RepeatedDecisionIsCheckedThenStored => {
                let all = self.inner.decisions(Version::ZERO, usize::MAX).await?;
                let known = |it: &&Decision| {
                    (&it.by, &it.reason) == (&new.by, &new.reason) && it.at == new.at
                };
                if let Some(first) = all.iter().find(known) {
                    return Ok(first.clone());
                }
                yield_now().await;
                new.client_id = self.fresh_client_id();
            }
            VersionsRace => yield_now().await,
            _ => {}
        }
        let mut decided = self.inner.decide(new).await?;
        match self.fault {
            VersionsRace => decided.version = newest.next(),
            RepeatedDecisionIsStored | RepeatedDecisionIsCheckedThenStored => {
                decided.client_id = given.client_id;
            }
            _ => {}
        }
        Ok(decided)
    }

    async fn decisions(
        &self,
        _: &dyn PolicyStore,
        after: Version,
        limit: usize,
    ) -> Result<Vec<Decision>, BackendError> {
        let after = match self.fault {
            VersionsBeginWithAfter => Version(after.0.saturating_sub(1)),
            _ => after,
        };
        self.inner.decisions(after, limit).await
    }

    async fn claim_look(
        &self,
        _: &dyn LookStore,
        look: &Look,
        user: &UserId,
    ) -> Result<UserId, BackendError> {
        match self.fault {
            LooksBelongToAll => Ok(user.clone()),
            LooksAreCheckedThenGiven => {
                let holder = self.notes().looks.get(look).cloned();
                yield_now().await;
                let holder = holder.unwrap_or_else(|| user.clone());
                let mut notes = self.notes();
                notes.looks.insert(look.clone(), holder.clone());
                Ok(holder)
            }
            _ => self.inner.claim_look(look, user).await,
        }
    }

    async fn block(&self, _: &dyn BlockStore, block: Block) -> Result<Block, BackendError> {
        self.add_block(block).await
    }

    async fn unblock(
        &self,
        _: &dyn BlockStore,
        by: &UserId,
        user: &UserId,
    ) -> Result<Option<Block>, BackendError> {
        self.end_block(by, user).await
    }

    async fn blocks_by(
        &self,
        _: &dyn BlockStore,
        by: &UserId,
        after: Option<&UserId>,
        limit: usize,
    ) -> Result<Vec<Block>, BackendError> {
        self.list_blocks(by, after, limit).await
    }

    async fn blocks_of(
        &self,
        _: &dyn BlockStore,
        users: &[UserId],
        by: &[UserId],
    ) -> Result<Vec<Block>, BackendError> {
        self.find_blocks(users, by).await
    }

    async fn newest_decision(&self, _: &dyn PolicyStore) -> Result<Version, BackendError> {
        match self.fault {
            DecisionsHaveNoVersion => Ok(Version::ZERO),
            _ => self.inner.newest_decision().await,
        }
    }

    async fn in_force(
        &self,
        _: &dyn PolicyStore,
        after: Ends,
        limit: usize,
    ) -> Result<Vec<Decision>, BackendError> {
        let all = self.inner.decisions(Version::ZERO, usize::MAX).await?;
        let mut lasting: Vec<_> = all.iter().filter(|it| Ends::of(it).is_some()).collect();
        lasting.sort_by_key(|decision| Ends::of(decision));
        match self.fault {
            EndedDecisionsStay => {}
            LiftedDecisionsStay | InForceEndsWithAPageOfLifted => {
                lasting.retain(|it| Ends::of(it) > Some(after));
            }
            _ => return self.inner.in_force(after, limit).await,
        }
        lasting.truncate(limit);
        if self.fault == InForceEndsWithAPageOfLifted {
            let lifted: Vec<_> = all.iter().filter_map(|it| it.what.lifts()).collect();
            lasting.retain(|it| !lifted.contains(&it.version));
        }
        Ok(lasting.into_iter().cloned().collect())
    }

    async fn receipt_times(
        &self,
        _: &dyn ReceiptStore,
        room: &RoomId,
        user: &UserId,
        seqs: &[Seq],
    ) -> Result<Vec<ReceiptTimes>, BackendError> {
        if self.fault == TimesAreOfTheLastReceipt {
            let marks = self
                .inner
                .watermarks(room, std::slice::from_ref(user))
                .await?;
            let read = marks.first().map_or(Seq::ZERO, |marks| marks.read);
            let last: Vec<_> = seqs.iter().map(|seq| read.max(*seq)).collect();
            return self.inner.receipt_times(room, user, &last).await;
        }
        let mut times = self.inner.receipt_times(room, user, seqs).await?;
        if self.fault == TimesAreOfAnyEntry {
            let now = Some(DateTime::UNIX_EPOCH);
            times.fill(ReceiptTimes {
                delivered: now,
                read: now,
            });
        }
        Ok(times)
    }
}
