//! The parameters of a request: a name or id in its address, and its query.

use axum::{
    extract::{FromRequestParts, Path, Query},
    http::{StatusCode, request::Parts},
};
use chat_core::InvalidId;
use percent_encoding::percent_decode_str;
use serde::de::DeserializeOwned;

use super::{app::App, failure::Failure};

/// The name or id in the address.
pub(crate) struct Named<T>(pub(crate) T);

impl<T: TryFrom<String, Error = InvalidId>> FromRequestParts<App> for Named<T> {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Failure> {
        let Path(text) = Path::<String>::from_request_parts(parts, app).await?;
        Ok(Self(T::try_from(text)?))
    }
}

/// The query: all of its parameters are known, and UTF-8.
pub(crate) struct Fields<T>(pub(crate) T);

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
