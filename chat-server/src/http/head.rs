//! Rules for the head of every request, and headers of every answer.

use axum::{
    extract::{Request, State},
    http::{HeaderMap, HeaderName, HeaderValue, StatusCode, Version, header},
    middleware::Next,
    response::{IntoResponse, Response},
};

use super::failure::Failure;

/// Headers of which a proxy and this server could each believe another one, were there two.
const SINGLE: [HeaderName; 4] = [
    header::HOST,
    header::AUTHORIZATION,
    header::ORIGIN,
    header::CONTENT_TYPE,
];

/// What is wrong with a head that can be understood in two ways (RFC 9112, 3.2).
pub(super) fn check(version: Version, headers: &HeaderMap) -> Result<(), String> {
    for name in SINGLE {
        if headers.get_all(&name).iter().nth(1).is_some() {
            return Err(format!("the header `{name}` is there twice"));
        }
    }
    match headers.get(header::HOST) {
        Some(host) if !is_host(host.as_bytes()) => {
            Err("the header `host` is not the name of a host, and a port after it".to_owned())
        }
        // HTTP/1.0 knows no such header, and HTTP/2 has another place for it.
        None if version == Version::HTTP_11 => Err("the header `host` is missing".to_owned()),
        _ => Ok(()),
    }
}

/// Whether this is a host and perhaps a port (RFC 9110, 7.2), without user or path.
fn is_host(value: &[u8]) -> bool {
    let is_colon = |byte: &u8| *byte == b':';
    let (host, port) = match value {
        [b'[', rest @ ..] => {
            let Some(end) = rest.iter().position(|byte| *byte == b']') else {
                return false;
            };
            let (address, port) = (&rest[..end], &rest[end + 1..]);
            let known = |byte: &u8| byte.is_ascii_hexdigit() || b":.".contains(byte);
            if !address.iter().any(is_colon) || !address.iter().all(known) {
                return false;
            }
            match port {
                [] | [b':', ..] => (address, port),
                _ => return false,
            }
        }
        _ => value.split_at(value.iter().position(is_colon).unwrap_or(value.len())),
    };
    let is_name = |byte: &u8| byte.is_ascii_alphanumeric() || b"-._~%!$&'()*+,;=:".contains(byte);
    !host.is_empty() && host.iter().all(is_name) && port.iter().skip(1).all(u8::is_ascii_digit)
}

/// Refuses a body that is larger than the limit before any of it is read: a client that waits for
/// `100 Continue` gets the answer instead.
pub(super) async fn refuse_large(
    State(most): State<usize>,
    request: Request,
    next: Next,
) -> Response {
    let length = request.headers().get(header::CONTENT_LENGTH);
    let length = length.and_then(|length| length.to_str().ok()?.parse::<u64>().ok());
    if length.is_some_and(|length| length > most as u64) {
        let why = format!("a body has at most {most} bytes");
        return Failure::new(StatusCode::PAYLOAD_TOO_LARGE, why).into_response();
    }
    next.run(request).await
}

/// Adds security headers: no caching, no framing, no content sniffing, no referrer. An answer that has one
/// of them keeps its own.
pub(super) async fn keep_private(mut response: Response) -> Response {
    if response.status() != StatusCode::SWITCHING_PROTOCOLS {
        for (name, value) in [
            (header::CACHE_CONTROL, "no-store"),
            (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
            (header::REFERRER_POLICY, "no-referrer"),
            (
                header::CONTENT_SECURITY_POLICY,
                "default-src 'none'; frame-ancestors 'none'",
            ),
        ] {
            let own = response.headers_mut().entry(name);
            own.or_insert(HeaderValue::from_static(value));
        }
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_is_a_name_or_an_address_with_or_without_a_port() {
        for host in [
            "chat.example",
            "Chat.Example:5000",
            "127.0.0.1:1",
            "[::1]",
            "[::ffff:10.0.0.1]:80",
            "b%C3%BCcher.example",
            "x:",
        ] {
            assert!(is_host(host.as_bytes()), "{host}");
        }
        for host in [
            "",
            ":80",
            "me@chat.example",
            "me:secret@chat.example",
            "chat.example/path",
            "chat.example?query",
            "chat.example:80:90",
            "chat.example:http",
            "chat example",
            "one.example, two.example ",
            "http://chat.example",
            "[::1",
            "[::1]80",
            "[]",
            "[me]",
            "b\u{fc}cher.example",
        ] {
            assert!(!is_host(host.as_bytes()), "{host}");
        }
    }

    #[test]
    fn a_host_is_needed_where_the_version_knows_one() {
        let without = HeaderMap::new();
        assert!(check(Version::HTTP_11, &without).is_err());
        assert!(check(Version::HTTP_10, &without).is_ok());
        assert!(check(Version::HTTP_2, &without).is_ok());
    }
}
