//! The types of settings, each with its form as text: the same in a flag, the environment and a file.

use std::{fmt, path::PathBuf, time::Duration};

use axum::http::Uri;
use chat_core::{OnlineList, PolicyStale};

/// A value that a setting can have.
pub(super) trait Value: Sized {
    /// Reads it; the error completes the sentence "... is not ...".
    fn parse(text: &str) -> Result<Self, String>;
}

/// Where messages are kept.
#[derive(Clone, PartialEq, Eq)]
pub enum StoreUrl {
    /// In an SQLite file, made when it is missing.
    Sqlite(PathBuf),
    /// In MongoDB, at this address of its driver.
    Mongo(String),
    /// In memory: they are gone when the server stops.
    Memory,
}

impl fmt::Debug for StoreUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sqlite(path) => f.debug_tuple("Sqlite").field(path).finish(),
            // An address may hold a password.
            Self::Mongo(_) => f.write_str("Mongo"),
            Self::Memory => f.write_str("Memory"),
        }
    }
}

/// Where presence and rate limits are kept, and through which nodes notify each other.
#[derive(Clone, PartialEq, Eq)]
pub enum CacheUrl {
    /// In the process, which is the only node.
    Memory,
    /// On the Redis, or the Redis cluster, at this URL.
    Redis(String),
}

impl fmt::Debug for CacheUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // A URL may hold a password.
        f.write_str(match self {
            Self::Memory => "Memory",
            Self::Redis(_) => "Redis",
        })
    }
}

/// A number per time, as in `5/60s`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    /// How many.
    pub count: u32,
    /// In which time.
    pub per: Duration,
}

/// How moderation looks for its words.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Match {
    /// As whole words.
    Word,
    /// Anywhere, as the old server did.
    Substring,
}

/// A number of bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bytes(pub usize);

/// What is logged, in the syntax of `RUST_LOG`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogFilter(pub String);

/// The form of the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// Lines for people.
    Text,
    /// An object of JSON on each line, for programs that collect logs.
    Json,
}

impl Value for LogFormat {
    fn parse(text: &str) -> Result<Self, String> {
        choose(text, &[("text", Self::Text), ("json", Self::Json)])
    }
}

/// The address at which a collector of OpenTelemetry takes traces by OTLP over HTTP: `http` or `https`, a
/// host and a port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CollectorUrl(pub Uri);

impl Value for Option<CollectorUrl> {
    fn parse(text: &str) -> Result<Self, String> {
        if text.is_empty() {
            return Ok(None);
        }
        let url = text.parse::<Uri>().ok().filter(|url| {
            matches!(url.scheme_str(), Some("http" | "https"))
                && url.path() == "/"
                && url.query().is_none()
                && !text.contains('@')
        });
        let form = "a URL without a path, such as http://127.0.0.1:4318";
        url.map(|url| Some(CollectorUrl(url)))
            .ok_or_else(|| form.to_owned())
    }
}

impl Value for StoreUrl {
    fn parse(text: &str) -> Result<Self, String> {
        match text.split_once(':') {
            None if text == "memory" => Ok(Self::Memory),
            Some(("sqlite", path)) if !path.is_empty() => Ok(Self::Sqlite(path.into())),
            Some(("mongodb" | "mongodb+srv", rest)) if rest.starts_with("//") => {
                Ok(Self::Mongo(text.to_owned()))
            }
            _ => Err("sqlite:PATH, mongodb://HOST/DATABASE or memory".to_owned()),
        }
    }
}

/// The address without its password, and without secrets among its options, so that it may be shown.
pub(crate) fn without_password(text: &str) -> String {
    let shown = without_login(text);
    let Some((address, options)) = shown.split_once('?').filter(|_| shown.contains("://")) else {
        return shown;
    };
    let options = options.split('&').map(|option| {
        let (name, _) = option.split_once('=').unwrap_or((option, ""));
        let name_folded = name.to_ascii_lowercase();
        let secrets = ["password", "secret", "token", "authmechanismproperties"];
        if secrets.iter().any(|secret| name_folded.contains(secret)) {
            format!("{name}=***")
        } else {
            option.to_owned()
        }
    });
    format!("{address}?{}", options.collect::<Vec<_>>().join("&"))
}

