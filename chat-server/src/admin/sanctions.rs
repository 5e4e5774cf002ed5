//! Changes to what a user may do: kick, ban, mute and revoke, and the end of bans and mutes.

use std::time::Duration;

use axum::{Extension, Json, extract::State, http::StatusCode};
use chat_core::{
    ClientMessageId, Decision, Reason, Ruling, Sanction, Scope, Standing, TokenId, UserId, Version,
};
use chrono::{DateTime, Utc};
use serde::Deserialize;
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{
    admission::Administrator,
    change::{Key, Why, used_before},
};
use crate::{
    http::{
        app::App,
        failure::Failure,
        parameters::{Named, OptionalBody},
    },
    rest::document::Refusals,
};

/// The longest time of a ban or a mute with an end: a hundred years, in seconds.
const LONGEST: u64 = 100 * 365 * 24 * 3_600;

/// How many of the newest decisions are searched for an earlier one of the same key.
const SEARCHED: usize = 1_000;

/// The routes of this group.
pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(kick))
        .routes(routes!(ban, unban))
        .routes(routes!(mute, unmute))
        .routes(routes!(revoke))
        .routes(routes!(revoke_token))
}

/// For how long, and why.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Terms {
    /// For how many seconds, at most a hundred years; without it until it is lifted.
    #[schema(minimum = 1, maximum = 3_153_600_000_u64)]
    r#for: Option<u64>,
    /// The reason, for the record: at most 256 characters.
    #[serde(default)]
    #[schema(max_length = 256)]
    reason: Reason,
}

impl Terms {
    fn until(&self, now: DateTime<Utc>) -> Result<Option<DateTime<Utc>>, Failure> {
        let Some(seconds) = self.r#for else {
            return Ok(None);
        };
        if !(1..=LONGEST).contains(&seconds) {
            let why = format!("`for` is a number of seconds from 1 to {LONGEST}");
            return Err(Failure::new(StatusCode::BAD_REQUEST, why));
        }
        Ok(Some(now + Duration::from_secs(seconds)))
    }
}

/// Closes all connections of a user, who may come back at once.
#[utoipa::path(post, path = "/admin/v1/users/{user}/kick",
    params(
        ("user" = UserId, Path, description = "The user."),
        ("idempotency-key" = Option<ClientMessageId>, Header, description = "Makes a repetition safe."),
    ),
    request_body = Option<Why>, responses(
    (status = OK, description = "The decision.", body = Decision),
    Refusals,
))]
async fn kick(
    State(app): State<App>,
    Extension(by): Extension<Administrator>,
    Named(user): Named<UserId>,
    key: Key,
    OptionalBody(Why { reason }): OptionalBody<Why>,
) -> Result<Json<Decision>, Failure> {
    let kick = Ruling::Kick { user };
    by.decide(&app, key, reason, kick).await.map(Json)
}

/// Keeps a user out, for some time or until it is lifted. The user's connections are closed.
#[utoipa::path(post, path = "/admin/v1/users/{user}/ban",
    params(
        ("user" = UserId, Path, description = "The user."),
        ("idempotency-key" = Option<ClientMessageId>, Header, description = "Makes a repetition safe."),
    ),
    request_body = Option<Terms>, responses(
    (status = OK, description = "The decision.", body = Decision),
    Refusals,
))]
async fn ban(
    State(app): State<App>,
    Extension(by): Extension<Administrator>,
    Named(user): Named<UserId>,
    key: Key,
    OptionalBody(terms): OptionalBody<Terms>,
) -> Result<Json<Decision>, Failure> {
    let ban = Ruling::Ban {
        user,
        scope: Scope::Server,
        until: terms.until(app.engine.clock().now())?,
    };
    by.decide(&app, key, terms.reason, ban).await.map(Json)
}

