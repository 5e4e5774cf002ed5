//! A task as a request, and what its answer means.

use std::time::Duration;

use axum::{
    body::Bytes,
    http::{HeaderValue, Method, Request, header},
};
use chat_core::{ErrorBody, IdGen as _, RandomIds, port::Secret};
use http_body_util::Full;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Value, json};
use tokio::time::timeout;

use super::{
    args::{AdminTask, Invocation, TokenFrom},
    error::AdminError,
    show::{self, Shows},
};
use crate::{files::read, http::client};

/// The longest time for which an answer is waited for.
const PATIENCE: Duration = Duration::from_secs(30);

/// The largest answer, in bytes.
const LARGEST: usize = 64 << 20;

/// All characters of a name that have a meaning in an address.
const PART: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'_')
    .remove(b'.')
    .remove(b'~');

/// A request to the administration, and the form in which its answer is shown.
struct Call {
    method: Method,
    path: String,
    /// The body of a change.
    body: Option<Value>,
    shows: Shows,
}

/// Asks the administration, and returns what to print.
///
/// # Errors
///
/// [`AdminError`] says what is wrong, and what to do.
pub async fn run(invocation: Invocation) -> Result<String, AdminError> {
    let Invocation {
        task,
        place,
        token,
        reason,
        key,
        json,
    } = invocation;
    let Call {
        method,
        path,
        body,
        shows,
    } = Call::of(&task, reason);
    let mut request = Request::builder()
        .method(method)
        .uri(path)
        .header(header::HOST, place.authority())
        .header(header::AUTHORIZATION, bearer(token)?)
        .header(header::CONNECTION, "close");
    if body.is_some() {
        let key = key.unwrap_or_else(|| RandomIds.next().to_string());
        request = request
            .header(header::CONTENT_TYPE, "application/json")
            .header("idempotency-key", key);
    }
    let body = body.map_or_else(String::new, |body| body.to_string());
    let request = request
        .body(Full::from(Bytes::from(body)))
        .map_err(|error| AdminError::Usage(format!("admin: {error}")))?;
    let asked = async {
        let stream = place.connect().await.map_err(|error| {
            AdminError::Failed(format!(
                "{place} can't be reached: {error}; start the server with --admin-listen, or name \
                 its place with --url"
            ))
        })?;
        let answered = client::exchange(stream, request, LARGEST).await;
        answered.map_err(|error| AdminError::Failed(format!("{place} gave no answer: {error}")))
    };
    let asked = timeout(PATIENCE, asked).await;
    let (status, answer) = asked.unwrap_or_else(|_| {
        let why = format!("{place} gave no answer within {PATIENCE:?}; what was asked may be done");
        Err(AdminError::Failed(why))
    })?;
    if !status.is_success() {
        let remedy = match status.as_u16() {
            401 => "; the token is not that of the administration",
            404 if serde_json::from_slice::<ErrorBody>(&answer).is_err() => {
                "; this is no chat-server, or not the address of its --admin-listen"
            }
            _ => "",
        };
        let why = serde_json::from_slice::<ErrorBody>(&answer)
            .map_or_else(|_| status.to_string(), |body| body.message);
        return Err(AdminError::Failed(format!("refused: {why}{remedy}")));
    }
    if matches!(shows, Shows::Lines) {
        let lines = String::from_utf8_lossy(&answer);
        return Ok(lines.trim_end().to_owned());
    }
    let answer: Value = serde_json::from_slice(&answer).map_err(|_| {
        AdminError::Failed(format!("{place} answers with something else than JSON"))
    })?;
    Ok(if json {
        answer.to_string()
    } else {
        show::show(shows, &answer)
    })
}

