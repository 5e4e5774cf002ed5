//! The document of a decision.

use chat_core::{ClientMessageId, Decision, Reason, Ruling, UserId, Version, Via};
use chrono::DateTime;
use mongodb::error::{Error, Result};
use serde::{Deserialize, Serialize};

/// A decision, in collection `decisions`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct DecisionDoc {
    #[serde(rename = "_id")]
    pub(crate) version: i64,
    /// The time in microseconds; a BSON date has no more than milliseconds.
    at: i64,
    by: UserId,
    via: Via,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    address: Option<String>,
    reason: Reason,
    client_id: ClientMessageId,
    ruling: Ruling,
    /// The end of the ruling in microseconds; missing if it is never in force.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) until: Option<i64>,
    /// The version that it lifts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) lifts: Option<i64>,
}

impl DecisionDoc {
    pub(crate) fn of(decision: Decision) -> Self {
        Self {
            version: number(decision.version),
            at: decision.at.timestamp_micros(),
            by: decision.by,
            via: decision.via,
            address: decision.address.map(|address| address.to_string()),
            reason: decision.reason,
            client_id: decision.client_id,
            until: decision.what.end().map(|end| end.timestamp_micros()),
            lifts: decision.what.lifts().map(number),
            ruling: decision.what,
        }
    }

    pub(crate) fn decision(self) -> Result<Decision> {
        let invalid = |what: &str| Error::custom(format!("decision {}: {what}", self.version));
        Ok(Decision {
            version: version(self.version),
            at: DateTime::from_timestamp_micros(self.at)
                .ok_or_else(|| invalid("its time is out of range"))?,
            address: self
                .address
                .as_ref()
                .map(|address| address.parse())
                .transpose()
                .map_err(|_| invalid("its address is none"))?,
            by: self.by,
            via: self.via,
            reason: self.reason,
            client_id: self.client_id,
            what: self.ruling,
        })
    }
}

/// Converts a version to a field; one above the highest storable one becomes that one.
pub(crate) fn number(version: Version) -> i64 {
    i64::try_from(version.0).unwrap_or(i64::MAX)
}

pub(crate) fn version(number: i64) -> Version {
    Version(u64::try_from(number).unwrap_or(0))
}
