//! Decorators that are a store and a cache: they count each failure and log outages, and turn a panic into a
//! failure, so that no caller can forget to.
//!
//! The ports have no default methods, so a method that is missing here does not compile.

use std::{
    ops::RangeInclusive,
    sync::{Arc, PoisonError, RwLock},
    time::Duration,
};

use async_trait::async_trait;
use chrono::{DateTime, Utc};

use super::state::outage::Outage;
use crate::{
    model::{
        Block, Cursor, Decision, Ends, Entry, Epoch, InboxFilter, InboxPlace, InboxRoom, Invite,
        InviteId, InviteToken, Look, Mark, Me, MeChange, Member, Membership, MessageId,
        NewDecision, NewEntry, NewRoom, Page, Presence, ReceiptTimes, Room, RoomId, Seq, SessionId,
        UserId, Version, Watermarks,
    },
    port::{
        AppendError, Appended, BackendError, BackendErrorKind, BlockStore, Cache, Change, Created,
        ErasureStore, HistoryCache, InboxStore, InviteStore, LogStore, LookStore, PolicyStore,
        PresenceCache, RateCache, RateKey, ReceiptStore, Retry, RoomStore, Store, Transition,
        panics::{Panicked, caught_async},
    },
    rate::{self, RatePolicy},
    time::Clock,
};

/// A backend whose failures are counted and logged, until it is released.
#[derive(Debug)]
pub(crate) struct Watched<B: ?Sized> {
    /// `None` once the engine is closed.
    backend: RwLock<Option<Arc<B>>>,
    outage: Outage,
    clock: Arc<dyn Clock>,
}

impl<B: ?Sized + Send + Sync + 'static> Watched<B> {
    pub(crate) fn new(backend: Arc<B>, outage: Outage, clock: Arc<dyn Clock>) -> Self {
        Self {
            backend: RwLock::new(Some(backend)),
            outage,
            clock,
        }
    }

    /// Whether the backend is away, and the failures so far.
    pub(crate) fn outage(&self) -> &Outage {
        &self.outage
    }

    /// Lets go of the backend, once the calls that are under way have ended.
    pub(crate) async fn let_go(&self) {
        const AGAIN: Duration = Duration::from_millis(5);
        let mut backend = self
            .backend
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        while let Some(shared) = backend.take_if(|backend| Arc::strong_count(backend) > 1) {
            tokio::time::sleep(AGAIN).await;
            backend = Some(shared);
        }
        if let Some(last) = backend {
            // It may have files to close and threads to wait for.
            tokio::task::spawn_blocking(|| drop(last)).await.ok();
        }
    }

    fn backend(&self, operation: &'static str) -> Result<Arc<B>, BackendError> {
        let backend = self.backend.read().unwrap_or_else(PoisonError::into_inner);
        backend.clone().ok_or_else(|| closed(operation))
    }

    fn note(&self, failure: Option<&BackendError>) {
        self.outage.note(self.clock.monotonic(), failure);
    }

    fn noted<T>(&self, answer: Result<T, BackendError>) -> Result<T, BackendError> {
        self.note(answer.as_ref().err());
        answer
    }
}

/// The failure of a call to a backend that was released.
fn closed(operation: &'static str) -> BackendError {
    BackendError::new(
        "engine",
        BackendErrorKind::Unavailable,
        Retry::Safe,
        operation,
        "the engine is closed",
    )
}

/// Passes a call on to the backend, and notes how it ended. A panic is a failure, after which the call may
/// be made again as this says.
macro_rules! watch {
    ($self:ident.$method:ident($($argument:expr),*), $retry:ident) => {
        match $self.backend(stringify!($method)) {
            Ok(backend) => {
                let call = caught_async(async { backend.$method($($argument),*).await });
                let panicked = |panic: Panicked| {
                    Err(panic.into_error("engine", Retry::$retry, stringify!($method)))
                };
                $self.noted(call.await.unwrap_or_else(panicked))
            }
            Err(closed) => Err(closed),
        }
    };
}

#[async_trait]
impl RoomStore for Watched<dyn Store> {
    async fn create_room(&self, room: NewRoom) -> Result<Created, BackendError> {
        watch!(self.create_room(room), IfIdempotent)
    }

    async fn room(&self, id: &RoomId) -> Result<Option<Room>, BackendError> {
        watch!(self.room(id), Safe)
    }

    async fn member(&self, id: &RoomId, user: &UserId) -> Result<Option<Member>, BackendError> {
        watch!(self.member(id, user), Safe)
    }

    async fn members(
        &self,
        id: &RoomId,
        after: Option<&UserId>,
        limit: usize,
    ) -> Result<Vec<Member>, BackendError> {
        watch!(self.members(id, after, limit), Safe)
    }

    async fn rooms_of(
        &self,
        user: &UserId,
        after: Option<&RoomId>,
        limit: usize,
    ) -> Result<Vec<Membership>, BackendError> {
        watch!(self.rooms_of(user, after, limit), Safe)
    }

    async fn rooms_with(
        &self,
        users: &[UserId],
        after: Option<&RoomId>,
        limit: usize,
    ) -> Result<Vec<Room>, BackendError> {
        watch!(self.rooms_with(users, after, limit), Safe)
    }

