//! The standing of a user: what decisions say about them at a moment.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::Version;

/// What decisions say about a user at a moment.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Standing {
    /// Logins that were issued before this moment are not accepted.
    pub not_before: Option<DateTime<Utc>>,
    /// The bans in force; the user may come back after the last one.
    pub bans: Vec<Sanction>,
    /// The mutes in force; the user may speak after the last one.
    pub mutes: Vec<Sanction>,
}

/// A ban or a mute that is in force.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Sanction {
    /// The decision, which a [`Lift`](crate::Ruling::Lift) names.
    pub version: Version,
    /// Its end; `None` for one without an end.
    pub until: Option<DateTime<Utc>>,
}
