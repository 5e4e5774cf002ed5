//! A row of the record: a decision as who did what to whom. The decision and its row are one thing in the store.

use std::net::IpAddr;

use chat_core::{ChatEngine, Decision, Error, Ruling, UserId, Version, Via};
use chrono::{DateTime, Utc};
use serde::Serialize;
use serde_json::{Map, Value};
use utoipa::ToSchema;

/// A row of the record.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub(crate) struct Row {
    /// Its number: 1, 2, 3, ...
    pub(crate) seq: Version,
    /// When it was.
    at: DateTime<Utc>,
    /// The user who acted: `admin` for the token of the administration, `system` for the server.
    actor: UserId,
    /// The way by which it came.
    via: Via,
    /// The address from which it came; null when that is not known.
    #[schema(value_type = Option<String>)]
    address: Option<IpAddr>,
    /// What was done, such as `ban`.
    action: String,
    /// The user or the token that it was done to.
    target: Option<String>,
    /// The room that it was done in.
    room: Option<String>,
    /// The version of the decision, which is its number too.
    version: Version,
    /// `ok`: what was refused is not on record, except for logins.
    outcome: &'static str,
    /// The other fields of the decision, such as its end and its reason. No text of a message or an
    /// announcement, and no token.
    #[schema(value_type = Object)]
    detail: Map<String, Value>,
}

/// The rows of these decisions. That of a lift says what was lifted, and of whom.
pub(crate) async fn rows(engine: &ChatEngine, decisions: Vec<Decision>) -> Result<Vec<Row>, Error> {
    let mut rows = Vec::with_capacity(decisions.len());
    for decision in decisions {
        let lifted = match decision.what.lifts() {
            Some(Version(lifted)) => {
                let before = Version(lifted.saturating_sub(1));
                engine.decisions(before, 1).await?.into_iter().next()
            }
            None => None,
        };
        let mut row = Row::from(decision);
        if let Some(lifted) = lifted.map(Row::from) {
            row.target = lifted.target;
            row.detail.insert("lifts".to_owned(), lifted.action.into());
        }
        rows.push(row);
    }
    Ok(rows)
}

impl From<Decision> for Row {
    fn from(decision: Decision) -> Self {
        let mut detail = match serde_json::to_value(&decision.what) {
            Ok(Value::Object(fields)) => fields,
            _ => Map::new(),
        };
        let mut text = |name: &str| match detail.remove(name) {
            Some(Value::String(text)) => Some(text),
            _ => None,
        };
        let action = text("action").unwrap_or_default();
        let (target, room) = (text("user").or_else(|| text("jti")), text("room"));
        let characters = text("text").map(|text| text.chars().count());
        if let Some(characters) = characters {
            detail.insert("characters".to_owned(), characters.into());
        }
        detail.retain(|_, value| !value.is_null());
        if !decision.reason.as_str().is_empty() {
            detail.insert("reason".to_owned(), decision.reason.as_str().into());
        }
        let failed = matches!(decision.what, Ruling::FailedLogins { .. });
        Self {
            seq: decision.version,
            at: decision.at,
            actor: decision.by,
            via: decision.via,
            address: decision.address,
            action,
            target,
            room,
            version: decision.version,
            outcome: if failed { "refused" } else { "ok" },
            detail,
        }
    }
}

#[cfg(test)]
mod tests {
    use chat_core::{Announcement, ClientMessageId, NewDecision, Reason, RoomId, Ruling, Scope};
    use serde_json::json;

    use super::*;

    fn row(what: Ruling) -> Value {
        let new = NewDecision {
            at: DateTime::UNIX_EPOCH,
            by: UserId::new("admin").unwrap(),
            via: Via::Admin,
            address: None,
            reason: Reason::new("spam").unwrap(),
            client_id: ClientMessageId::new("key").unwrap(),
            what,
        };
        serde_json::to_value(Row::from(new.numbered(Version(3)))).unwrap()
    }

    #[test]
    fn a_row_says_who_did_what_to_whom() {
        let bob = UserId::new("bob").unwrap();
        let ban = Ruling::Ban {
            user: bob,
            scope: Scope::Server,
            until: Some(DateTime::UNIX_EPOCH),
        };
        let expected = json!({
            "seq": 3, "at": "1970-01-01T00:00:00Z", "actor": "admin", "via": "admin", "address": null,
            "action": "ban", "target": "bob", "room": null, "version": 3, "outcome": "ok",
            "detail": { "scope": "server", "until": "1970-01-01T00:00:00Z", "reason": "spam" },
        });
        assert_eq!(row(ban), expected);
        let room = RoomId::new("alice,bob").unwrap();
        assert_eq!(row(Ruling::Inspect { room })["room"], "alice,bob");
    }

    #[test]
    fn a_row_has_no_text_of_an_announcement() {
        let text = Announcement::new("a canary").unwrap();
        let row = row(Ruling::Announce { text });
        assert_eq!(row["detail"]["characters"], 8);
        assert!(!row.to_string().contains("canary"));
    }

    #[test]
    fn every_row_is_below_a_kibibyte_without_its_reason() {
        let longest = UserId::new("\u{1f600}".repeat(64)).unwrap();
        for what in Ruling::examples(&longest) {
            let row = row(what);
            assert!(row["detail"].to_string().len() < 1_024, "{row}");
        }
    }
}
