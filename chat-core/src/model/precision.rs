//! The precision of times.

use chrono::{DateTime, Utc};

/// A time in whole microseconds, the precision that every store keeps.
pub(crate) fn whole_micros(at: DateTime<Utc>) -> DateTime<Utc> {
    DateTime::from_timestamp_micros(at.timestamp_micros()).unwrap_or(at)
}
