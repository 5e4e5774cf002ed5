//! Who asks, and for whom or what: the token and the name in the address of a request.

use axum::{
    extract::{FromRequestParts, Path},
    http::{header, request::Parts},
};
use chat_core::{Actor, InvalidId, port::Unauthenticated};

use crate::http::{app::App, failure::Failure};

/// The user whom the request's token stands for.
pub(super) struct Caller(pub(super) Actor);

impl FromRequestParts<App> for Caller {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Failure> {
        let header = parts.headers.get(header::AUTHORIZATION);
        let token = header.and_then(|value| std::str::from_utf8(value.as_bytes()).ok());
        let token = token.and_then(|value| value.split_once(' '));
        let user = match token {
            Some((scheme, token)) if scheme.eq_ignore_ascii_case("bearer") => {
                app.auth.authenticate(token.trim()).await
            }
            _ => Err(Unauthenticated {
                reason: "the header `authorization: Bearer TOKEN` is missing".to_owned(),
            }),
        };
        Ok(Self(
            app.engine.actor(user.map_err(chat_core::Error::from)?),
        ))
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