/// Lets a user read and not write, for some time or until it is lifted.
#[utoipa::path(post, path = "/admin/v1/users/{user}/mute",
    params(
        ("user" = UserId, Path, description = "The user."),
        ("idempotency-key" = Option<ClientMessageId>, Header, description = "Makes a repetition safe."),
    ),
    request_body = Option<Terms>, responses(
    (status = OK, description = "The decision.", body = Decision),
    Refusals,
))]
async fn mute(
    State(app): State<App>,
    Extension(by): Extension<Administrator>,
    Named(user): Named<UserId>,
    key: Key,
    OptionalBody(terms): OptionalBody<Terms>,
) -> Result<Json<Decision>, Failure> {
    let mute = Ruling::Mute {
        user,
        scope: Scope::Server,
        until: terms.until(app.engine.clock().now())?,
    };
    by.decide(&app, key, terms.reason, mute).await.map(Json)
}

/// Lifts all bans of a user that are in force.
#[utoipa::path(delete, path = "/admin/v1/users/{user}/ban",
    params(
        ("user" = UserId, Path, description = "The user."),
        ("idempotency-key" = Option<ClientMessageId>, Header, description = "Makes a repetition safe."),
    ),
    request_body = Option<Why>, responses(
    (status = OK, description = "The decision that lifts the last one.", body = Decision),
    Refusals,
))]
async fn unban(
    State(app): State<App>,
    Extension(by): Extension<Administrator>,
    Named(user): Named<UserId>,
    key: Key,
    OptionalBody(Why { reason }): OptionalBody<Why>,
) -> Result<Json<Decision>, Failure> {
    lift(&app, &by, key, reason, &user, Kind::Ban).await
}

/// Lifts all mutes of a user that are in force.
#[utoipa::path(delete, path = "/admin/v1/users/{user}/mute",
    params(
        ("user" = UserId, Path, description = "The user."),
        ("idempotency-key" = Option<ClientMessageId>, Header, description = "Makes a repetition safe."),
    ),
    request_body = Option<Why>, responses(
    (status = OK, description = "The decision that lifts the last one.", body = Decision),
    Refusals,
))]
async fn unmute(
    State(app): State<App>,
    Extension(by): Extension<Administrator>,
    Named(user): Named<UserId>,
    key: Key,
    OptionalBody(Why { reason }): OptionalBody<Why>,
) -> Result<Json<Decision>, Failure> {
    lift(&app, &by, key, reason, &user, Kind::Mute).await
}

/// Refuses all tokens that a user has by now, and closes the connections that began with them. A token that is
/// issued later is accepted.
#[utoipa::path(post, path = "/admin/v1/users/{user}/revoke",
    params(
        ("user" = UserId, Path, description = "The user."),
        ("idempotency-key" = Option<ClientMessageId>, Header, description = "Makes a repetition safe."),
    ),
    request_body = Option<Why>, responses(
    (status = OK, description = "The decision.", body = Decision),
    Refusals,
))]
async fn revoke(
    State(app): State<App>,
    Extension(by): Extension<Administrator>,
    Named(user): Named<UserId>,
    key: Key,
    OptionalBody(Why { reason }): OptionalBody<Why>,
) -> Result<Json<Decision>, Failure> {
    let now = app.engine.clock().now();
    let revoke = Ruling::RevokeUser {
        user,
        issued_before: now,
        until: last_end(&app, now),
    };
    by.decide(&app, key, reason, revoke).await.map(Json)
}

/// Refuses one token, and closes the connections that began with it.
#[utoipa::path(post, path = "/admin/v1/tokens/{jti}/revoke",
    params(
        ("jti" = TokenId, Path, description = "The id of the token, its claim `jti`."),
        ("idempotency-key" = Option<ClientMessageId>, Header, description = "Makes a repetition safe."),
    ),
    request_body = Option<Why>, responses(
    (status = OK, description = "The decision.", body = Decision),
    Refusals,
))]
async fn revoke_token(
    State(app): State<App>,
    Extension(by): Extension<Administrator>,
    Named(jti): Named<TokenId>,
    key: Key,
    OptionalBody(Why { reason }): OptionalBody<Why>,
) -> Result<Json<Decision>, Failure> {
    let until = last_end(&app, app.engine.clock().now());
    let revoke = Ruling::RevokeToken { jti, until };
    by.decide(&app, key, reason, revoke).await.map(Json)
}