    async fn directory(
        &self,
        query: &str,
        after: Option<&RoomId>,
        limit: usize,
    ) -> Result<Vec<Room>, BackendError> {
        watch!(self.directory(query, after, limit), Safe)
    }
}

#[async_trait]
impl InboxStore for Watched<dyn Store> {
    async fn inbox(
        &self,
        user: &UserId,
        filter: InboxFilter,
        after: Option<&InboxPlace>,
        limit: usize,
    ) -> Result<Vec<InboxRoom>, BackendError> {
        watch!(self.inbox(user, filter, after, limit), Safe)
    }

    async fn inbox_room(
        &self,
        room: &RoomId,
        user: &UserId,
    ) -> Result<Option<InboxRoom>, BackendError> {
        watch!(self.inbox_room(room, user), Safe)
    }

    async fn hidden_by(&self, room: &RoomId) -> Result<Vec<(UserId, Seq)>, BackendError> {
        watch!(self.hidden_by(room), Safe)
    }

    async fn set_me(
        &self,
        room: &RoomId,
        user: &UserId,
        change: MeChange,
    ) -> Result<Option<Me>, BackendError> {
        watch!(self.set_me(room, user, change), IfIdempotent)
    }
}

#[async_trait]
impl InviteStore for Watched<dyn Store> {
    async fn add_invite(&self, invite: Invite) -> Result<(), BackendError> {
        watch!(self.add_invite(invite), IfIdempotent)
    }

    async fn invite(&self, token: &InviteToken) -> Result<Option<Invite>, BackendError> {
        watch!(self.invite(token), Safe)
    }

    async fn invites(
        &self,
        room: &RoomId,
        after: Option<InviteId>,
        limit: usize,
    ) -> Result<Vec<Invite>, BackendError> {
        watch!(self.invites(room, after, limit), Safe)
    }

    async fn remove_invite(&self, room: &RoomId, id: InviteId) -> Result<bool, BackendError> {
        watch!(self.remove_invite(room, id), IfIdempotent)
    }

    async fn use_invite(
        &self,
        token: &InviteToken,
        now: DateTime<Utc>,
    ) -> Result<Option<Invite>, BackendError> {
        watch!(self.use_invite(token, now), IfIdempotent)
    }

    async fn unuse_invite(&self, id: InviteId) -> Result<(), BackendError> {
        watch!(self.unuse_invite(id), IfIdempotent)
    }
}

#[async_trait]
impl LogStore for Watched<dyn Store> {
    async fn append(&self, batch: Vec<NewEntry>) -> Vec<Result<Appended, AppendError>> {
        let Ok(store) = self.backend("append") else {
            let refused = |_: &NewEntry| Err(closed("append").into());
            return batch.iter().map(refused).collect();
        };
        let entries = batch.len();
        let call = caught_async(async { store.append(batch).await });
        let answers = call.await.unwrap_or_else(|panic| {
            let error = panic.into_error("engine", Retry::IfIdempotent, "append");
            vec![Err(error.into()); entries]
        });
        self.note(answers.iter().find_map(|answer| match answer {
            Err(AppendError::Backend(error)) => Some(error),
            _ => None,
        }));
        answers
    }

    async fn page(
        &self,
        room: &RoomId,
        page: Page,
        limit: usize,
    ) -> Result<Vec<Arc<Entry>>, BackendError> {
        watch!(self.page(room, page, limit), Safe)
    }

    async fn find(&self, room: &RoomId, id: MessageId) -> Result<Option<Arc<Entry>>, BackendError> {
        watch!(self.find(room, id), Safe)
    }
}

#[async_trait]
impl ReceiptStore for Watched<dyn Store> {
    async fn advance(
        &self,
        room: &RoomId,
        user: &UserId,
        mark: Mark,
        upto: Seq,
    ) -> Result<Change<Watermarks>, BackendError> {
        watch!(self.advance(room, user, mark, upto), IfIdempotent)
    }

    async fn watermarks(
        &self,
        room: &RoomId,
        users: &[UserId],
    ) -> Result<Vec<Watermarks>, BackendError> {
        watch!(self.watermarks(room, users), Safe)
    }

    async fn readers(
        &self,
        room: &RoomId,
        seq: Seq,
        after: Option<&UserId>,
        limit: usize,
    ) -> Result<Vec<Member>, BackendError> {
        watch!(self.readers(room, seq, after, limit), Safe)
    }

    async fn receipt_times(
        &self,
        room: &RoomId,
        user: &UserId,
        seqs: &[Seq],
    ) -> Result<Vec<ReceiptTimes>, BackendError> {
        watch!(self.receipt_times(room, user, seqs), Safe)
    }
}

#[async_trait]
impl PolicyStore for Watched<dyn Store> {
    async fn decide(&self, new: NewDecision) -> Result<Decision, BackendError> {
        watch!(self.decide(new), IfIdempotent)
    }

    async fn decisions(&self, after: Version, limit: usize) -> Result<Vec<Decision>, BackendError> {
        watch!(self.decisions(after, limit), Safe)
    }

