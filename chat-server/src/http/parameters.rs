//! The parameters of a request: a name or id in its address, its query, and its body.

use axum::{
    Json,
    body::Bytes,
    extract::{FromRequest, FromRequestParts, Path, Query, Request, rejection::JsonRejection},
    http::{StatusCode, request::Parts},
};
use chat_core::InvalidId;
use percent_encoding::percent_decode_str;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

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

/// The body: one JSON object. A derived reader alone would also take an array of its fields.
pub(crate) struct Body<T>(pub(crate) T);

impl<T: DeserializeOwned> FromRequest<App> for Body<T> {
    type Rejection = Failure;

    async fn from_request(request: Request, app: &App) -> Result<Self, Failure> {
        let Json(object) = Json::<Map<String, Value>>::from_request(request, app).await?;
        read(object)
    }
}

/// The body, which may be absent, of a request for which all fields have defaults.
pub(crate) struct OptionalBody<T>(pub(crate) T);

impl<T: DeserializeOwned> FromRequest<App> for OptionalBody<T> {
    type Rejection = Failure;

    async fn from_request(request: Request, app: &App) -> Result<Self, Failure> {
        let bytes = Bytes::from_request(request, app).await;
        let bytes = bytes.map_err(JsonRejection::from)?;
        let Json(object) = if bytes.is_empty() {
            Json(Map::new())
        } else {
            Json::<Map<String, Value>>::from_bytes(&bytes)?
        };
        read(object).map(|Body(body)| Self(body))
    }
}

fn read<T: DeserializeOwned>(object: Map<String, Value>) -> Result<Body<T>, Failure> {
    // The name of the field at fault is a part of the error.
    serde_path_to_error::deserialize(Value::Object(object))
        .map(Body)
        .map_err(|error| Failure::new(StatusCode::BAD_REQUEST, error.to_string()))
}