/// The time by which every token that exists by now has ended.
pub(super) fn last_end(app: &App, now: DateTime<Utc>) -> DateTime<Utc> {
    /// More than clocks may be apart.
    const LEEWAY: Duration = Duration::from_mins(1);
    now + app.settings.jwt_max_lifetime + LEEWAY
}

/// A kind of sanction.
#[derive(Debug, Clone, Copy)]
enum Kind {
    Ban,
    Mute,
}

impl Kind {
    /// The sanctions of this kind that are in force.
    fn of(self, standing: Standing) -> Vec<Sanction> {
        match self {
            Self::Ban => standing.bans,
            Self::Mute => standing.mutes,
        }
    }

    /// Whether a ruling is one of this kind against a user.
    fn is(self, what: &Ruling, against: &UserId) -> bool {
        match (self, what) {
            (Self::Ban, Ruling::Ban { user, .. }) | (Self::Mute, Ruling::Mute { user, .. }) => {
                user == against
            }
            _ => false,
        }
    }

    /// The refusal when there is nothing to lift.
    fn missing(self) -> Failure {
        let why = match self {
            Self::Ban => "no ban of this user is in force",
            Self::Mute => "no mute of this user is in force",
        };
        Failure::new(StatusCode::NOT_FOUND, why)
    }
}

/// Lifts the sanctions of a user that are of one kind. The last one has the key of the request, so that a
/// repetition after a crash completes what is left.
async fn lift(
    app: &App,
    by: &Administrator,
    key: Key,
    reason: Reason,
    user: &UserId,
    kind: Kind,
) -> Result<Json<Decision>, Failure> {
    let mut sanctions = kind.of(app.engine.standing(user).await?);
    let Some(Sanction { version, .. }) = sanctions.pop() else {
        return lifted_before(app, by, &key, &reason, user, kind).await;
    };
    for Sanction { version, .. } in sanctions {
        by.decide(app, Key::new()?, reason.clone(), Ruling::Lift { version })
            .await?;
    }
    by.decide(app, key, reason, Ruling::Lift { version })
        .await
        .map(Json)
}

/// The decision that lifted such a sanction under this key: the answer to a repetition.
async fn lifted_before(
    app: &App,
    by: &Administrator,
    Key(key): &Key,
    reason: &Reason,
    user: &UserId,
    kind: Kind,
) -> Result<Json<Decision>, Failure> {
    let Some(earlier) = earlier(app, by, key).await? else {
        return Err(kind.missing());
    };
    let Some(Version(lifted)) = earlier.what.lifts() else {
        return Err(used_before());
    };
    let lifted = app
        .engine
        .decisions(Version(lifted.saturating_sub(1)), 1)
        .await?;
    let same = lifted
        .first()
        .is_some_and(|lifted| kind.is(&lifted.what, user));
    if same && earlier.reason == *reason {
        Ok(Json(earlier))
    } else {
        Err(used_before())
    }
}

/// The decision that this administrator has made under this key, if it is among the newest ones.
pub(super) async fn earlier(
    app: &App,
    by: &Administrator,
    key: &ClientMessageId,
) -> Result<Option<Decision>, Failure> {
    let newest = app.engine.decided();
    let after = Version(newest.0.saturating_sub(SEARCHED as u64));
    let decisions = app.engine.decisions(after, SEARCHED).await?;
    let mut decisions = decisions.into_iter();
    Ok(decisions.find(|decision| decision.by == by.user && decision.client_id == *key))
}
