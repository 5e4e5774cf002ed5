//! The origins of web pages.

use super::value::Value;

/// Which web pages may use the server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origins {
    /// Pages from the host that they address, and on a loopback address pages of this machine.
    Auto,
    /// All.
    Any,
    /// These, as browsers write them, `null` among them.
    These(Vec<String>),
}

impl Value for Origins {
    fn parse(text: &str) -> Result<Self, String> {
        match text {
            "auto" => Ok(Self::Auto),
            "any" => Ok(Self::Any),
            _ => {
                let origins = text.split(',').map(|origin| match origin {
                    // That of a page in a sandbox, or in a file.
                    "null" => Ok(origin.to_owned()),
                    _ => read(origin).map_err(|why| {
                        format!("auto, any, or origins such as https://chat.example.org: {origin:?} {why}")
                    }),
                });
                origins.collect::<Result<_, _>>().map(Self::These)
            }
        }
    }
}

/// An origin as browsers write it (RFC 6454, 6.2): in lower case, without the port that its scheme implies.
///
/// # Errors
///
/// The reason why no page has it, which completes a sentence that begins with the origin.
pub(crate) fn read(text: &str) -> Result<String, &'static str> {
    let Some((scheme, host)) = text.split_once("://") else {
        return Err("has no scheme");
    };
    let scheme = scheme.to_ascii_lowercase();
    let known = |c: char| c.is_ascii_alphanumeric() || "+-.".contains(c);
    if !scheme.starts_with(|c: char| c.is_ascii_alphabetic()) || !scheme.chars().all(known) {
        return Err("has no scheme");
    }
    if host.contains('*') {
        return Err("has a wildcard: list each host");
    }
    if !host.is_ascii() {
        return Err("has to name its host in ASCII, as browsers do (xn--...)");
    }
    if host.contains(['/', '?', '#']) {
        return Err("has a path");
    }
    if host.contains('@') {
        return Err("names a user");
    }
    let bad = |c: char| !c.is_ascii_graphic() || "<>\"\\^`{|}%".contains(c);
    if host.is_empty() || host.starts_with(':') || host.contains(bad) {
        return Err("has no host");
    }
    let port = match scheme.as_str() {
        "http" => 80,
        "https" => 443,
        // Apps have schemes of their own, whose origins are compared as they are.
        _ => return Ok(format!("{scheme}://{host}")),
    };
    let host = host.to_ascii_lowercase();
    let (host, given) = match host.rsplit_once(':') {
        Some((name, given)) if !given.ends_with(']') => (name, given),
        _ => (host.as_str(), ""),
    };
    if given.is_empty() {
        return Ok(format!("{scheme}://{host}"));
    }
    match given.parse::<u16>() {
        Ok(given) if given == port => Ok(format!("{scheme}://{host}")),
        Ok(given) => Ok(format!("{scheme}://{host}:{given}")),
        Err(_) => Err("has no port after its colon"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn origins_are_kept_as_browsers_write_them() {
        for (given, kept) in [
            ("https://Example.com", "https://example.com"),
            ("HTTPS://a.example:443", "https://a.example"),
            ("http://a.example:80", "http://a.example"),
            ("http://a.example:443", "http://a.example:443"),
            ("https://a.example:08443", "https://a.example:8443"),
            ("http://[::1]:80", "http://[::1]"),
            ("http://[::1]", "http://[::1]"),
            ("capacitor://localhost", "capacitor://localhost"),
            ("chrome-extension://abcdef", "chrome-extension://abcdef"),
            ("null", "null"),
        ] {
            let origins = Origins::parse(given);
            assert_eq!(origins, Ok(Origins::These(vec![kept.to_owned()])));
        }
    }

    #[test]
    fn an_origin_that_no_page_can_have_is_refused_with_the_reason() {
        for (given, why) in [
            ("https://*.a.example", "wildcard"),
            ("https://b\u{fc}cher.example", "xn--"),
            ("https://a.example/", "path"),
            ("https://me@a.example", "user"),
            ("a.example", "scheme"),
            ("https://", "host"),
        ] {
            let error = Origins::parse(given).unwrap_err();
            assert!(error.contains(why), "{given}: {error}");
        }
    }

    #[test]
    fn nonsense_is_no_origin() {
        for bad in [
            "*",
            "https://",
            "chat.example.org",
            "https://a.example/path",
            "any,https://a",
            "https://a:x",
            "https://:80",
            "any,null",
            "://a",
            "1a://b",
        ] {
            assert!(Origins::parse(bad).is_err(), "{bad:?}");
        }
    }
}