fn without_login(text: &str) -> String {
    // A password may hold what ought to be escaped in it, so up to the last one.
    let Some((before, hosts)) = text.rsplit_once('@') else {
        return text.to_owned();
    };
    let scheme = ["mongodb", "redis", "http"];
    if !scheme.iter().any(|scheme| before.starts_with(scheme)) {
        // Such as the path of a file.
        return text.to_owned();
    }
    let shown = before.split_once("://").and_then(|(scheme, login)| {
        let (user, _) = login.split_once(':')?;
        Some(format!("{scheme}://{user}:***@{hosts}"))
    });
    // What ends where is not known, or what stands there alone is a password.
    shown.unwrap_or_else(|| format!("***@{hosts}"))
}

impl Value for CacheUrl {
    fn parse(text: &str) -> Result<Self, String> {
        let redis = [
            "redis://",
            "rediss://",
            "redis-cluster://",
            "rediss-cluster://",
        ];
        if redis.iter().any(|scheme| text.starts_with(scheme)) {
            return Ok(Self::Redis(text.to_owned()));
        }
        match text {
            "memory" => Ok(Self::Memory),
            _ => Err(
                "redis://HOST:PORT, redis-cluster://HOST:PORT, with TLS rediss://HOST:PORT, or memory"
                    .to_owned(),
            ),
        }
    }
}

impl Value for Match {
    fn parse(text: &str) -> Result<Self, String> {
        choose(
            text,
            &[("word", Self::Word), ("substring", Self::Substring)],
        )
    }
}

impl Value for PolicyStale {
    fn parse(text: &str) -> Result<Self, String> {
        choose(text, &[("refuse", Self::Refuse), ("allow", Self::Allow)])
    }
}

impl Value for Option<OnlineList> {
    fn parse(text: &str) -> Result<Self, String> {
        choose(
            text,
            &[
                ("auto", None),
                ("all", Some(OnlineList::All)),
                ("rooms", Some(OnlineList::Rooms)),
                ("off", Some(OnlineList::Off)),
            ],
        )
    }
}

impl Value for bool {
    fn parse(text: &str) -> Result<Self, String> {
        choose(
            text,
            &[
                ("true", true),
                ("false", false),
                ("on", true),
                ("off", false),
            ],
        )
    }
}

pub(super) fn choose<T: Clone>(text: &str, choices: &[(&str, T)]) -> Result<T, String> {
    let found = choices.iter().find(|(name, _)| *name == text);
    found.map(|(_, value)| value.clone()).ok_or_else(|| {
        let names: Vec<_> = choices.iter().map(|(name, _)| *name).collect();
        names.join(" or ")
    })
}

impl Value for Rate {
    fn parse(text: &str) -> Result<Self, String> {
        let parsed = text.split_once('/').and_then(|(count, per)| {
            let count = count.parse().ok().filter(|count| *count > 0)?;
            Some(Self {
                count,
                // `100/s` is short for `100/1s`.
                per: match per.chars().next() {
                    Some('a'..='z') => Duration::parse(&format!("1{per}")),
                    _ => Duration::parse(per),
                }
                .ok()?,
            })
        });
        parsed.ok_or_else(|| "a rate such as 5/60s".to_owned())
    }
}

impl Value for Option<Rate> {
    fn parse(text: &str) -> Result<Self, String> {
        match text {
            "off" => Ok(None),
            _ => Rate::parse(text)
                .map(Some)
                .map_err(|what| format!("{what}, or off")),
        }
    }
}

impl Value for Duration {
    fn parse(text: &str) -> Result<Self, String> {
        /// Longer than any of these settings makes sense, and far from an overflow.
        const LONGEST: Duration = Duration::from_hours(24 * 365 * 10);
        let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
        let unit = match &text[digits.len()..] {
            "ms" => 1,
            "s" => 1_000,
            "m" => 60_000,
            "h" => 3_600_000,
            "d" => 24 * 3_600_000,
            _ => 0,
        };
        let millis = digits.parse::<u64>().unwrap_or(0).saturating_mul(unit);
        Some(Self::from_millis(millis))
            .filter(|time| !time.is_zero() && *time <= LONGEST)
            .ok_or_else(|| "a time above zero, such as 250ms, 5s, 2m, 1h or 7d".to_owned())
    }
}

impl Value for usize {
    fn parse(text: &str) -> Result<Self, String> {
        let number = text.parse().ok().filter(|number| *number > 0);
        number.ok_or_else(|| "a number above zero".to_owned())
    }
}

impl Value for Option<usize> {
    fn parse(text: &str) -> Result<Self, String> {
        match text {
            "auto" => Ok(None),
            _ => usize::parse(text)
                .map(Some)
                .map_err(|what| format!("{what}, or auto")),
        }
    }
}

