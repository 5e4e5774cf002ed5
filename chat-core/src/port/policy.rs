//! The log of decisions: who is revoked, banned or muted, and who decided what.

use std::fmt;

use async_trait::async_trait;
use chrono::{DateTime, Utc};

use super::BackendError;
use crate::model::{Decision, Ends, NewDecision, Version};

/// The log of decisions, which every node follows.
///
/// It is at the same time the record of all decisions, so a decision is never without its record.
#[async_trait]
pub trait PolicyStore: fmt::Debug + Send + Sync + 'static {
    /// Appends a decision, and answers with it as it stands in the log.
    ///
    /// - Versions are 1, 2, 3, ... without a gap, under any number of callers at once.
    /// - The decision comes back as it was given; times may lose what is below a microsecond.
    /// - A (user who decides, client id) that is there already answers with the first decision, and stores
    ///   nothing.
    async fn decide(&self, new: NewDecision) -> Result<Decision, BackendError>;

    /// Reads decisions in ascending order of version, from the first one after `after`, at most `limit`. There is
    /// no hole between them but where some were [removed](Self::forget_decisions).
    async fn decisions(&self, after: Version, limit: usize) -> Result<Vec<Decision>, BackendError>;

    /// The version of the newest decision; zero when there is none.
    async fn newest_decision(&self) -> Result<Version, BackendError>;

    /// Reads the decisions in force, in ascending order of [`Ends`], from the first one after `after`, at most
    /// `limit`.
    ///
    /// - In force is a decision whose [ruling has an end](crate::Ruling::end), and that no
    ///   later [`Lift`](crate::Ruling::Lift) names.
    /// - After [`Ends::after`] a moment come the decisions that are in force then.
    async fn in_force(&self, after: Ends, limit: usize) -> Result<Vec<Decision>, BackendError>;

    /// Removes decisions that were made before a moment, for the record is not kept for ever.
    ///
    /// - Those that are in force at `now` stay, and so does the newest one of all.
    /// - A [`Lift`](crate::Ruling::Lift) stays as long as the decision that it lifts.
    async fn forget_decisions(
        &self,
        before: DateTime<Utc>,
        now: DateTime<Utc>,
    ) -> Result<(), BackendError>;
}
