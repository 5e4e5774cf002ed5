//! Who asks, and for whom or what: the token and the name in the address of a request.

use axum::{
    extract::{FromRequestParts, Path},
    http::request::Parts,
};
use chat_core::{Actor, InvalidId, port::Via};

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
