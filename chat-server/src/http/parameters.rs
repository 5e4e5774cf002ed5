//! The parameters of a request: a name or id in its address, its query, and its body.

use std::fmt;

use axum::{
    Json,
    body::Bytes,
    extract::{FromRequest, FromRequestParts, Path, Query, Request, rejection::JsonRejection},
    http::{StatusCode, request::Parts},
};
use chat_core::InvalidId;
use percent_encoding::percent_decode_str;
use serde::{
    Deserialize, Deserializer,
    de::{DeserializeOwned, DeserializeSeed, Error as _, MapAccess, SeqAccess, Visitor},
};
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

/// The body: one JSON object, in which no object names a field twice.
pub(crate) struct Body<T>(pub(crate) T);

impl<T: DeserializeOwned> FromRequest<App> for Body<T> {
    type Rejection = Failure;

    async fn from_request(request: Request, app: &App) -> Result<Self, Failure> {
        let Json(Object(object)) = Json::from_request(request, app).await?;
        read(object)
    }
}

/// The body, which may be absent, of a request for which all fields have defaults.
pub(crate) struct OptionalBody<T>(pub(crate) T);

impl<T: DeserializeOwned> FromRequest<App> for OptionalBody<T> {
    type Rejection = Failure;

    async fn from_request(request: Request, app: &App) -> Result<Self, Failure> {
        let (parts, body) = request.into_parts();
        let whole = Request::from_parts(parts.clone(), body);
        let bytes = Bytes::from_request(whole, app).await;
        let bytes = bytes.map_err(JsonRejection::from)?;
        let Body(body) = if bytes.is_empty() {
            read(Map::new())?
        } else {
            Body::from_request(Request::from_parts(parts, bytes.into()), app).await?
        };
        Ok(Self(body))
    }
}

fn read<T: DeserializeOwned>(object: Map<String, Value>) -> Result<Body<T>, Failure> {
    // The name of the field at fault is a part of the error.
    serde_path_to_error::deserialize(Value::Object(object))
        .map(Body)
        .map_err(|error| Failure::new(StatusCode::BAD_REQUEST, error.to_string()))
}

/// A JSON object that names no field twice, nor does any object in it. A derived reader alone would also take
/// an array of its fields, and serde's own objects keep the last of two.
struct Object(Map<String, Value>);

impl<'de> Deserialize<'de> for Object {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_map(Once).map(|value| match value {
            Value::Object(object) => Self(object),
            _ => Self(Map::new()),
        })
    }
}

/// Reads a value whose objects name each field once.
struct Once;

impl<'de> DeserializeSeed<'de> for Once {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<Value, D::Error> {
        from.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Once {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<Value, A::Error> {
        let mut object = Map::new();
        while let Some(name) = fields.next_key::<String>()? {
            if object.contains_key(&name) {
                return Err(A::Error::custom(format_args!(
                    "the field `{name}` is given twice"
                )));
            }
            object.insert(name, fields.next_value_seed(Self)?);
        }
        Ok(Value::Object(object))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut values: A) -> Result<Value, A::Error> {
        let mut array = Vec::new();
        while let Some(value) = values.next_element_seed(Self)? {
            array.push(value);
        }
        Ok(Value::Array(array))
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(value.into())
    }
}

/// Reads a field whose value is an object of these fields and no others.
pub(crate) fn of_fields<'de, T: DeserializeOwned, D: Deserializer<'de>>(
    from: D,
    known: &[&str],
) -> Result<T, D::Error> {
    let object = Map::<String, Value>::deserialize(from)?;
    if let Some(name) = object.keys().find(|name| !known.contains(&name.as_str())) {
        let known = known.join("`, `");
        let why = format!("unknown field `{name}`, expected one of `{known}`");
        return Err(D::Error::custom(why));
    }
    T::deserialize(Value::Object(object)).map_err(D::Error::custom)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn object(text: &str) -> Result<Map<String, Value>, String> {
        let object = serde_json::from_str::<Object>(text);
        object
            .map(|Object(map)| map)
            .map_err(|error| error.to_string())
    }

    #[test]
    fn a_body_is_read_as_it_is() {
        let text = r#"{"a":[1,-2,0.5,"x",null,true,{"b":{}}],"c":18446744073709551615}"#;
        let expected: Map<String, Value> = serde_json::from_str(text).unwrap();
        assert_eq!(object(text), Ok(expected));
    }

    #[test]
    fn a_field_that_is_given_twice_is_named_at_whatever_depth() {
        for text in [
            r#"{"a":1,"a":1}"#,
            r#"{"b":{"a":1,"a":2}}"#,
            r#"{"b":[{"c":{"a":1,"a":1}}]}"#,
        ] {
            let why = object(text).unwrap_err();
            assert!(
                why.contains("the field `a` is given twice"),
                "{text}: {why}"
            );
        }
    }

    #[test]
    fn only_an_object_is_a_body() {
        for text in ["[]", "[1]", "1", "null", r#""a""#] {
            let why = object(text).unwrap_err();
            assert!(why.contains("expected a JSON object"), "{text}: {why}");
        }
    }
}
