//! How a connection ends, and whether another one may do better.

use chat_core::ErrorBody;
use serde_json::Value;

use crate::error::{ClientError, because};

/// The close code for a token that is not, or no longer, valid.
const UNAUTHENTICATED: u16 = chat_core::CloseReason::Unauthenticated.code();

/// The error for a token that was valid, and has ended.
const TOKEN_EXPIRED: u16 = chat_core::ErrorCode::TokenExpired.code();

/// Characters of a reason that are shown.
const REASON: usize = 200;

/// The end of a connection, or of an attempt to make one.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum End {
    /// The next connection may do better; why this one ended, for people.
    Lost(String),
    /// No connection will do better.
    Final(ClientError),
}

impl End {
    pub(super) fn lost(reason: impl Into<String>) -> Self {
        Self::Lost(reason.into())
    }

    /// The meaning of a close frame of the server. `renewable`: the next connection has a new token.
    pub(super) fn closed(frame: Option<(u16, String)>, renewable: bool) -> Self {
        match frame {
            Some((UNAUTHENTICATED, _)) if renewable => Self::lost("the token is no longer valid"),
            // The codes of WebSocket itself: the client would do the same again.
            Some((code @ (1002 | 1003 | 1007 | 1009 | 4500..=4999), text)) => {
                Self::Final(ClientError::Closed { code, text })
            }
            Some((code, text)) if !text.is_empty() => {
                Self::Lost(format!("the server closed the connection: {text} ({code})"))
            }
            _ => Self::lost("the server closed the connection"),
        }
    }

    /// The meaning of a refused `hello`: the user is at fault, or the server can't take it now.
    /// `renewable`: the next connection has a new token.
    pub(super) fn refused(error: ErrorBody, renewable: bool) -> Self {
        match error.code {
            TOKEN_EXPIRED if renewable => Self::Lost(error.message),
            100..=199 | 213 => Self::Final(ClientError::Refused(error)),
            _ => Self::Lost(error.message),
        }
    }

    /// The meaning of an HTTP answer instead of a WebSocket. A server that was there before is
    /// taken to be restarting, whatever a proxy answers for it.
    pub(super) fn no_websocket(status: u16, body: &[u8], was_connected: bool) -> Self {
        let reason = reason(body);
        if was_connected || status >= 500 || matches!(status, 408 | 425 | 429) {
            Self::Lost(format!("HTTP status {status}{}", because(&reason)))
        } else {
            Self::Final(ClientError::NoChatServer { status, reason })
        }
    }

    /// What a name means that was not resolved: there is no such host, or the resolver can't be
    /// reached now. The kinds of `io::Error` don't tell the two apart, the resolver's text does.
    pub(super) fn not_resolved(host: &str, why: String, was_connected: bool) -> Self {
        let folded = why.to_ascii_lowercase();
        if was_connected || folded.contains("temporary") || folded.contains("try again") {
            return Self::Lost(format!("the name {host:?} is not resolved: {why}"));
        }
        let host = host.to_owned();
        Self::Final(ClientError::NoHost { host, why })
    }
}

/// The body of an HTTP answer in one line: the `message` of a JSON error, or a plain
/// text. A page of HTML says nothing to people in a terminal.
fn reason(body: &[u8]) -> String {
    let text = String::from_utf8_lossy(body);
    let json: Option<Value> = serde_json::from_str(&text).ok();
    let message = json.as_ref().and_then(|json| {
        let error = json.get("error").unwrap_or(json);
        error.get("message").unwrap_or(error).as_str()
    });
    let text = message.unwrap_or(text.trim());
    if text.starts_with(['<', '{', '[']) {
        return String::new();
    }
    let line = text.lines().next().unwrap_or_default();
    line.chars().take(REASON).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_reason_in_the_body_of_an_http_answer_is_shown() {
        for (body, shown) in [
            (
                r#"{"code":100,"name":"bad_request","message":"no"}"#,
                "HTTP status 400: no",
            ),
            (r#"{"error":"no"}"#, "HTTP status 400: no"),
            ("no\nmore", "HTTP status 400: no"),
            ("<html>no</html>", "HTTP status 400"),
            (r#"{"detail":"cut o"#, "HTTP status 400"),
            ("", "HTTP status 400"),
        ] {
            let End::Final(error) = End::no_websocket(400, body.as_bytes(), false) else {
                panic!("{body}");
            };
            let expected = format!("no chat server answers there: {shown}");
            assert_eq!(error.to_string(), expected, "{body}");
            let again = End::no_websocket(400, body.as_bytes(), true);
            assert_eq!(
                again,
                End::lost(shown),
                "a server that was there is restarting"
            );
        }
    }

    #[test]
    fn an_unknown_name_ends_the_client_and_a_silent_resolver_does_not() {
        let not_resolved = |why: &str, was_connected| {
            let why = format!("failed to lookup address information: {why}");
            let end = End::not_resolved("chat.example", why, was_connected);
            matches!(end, End::Final(ClientError::NoHost { .. }))
        };
        assert!(not_resolved("Name or service not known", false));
        assert!(not_resolved("Name does not resolve", false));
        assert!(!not_resolved("Name or service not known", true));
        assert!(!not_resolved("Temporary failure in name resolution", false));
        assert!(!not_resolved("Try again", false));
    }

    #[test]
    fn the_codes_after_which_a_server_closes_again_are_the_end() {
        for reason in chat_core::CloseReason::ALL {
            let end = End::closed(Some((reason.code(), String::new())), false);
            assert_eq!(
                matches!(end, End::Lost(_)),
                reason.reconnect(),
                "{reason:?}"
            );
        }
        for code in [1000, 1001, 1006, 1011, 1012] {
            let end = End::closed(Some((code, String::new())), false);
            assert!(matches!(end, End::Lost(_)), "{code}");
        }
    }

    #[test]
    fn a_token_that_ran_out_is_the_end_unless_it_can_be_renewed() {
        let frame = || Some((4501, "unauthenticated".to_owned()));
        assert!(matches!(End::closed(frame(), false), End::Final(_)));
        assert!(matches!(End::closed(frame(), true), End::Lost(_)));
    }
}