impl Value for Bytes {
    fn parse(text: &str) -> Result<Self, String> {
        let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
        let unit = match &text[digits.len()..] {
            "" | "B" => 1,
            "KiB" => 1 << 10,
            "MiB" => 1 << 20,
            _ => 0,
        };
        let bytes = digits
            .parse::<usize>()
            .ok()
            .and_then(|number| number.checked_mul(unit));
        // Every one of these is a buffer, and a gigabyte of buffer is a slip of the pen.
        match bytes.filter(|bytes| (1..=1 << 30).contains(bytes)) {
            Some(bytes) => Ok(Self(bytes)),
            None => Err("a size up to 1024MiB, such as 4096, 64KiB or 1MiB".to_owned()),
        }
    }
}

impl Value for Option<PathBuf> {
    fn parse(text: &str) -> Result<Self, String> {
        Ok(Some(text)
            .filter(|text| !text.is_empty())
            .map(PathBuf::from))
    }
}

impl Value for LogFilter {
    fn parse(text: &str) -> Result<Self, String> {
        match tracing_subscriber::EnvFilter::try_new(text) {
            Ok(_) => Ok(Self(text.to_owned())),
            Err(_) => Err("a level such as info, or directives such as info,hyper=warn".to_owned()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_sizes_and_rates_read_as_people_write_them() {
        assert_eq!(Duration::parse("250ms"), Ok(Duration::from_millis(250)));
        assert_eq!(Duration::parse("2m"), Ok(Duration::from_mins(2)));
        assert_eq!(Duration::parse("7d"), Ok(Duration::from_hours(7 * 24)));
        assert_eq!(Bytes::parse("64KiB"), Ok(Bytes(65_536)));
        assert_eq!(Bytes::parse("4096"), Ok(Bytes(4_096)));
        let rate = Rate {
            count: 5,
            per: Duration::from_mins(1),
        };
        assert_eq!(Option::<Rate>::parse("5/60s"), Ok(Some(rate)));
        assert_eq!(Option::<Rate>::parse("off"), Ok(None));
        let a_second = Duration::from_secs(1);
        let short = Rate::parse("100/s").unwrap();
        assert_eq!((short.count, short.per), (100, a_second));
    }

    #[test]
    fn an_address_is_shown_without_its_password() {
        for (address, shown) in [
            ("mongodb://me:secret@db/chat", "mongodb://me:***@db/chat"),
            ("mongodb://db:27017/chat", "mongodb://db:27017/chat"),
            ("redis://me:hun@ter2@db:1", "redis://me:***@db:1"),
            ("redis://me:hun/t@er2@db:1/0", "redis://me:***@db:1/0"),
            ("redis://:secret@db:1", "redis://:***@db:1"),
            (
                "mongodb://db/chat?tls=true&tlsCertificateKeyFilePassword=hunter2",
                "mongodb://db/chat?tls=true&tlsCertificateKeyFilePassword=***",
            ),
            (
                "mongodb://me:a?b=c@db/chat?tls=true",
                "mongodb://me:***@db/chat?tls=true",
            ),
            ("redis:/me:secret@db:1", "***@db:1"),
            ("redis://secret@db:1", "***@db:1"),
            (
                "sqlite:./me@home:work/chat.db",
                "sqlite:./me@home:work/chat.db",
            ),
            ("sqlite:./chat.db", "sqlite:./chat.db"),
        ] {
            assert_eq!(without_password(address), shown);
        }
    }

    #[test]
    fn a_password_stands_in_no_debug_output() {
        let store = StoreUrl::parse("mongodb://me:secret@db/chat").unwrap();
        let cache = CacheUrl::parse("redis://me:secret@db").unwrap();
        assert_eq!(format!("{store:?} {cache:?}"), "Mongo Redis");
    }

    #[test]
    fn nonsense_and_overflow_are_refused() {
        for bad in [
            "",
            "5",
            "s",
            "-1s",
            "0s",
            "1.5s",
            "5 s",
            "99999999999999999999s",
            "18446744073709551615h",
            "5ü",
        ] {
            assert!(Duration::parse(bad).is_err(), "{bad:?}");
        }
        for bad in [
            "",
            "0",
            "KiB",
            "1GiB",
            "-1",
            "18446744073709551615MiB",
            "2048MiB",
        ] {
            assert!(Bytes::parse(bad).is_err(), "{bad:?}");
        }
        for bad in ["5", "0/1s", "5/", "/5s", "-1/5s", "5/0s", "off "] {
            assert!(Option::<Rate>::parse(bad).is_err(), "{bad:?}");
        }
        for bad in ["", "sqlite:", "sqlite", "mongo://x", "Memory"] {
            assert!(StoreUrl::parse(bad).is_err(), "{bad:?}");
        }
    }
}
