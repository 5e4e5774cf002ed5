//! Who asks, and for whom or what: the token of a request, and the names in its address and query.

use axum::{
    extract::{FromRequestParts, Path, Query},
    http::{StatusCode, request::Parts},
};
use chat_core::{Actor, InvalidId, RoomId, Seq, port::Via};
use percent_encoding::percent_decode_str;
use serde::de::DeserializeOwned;

use crate::http::{app::App, connections::Address, failure::Failure};

/// The user whom the request's token stands for.
pub(super) struct Caller(pub(super) Actor);

impl FromRequestParts<App> for Caller {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Failure> {
        let Ok(Address(from)) = Address::from_request_parts(parts, app).await;
        let principal = app.login.bearer(&parts.headers, Via::Rest, from).await?;
        Ok(Self(app.engine.actor_of(principal)))
    }
}

/// The name or id in the address.
pub(super) struct Named<T>(pub(super) T);

impl<T: TryFrom<String, Error = InvalidId>> FromRequestParts<App> for Named<T> {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Failure> {
        let Path(text) = Path::<String>::from_request_parts(parts, app).await?;
        Ok(Self(T::try_from(text)?))
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

/// The query: all of its parameters are known, and UTF-8.
pub(super) struct Fields<T>(pub(super) T);

impl<T: DeserializeOwned> FromRequestParts<App> for Fields<T> {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, _: &App) -> Result<Self, Failure> {
        // axum would replace what is no UTF-8.
        for pair in parts.uri.query().unwrap_or_default().split('&') {
            if percent_decode_str(pair).decode_utf8().is_err() {
                let name = pair.split('=').next().unwrap_or_default();
                let why = format!("the parameter `{name}` is not UTF-8");
                return Err(Failure::new(StatusCode::BAD_REQUEST, why));
            }
        }
        let Query(fields) = Query::try_from_uri(&parts.uri)?;
        Ok(Self(fields))
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