    async fn newest_decision(&self) -> Result<Version, BackendError> {
        watch!(self.newest_decision(), Safe)
    }

    async fn forget_decisions(
        &self,
        before: DateTime<Utc>,
        now: DateTime<Utc>,
    ) -> Result<(), BackendError> {
        watch!(self.forget_decisions(before, now), IfIdempotent)
    }

    async fn in_force(&self, after: Ends, limit: usize) -> Result<Vec<Decision>, BackendError> {
        watch!(self.in_force(after, limit), Safe)
    }
}

#[async_trait]
impl LookStore for Watched<dyn Store> {
    async fn claim_look(&self, look: &Look, user: &UserId) -> Result<UserId, BackendError> {
        watch!(self.claim_look(look, user), IfIdempotent)
    }
}

#[async_trait]
impl BlockStore for Watched<dyn Store> {
    async fn block(&self, block: Block) -> Result<Block, BackendError> {
        watch!(self.block(block), IfIdempotent)
    }

    async fn unblock(&self, by: &UserId, user: &UserId) -> Result<Option<Block>, BackendError> {
        watch!(self.unblock(by, user), IfIdempotent)
    }

    async fn blocks_by(
        &self,
        by: &UserId,
        after: Option<&UserId>,
        limit: usize,
    ) -> Result<Vec<Block>, BackendError> {
        watch!(self.blocks_by(by, after, limit), Safe)
    }

    async fn blocks_of(&self, users: &[UserId], by: &[UserId]) -> Result<Vec<Block>, BackendError> {
        watch!(self.blocks_of(users, by), Safe)
    }
}

#[async_trait]
impl ErasureStore for Watched<dyn Store> {
    async fn delete_room(&self, room: &RoomId, epoch: Epoch) -> Result<bool, BackendError> {
        watch!(self.delete_room(room, epoch), IfIdempotent)
    }

    async fn rooms_about(
        &self,
        user: &UserId,
        after: Option<&RoomId>,
        limit: usize,
    ) -> Result<Vec<RoomId>, BackendError> {
        watch!(self.rooms_about(user, after, limit), Safe)
    }

    async fn entries_about(
        &self,
        room: &RoomId,
        user: &UserId,
        after: Seq,
        limit: usize,
    ) -> Result<Vec<Arc<Entry>>, BackendError> {
        watch!(self.entries_about(room, user, after, limit), Safe)
    }

    async fn erase_in(
        &self,
        room: &RoomId,
        user: &UserId,
        name: &UserId,
    ) -> Result<(), BackendError> {
        watch!(self.erase_in(room, user, name), IfIdempotent)
    }

    async fn erase_user(&self, user: &UserId, name: &UserId) -> Result<(), BackendError> {
        watch!(self.erase_user(user, name), IfIdempotent)
    }
}

#[async_trait]
impl PresenceCache for Watched<dyn Cache> {
    async fn touch(
        &self,
        user: &UserId,
        session: SessionId,
        ttl: Duration,
    ) -> Result<Transition, BackendError> {
        watch!(self.touch(user, session, ttl), IfIdempotent)
    }

    async fn release(&self, user: &UserId, session: SessionId) -> Result<Transition, BackendError> {
        watch!(self.release(user, session), IfIdempotent)
    }

    async fn presence(&self, users: &[UserId]) -> Result<Vec<Presence>, BackendError> {
        watch!(self.presence(users), Safe)
    }

    async fn online(&self, limit: usize) -> Result<Vec<UserId>, BackendError> {
        watch!(self.online(limit), Safe)
    }

    async fn forget_user(&self, user: &UserId) -> Result<(), BackendError> {
        watch!(self.forget_user(user), IfIdempotent)
    }

    async fn take_expired(&self, limit: usize) -> Result<Vec<UserId>, BackendError> {
        watch!(self.take_expired(limit), IfIdempotent)
    }
}

#[async_trait]
impl RateCache for Watched<dyn Cache> {
    async fn acquire(
        &self,
        key: &RateKey,
        policy: &RatePolicy,
    ) -> Result<rate::Decision, BackendError> {
        watch!(self.acquire(key, policy), IfIdempotent)
    }
}

#[async_trait]
impl HistoryCache for Watched<dyn Cache> {
    async fn window(
        &self,
        room: &RoomId,
        at: Cursor,
        range: RangeInclusive<Seq>,
    ) -> Result<Option<Vec<Arc<Entry>>>, BackendError> {
        watch!(self.window(room, at, range), Safe)
    }

    async fn forget_room(&self, room: &RoomId) -> Result<(), BackendError> {
        watch!(self.forget_room(room), IfIdempotent)
    }

    async fn fill(
        &self,
        room: &RoomId,
        at: Cursor,
        newest: &[Arc<Entry>],
    ) -> Result<(), BackendError> {
        watch!(self.fill(room, at, newest), IfIdempotent)
    }

    async fn extend(
        &self,
        room: &RoomId,
        epoch: Epoch,
        entries: &[Arc<Entry>],
    ) -> Result<(), BackendError> {
        watch!(self.extend(room, epoch, entries), IfIdempotent)
    }
}