/// The header `authorization`, which no log shows.
fn bearer(token: TokenFrom) -> Result<HeaderValue, AdminError> {
    let secret = match token {
        TokenFrom::File(path) => read::secret(&path).map_err(|error| {
            AdminError::Usage(format!(
                "token-file: {} can't be used: {error}",
                path.display()
            ))
        })?,
        TokenFrom::Environment(token) => token,
    };
    let token = secret
        .text()
        .unwrap_or_default()
        .trim_end_matches(['\r', '\n']);
    let line = Secret::from(&*format!("Bearer {token}"));
    let mut value = HeaderValue::from_bytes(line.bytes())
        .map_err(|_| AdminError::Usage("admin: the token is not one line of ASCII".to_owned()))?;
    value.set_sensitive(true);
    Ok(value)
}

impl Call {
    fn of(task: &AdminTask, reason: Option<String>) -> Self {
        let part = |name: &str| utf8_percent_encode(name, PART).to_string();
        let reason = reason.map(|reason| ("reason", json!(reason)));
        match task {
            AdminTask::OnUser { action, user, time } => {
                let time = time.map(|time| ("for", json!(time.as_secs())));
                let path = format!("users/{}/{action}", part(user));
                Self::change(Method::POST, &path, reason.into_iter().chain(time))
            }
            AdminTask::Lift { action, user } => {
                let path = format!("users/{}/{action}", part(user));
                Self::change(Method::DELETE, &path, reason)
            }
            AdminTask::RevokeToken { jti } => {
                let path = format!("tokens/{}/revoke", part(jti));
                Self::change(Method::POST, &path, reason)
            }
            AdminTask::Assign { room, user, role } => {
                let path = format!("rooms/{}/members/{}", part(room), part(user));
                let role = ("role", json!(role));
                Self::change(Method::PUT, &path, reason.into_iter().chain([role]))
            }
            AdminTask::Announce { text } => {
                let text = ("text", json!(text));
                Self::change(Method::POST, "announce", reason.into_iter().chain([text]))
            }
            AdminTask::DeleteRoom { room } => {
                Self::change(Method::DELETE, &format!("rooms/{}", part(room)), reason)
            }
            AdminTask::Export { user } => Self {
                shows: Shows::Lines,
                ..Self::change(
                    Method::POST,
                    &format!("users/{}/export", part(user)),
                    reason,
                )
            },
            AdminTask::Notice { room, text } => {
                let path = format!("rooms/{}/notices", part(room));
                let text = ("text", json!(text));
                Self::change(Method::POST, &path, reason.into_iter().chain([text]))
            }
            AdminTask::User(user) => Self::read(&format!("users/{}", part(user)), Shows::User),
            AdminTask::Sessions { user, address } => {
                let wanted = [("user", user), ("address", address)];
                let wanted = wanted.map(|(name, value)| (name, value.clone()));
                Self::read(&format!("sessions{}", query(wanted)), Shows::Sessions)
            }
            AdminTask::Room(room) => Self::read(&format!("rooms/{}", part(room)), Shows::Room),
            AdminTask::Log { what, after, limit } => {
                let page = [("after", after), ("limit", limit)];
                let page = page.map(|(name, number)| (name, number.map(|it| it.to_string())));
                Self::read(&format!("{what}{}", query(page)), Shows::Log)
            }
        }
    }

    fn change(
        method: Method,
        path: &str,
        fields: impl IntoIterator<Item = (&'static str, Value)>,
    ) -> Self {
        let fields = fields
            .into_iter()
            .map(|(name, value)| (name.to_owned(), value));
        Self {
            method,
            path: format!("/admin/v1/{path}"),
            body: Some(Value::Object(fields.collect())),
            shows: Shows::Decision,
        }
    }

    fn read(path: &str, shows: Shows) -> Self {
        Self {
            method: Method::GET,
            path: format!("/admin/v1/{path}"),
            body: None,
            shows,
        }
    }
}

/// The query of these parameters, as far as they have a value.
fn query<const N: usize>(parameters: [(&str, Option<String>); N]) -> String {
    let given = parameters.into_iter().filter_map(|(name, value)| {
        let value = value?;
        Some(format!("{name}={}", utf8_percent_encode(&value, PART)))
    });
    let given: Vec<_> = given.collect();
    if given.is_empty() {
        return String::new();
    }
    format!("?{}", given.join("&"))
}
