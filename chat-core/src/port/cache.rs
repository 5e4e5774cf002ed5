//! The cache: what all nodes share for a short time. It may forget; it never lies.

use std::{borrow::Cow, fmt, ops::RangeInclusive, sync::Arc, time::Duration};

use async_trait::async_trait;

use super::BackendError;
use crate::{
    model::{Cursor, Entry, Epoch, Presence, RoomId, Seq, SessionId, UserId},
    rate::{Decision, RatePolicy},
};

/// Everything shared and expiring. Implemented by having the parts.
pub trait Cache: PresenceCache + RateCache + HistoryCache {}

impl<T: PresenceCache + RateCache + HistoryCache> Cache for T {}

/// The change of a user's presence by a lease that began or ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Transition {
    /// The user was offline and is online.
    BecameOnline,
    /// The user was online and is offline.
    BecameOffline,
    /// Neither.
    Same,
}

/// Presence: a lease for each device, renewed while the device is connected.
#[async_trait]
pub trait PresenceCache: fmt::Debug + Send + Sync + 'static {
    /// Gives a device its lease, or renews it, for `ttl` from now.
    ///
    /// - The first live lease of a user is [`Transition::BecameOnline`], any other
    ///   [`Transition::Same`]; of several devices that come at once exactly one is the first.
    /// - A lease that isn't renewed ends after `ttl`.
    async fn touch(
        &self,
        user: &UserId,
        session: SessionId,
        ttl: Duration,
    ) -> Result<Transition, BackendError>;

    /// Ends a device's lease.
    ///
    /// - The end of a user's last live lease is [`Transition::BecameOffline`] and sets `last_seen`.
    /// - A lease that isn't there, or belongs to another user, is [`Transition::Same`].
    async fn release(&self, user: &UserId, session: SessionId) -> Result<Transition, BackendError>;

    /// The presence of these users, in the order asked. A user is online while any lease lives.
    async fn presence(&self, users: &[UserId]) -> Result<Vec<Presence>, BackendError>;

    /// Users who are online, each once, in ascending order, at most `limit`.
    async fn online(&self, limit: usize) -> Result<Vec<UserId>, BackendError>;

    /// Users whose last lease ran out since the last call, at most `limit`.
    ///
    /// - Each is given to exactly one caller, and has been given `last_seen` at the lease's end.
    /// - A user who is back online by then isn't among them.
    async fn take_expired(&self, limit: usize) -> Result<Vec<UserId>, BackendError>;

    /// Forgets a user: their leases, and when they were last seen.
    ///
    /// - Such a user is offline, and was never online.
    async fn forget_user(&self, user: &UserId) -> Result<(), BackendError>;
}

/// The key of a budget: a kind of action and a user.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct RateKey {
    /// The action that is limited, such as `send`.
    pub action: Cow<'static, str>,
    /// The user.
    pub user: UserId,
}

/// Budgets that follow the user to every device and node.
#[async_trait]
pub trait RateCache: fmt::Debug + Send + Sync + 'static {
    /// Asks for one unit of a budget, as [`RatePolicy`] says.
    ///
    /// - Of any number of calls at once, only as many are allowed as the policy has units.
    /// - A refusal costs nothing: the call is allowed once its `retry_after` has passed.
    /// - Budgets of different keys don't touch each other.
    async fn acquire(&self, key: &RateKey, policy: &RatePolicy) -> Result<Decision, BackendError>;
}

/// The largest number of entries in a window of [`HistoryCache`].
pub const WINDOW: usize = 200;

/// The newest entries of rooms, so that the store isn't asked for them by each reader.
///
/// A room has at most one window. It stands at a cursor, and holds the entries that end there, in a
/// row. Edits and deletions are entries too, so what a log shows depends on its epoch and its newest
/// number alone: a window is right for whoever has just read in the store that the log ends where it
/// stands, however many writes never reached it. A cache may forget a window at any time, and does
/// when nobody has used it for an hour.
#[async_trait]
pub trait HistoryCache: fmt::Debug + Send + Sync + 'static {
    /// The entries `range` of a room, in ascending order, if its window stands exactly at `at` and
    /// holds all of them.
    ///
    /// - They are as they were given to [`fill`](Self::fill) and [`extend`](Self::extend).
    /// - What is damaged is not there. An empty range, and one that goes beyond `at`, is `None`.
    async fn window(
        &self,
        room: &RoomId,
        at: Cursor,
        range: RangeInclusive<Seq>,
    ) -> Result<Option<Vec<Arc<Entry>>>, BackendError>;

    /// Gives a room a window that stands at `at`.
    ///
    /// The caller has read in the store first that the log ends at `at`, and then `newest`: entries
    /// in a row, the last of which is number `at.seq`.
    ///
    /// - It holds at most the newest [`WINDOW`] of them, and fewer where they are long.
    /// - It replaces one that stands there or further back, and one of another epoch; one that
    ///   stands further on stays.
    async fn fill(
        &self,
        room: &RoomId,
        at: Cursor,
        newest: &[Arc<Entry>],
    ) -> Result<(), BackendError>;

    /// Follows what has been appended to a room, in ascending order, not always in a row. The
    /// entries are as they stood right after it, or later.
    ///
    /// - A window that stands just before an entry takes it, and stands at it.
    /// - One that [changes others](crate::EntryBody::changes_others) instead leaves a window that
    ///   holds only itself, whatever stood before it or in another epoch, also where there was none:
    ///   a text that is gone from the store can't come back by a late [`fill`](Self::fill).
    /// - Any other entry, and any that a window of its epoch is past already, changes nothing.
    async fn extend(
        &self,
        room: &RoomId,
        epoch: Epoch,
        entries: &[Arc<Entry>],
    ) -> Result<(), BackendError>;

    /// Forgets the window of a room.
    async fn forget_room(&self, room: &RoomId) -> Result<(), BackendError>;
}
