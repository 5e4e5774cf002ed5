//! What all nodes share for a short time. A cache may forget; it never lies.

use std::{fmt, time::Duration};

use async_trait::async_trait;

use super::BackendError;
use crate::{
    ids::{SessionId, UserId},
    presence::Presence,
    rate::{Decision, RatePolicy},
};

/// Everything shared and expiring. Implemented by having the parts.
pub trait Cache: PresenceCache + RateCache {}

impl<T: PresenceCache + RateCache> Cache for T {}

/// What a lease that came or went did to its user.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Transition {
    /// The user was offline and is online.
    BecameOnline,
    /// The user was online and is offline.
    BecameOffline,
    /// Neither.
    Same,
}

/// Who is online: a lease for each device, renewed while it is connected.
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
    /// - A lease that isn't there, or belongs to somebody else, is [`Transition::Same`].
    async fn release(&self, user: &UserId, session: SessionId) -> Result<Transition, BackendError>;

    /// How these users are, in the order asked. A user is online while any lease lives.
    async fn presence(&self, users: &[UserId]) -> Result<Vec<Presence>, BackendError>;

    /// Users who are online, each once, in ascending order, at most `limit`.
    async fn online(&self, limit: usize) -> Result<Vec<UserId>, BackendError>;

    /// Users whose last lease ran out since the last call, at most `limit`.
    ///
    /// - Each is given to exactly one caller, and has been given `last_seen` at the lease's end.
    /// - A user who is back online by then isn't among them.
    async fn take_expired(&self, limit: usize) -> Result<Vec<UserId>, BackendError>;
}

/// Whose budget: a kind of action and the user.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct RateKey {
    /// What is limited, such as `send`.
    pub action: &'static str,
    /// Who.
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
