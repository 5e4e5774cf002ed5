//! A change that an administrator makes: its parts in a request, and its way into the log of decisions.

use axum::{
    extract::FromRequestParts,
    http::{HeaderMap, StatusCode, request::Parts},
};
use chat_core::{
    ClientMessageId, Decision, IdGen as _, NewDecision, RandomIds, Reason, Ruling, Via,
};
use chrono::{DateTime, Utc};
use serde::Deserialize;
use utoipa::ToSchema;

use super::admission::Administrator;
use crate::http::{app::App, failure::Failure};

/// The header that makes a repetition of a change safe.
const KEY: &str = "idempotency-key";

/// The key of a change: that of the request, or a new one.
pub(super) struct Key(pub(super) ClientMessageId);

impl Key {
    /// One that was never used.
    pub(super) fn new() -> Result<Self, Failure> {
        Ok(Self(ClientMessageId::new(RandomIds.next().to_string())?))
    }
}

impl FromRequestParts<App> for Key {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, _: &App) -> Result<Self, Failure> {
        match key(&parts.headers)? {
            Some(key) => Ok(Self(ClientMessageId::new(key)?)),
            None => Self::new(),
        }
    }
}

fn key(headers: &HeaderMap) -> Result<Option<&str>, Failure> {
    let refused = |why| Failure::new(StatusCode::BAD_REQUEST, why);
    let mut keys = headers.get_all(KEY).iter();
    let Some(key) = keys.next() else {
        return Ok(None);
    };
    if keys.next().is_some() {
        return Err(refused("the header `idempotency-key` is there twice"));
    }
    let text = key.to_str();
    text.map(Some)
        .map_err(|_| refused("the header `idempotency-key` is not ASCII"))
}

/// Why a change is made.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Why {
    /// The reason, for the record: at most 256 characters.
    #[serde(default)]
    #[schema(max_length = 256)]
    pub(super) reason: Reason,
}

impl Administrator {
    /// Makes a change, unless the key says that it was made before; gives the decision either way.
    pub(super) async fn decide(
        &self,
        app: &App,
        Key(client_id): Key,
        reason: Reason,
        what: Ruling,
    ) -> Result<Decision, Failure> {
        let at = app.engine.clock().now();
        let asked = (subject(&what, at), reason.clone());
        let new = NewDecision {
            at,
            by: self.user.clone(),
            via: Via::Admin,
            address: self.address,
            reason,
            client_id,
            what,
        };
        let decision = app.engine.decide(new).await?;
        if (
            subject(&decision.what, decision.at),
            decision.reason.clone(),
        ) != asked
        {
            return Err(used_before());
        }
        Ok(decision)
    }
}

/// The refusal of a key under which another change was made.
pub(super) fn used_before() -> Failure {
    let why = "this `idempotency-key` was used for another change; choose a new one";
    Failure::new(StatusCode::CONFLICT, why)
}

/// What a ruling that was made at a moment says, with the seconds until its end in place of times: those are
/// others when a request is repeated.
fn subject(what: &Ruling, at: DateTime<Utc>) -> serde_json::Value {
    let mut subject = serde_json::to_value(what).unwrap_or_default();
    if let Some(fields) = subject.as_object_mut() {
        fields.remove("issued_before");
        let end = fields.get("until").and_then(serde_json::Value::as_str);
        if let Some(end) = end.and_then(|end| end.parse::<DateTime<Utc>>().ok()) {
            // The end was computed a moment before `at`.
            let seconds = (end - at).num_milliseconds().saturating_add(500) / 1_000;
            fields.insert("until".to_owned(), seconds.into());
        }
    }
    subject
}
