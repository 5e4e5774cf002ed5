//! The caller of a request, the message in its address, and the size of a page.

use axum::{
    extract::{FromRequestParts, Path},
    http::{StatusCode, request::Parts},
};
use chat_core::{Actor, InviteId, RoomId, Seq, UserId, port::Via};

use crate::http::{app::App, failure::Failure, peer::Address};

/// The user whom the request's token stands for.
pub(super) struct Caller(pub(super) Actor);

impl FromRequestParts<App> for Caller {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Failure> {
        let Ok(Address(from)) = Address::from_request_parts(parts, app).await;
        let principal = app
            .login
            .bearer(&app.engine, &parts.headers, Via::Rest, from)
            .await?;
        app.requests.of_user(&principal.user)?;
        Ok(Self(app.engine.actor_of(principal).coming_by(Via::Rest)))
    }
}

/// The room and the number of a message in the address.
pub(super) struct Numbered(pub(super) RoomId, pub(super) Seq);

impl FromRequestParts<App> for Numbered {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Failure> {
        let Path((room, seq)) = Path::<(String, u64)>::from_request_parts(parts, app).await?;
        Ok(Self(RoomId::new(room)?, Seq(seq)))
    }
}

/// The room and the invitation in the address.
pub(super) struct InviteInto(pub(super) RoomId, pub(super) InviteId);

impl FromRequestParts<App> for InviteInto {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Failure> {
        let Path((room, id)) = Path::<(String, InviteId)>::from_request_parts(parts, app).await?;
        Ok(Self(RoomId::new(room)?, id))
    }
}

/// The room and the user in the address.
pub(super) struct MemberOf(pub(super) RoomId, pub(super) UserId);

impl FromRequestParts<App> for MemberOf {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Failure> {
        let Path((room, user)) = Path::<(String, String)>::from_request_parts(parts, app).await?;
        Ok(Self(RoomId::new(room)?, UserId::new(user)?))
    }
}

/// The most that a page may have, which has to be from 1 to the most that the server gives.
pub(super) fn limit(app: &App, given: Option<usize>) -> Result<Option<usize>, Failure> {
    let most = app.engine.config().history_max;
    if given.is_some_and(|limit| !(1..=most).contains(&limit)) {
        let why = format!("`limit` is a number from 1 to {most}");
        return Err(Failure::new(StatusCode::BAD_REQUEST, why));
    }
    Ok(given)
}
