//! The time as the old server wrote it: `14/6/2025, 3:07:09 pm`, in its own local time, or as its
//! runtime writes it in another locale.

use chrono::{DateTime, Local, NaiveDate, NaiveDateTime, NaiveTime, TimeZone};
use mongodb::bson::Bson;

/// When something was said, in microseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Time {
    At(i64),
    /// The clock was put back, so it showed this time twice.
    Twice(i64, i64),
    Unknown,
}

impl Time {
    pub(super) fn read(value: Option<&Bson>) -> Self {
        match value {
            Some(Bson::DateTime(date)) => Self::At(date.timestamp_millis().saturating_mul(1_000)),
            Some(Bson::String(text)) => Self::parse(text),
            _ => Self::Unknown,
        }
    }

    fn parse(text: &str) -> Self {
        if let Ok(at) = DateTime::parse_from_rfc3339(text) {
            return Self::At(at.timestamp_micros());
        }
        let micros = |at: DateTime<Local>| at.timestamp_micros();
        match parts(text).map(|local| Local.from_local_datetime(&local)) {
            Some(chrono::LocalResult::Single(at)) => Self::At(micros(at)),
            Some(chrono::LocalResult::Ambiguous(one, other)) => {
                let (one, other) = (micros(one), micros(other));
                Self::Twice(one.min(other), one.max(other))
            }
            _ => Self::Unknown,
        }
    }
}

/// A date, a comma, and a time of day with or without am or pm.
fn parts(text: &str) -> Option<NaiveDateTime> {
    let (date, clock) = text.split_once(',')?;
    // Newer runtimes put U+202F before `pm`.
    let clock: String = clock.chars().filter(|c| !c.is_whitespace()).collect();
    let digits = clock.trim_end_matches(|c: char| c.is_ascii_alphabetic() || c == '.');
    let half = clock[digits.len()..].replace('.', "");
    let [hour, minute, second] = numbers(digits, |c| c == ':')?;
    let hour = match half.to_ascii_lowercase().as_str() {
        "" => hour,
        "am" if (1..=12).contains(&hour) => hour % 12,
        "pm" if (1..=12).contains(&hour) => hour % 12 + 12,
        _ => return None,
    };
    let [one, two, three] = numbers(date.trim(), |c| matches!(c, '/' | '-' | '.'))?;
    let date = |year: u32, month, day| NaiveDate::from_ymd_opt(year.try_into().ok()?, month, day);
    let date = if one > 31 {
        date(one, two, three)
    } else if half.starts_with('P') || half.starts_with('A') {
        // The locale that writes `PM` is the American one, and has the month first.
        date(three, one, two).or_else(|| date(three, two, one))
    } else {
        date(three, two, one).or_else(|| date(three, one, two))
    };
    Some(date?.and_time(NaiveTime::from_hms_opt(hour, minute, second)?))
}

fn numbers(text: &str, separator: fn(char) -> bool) -> Option<[u32; 3]> {
    let mut parts = text.split(separator).map(|part| part.parse().ok());
    let found = [parts.next()??, parts.next()??, parts.next()??];
    parts.next().is_none().then_some(found)
}

#[cfg(test)]
mod tests {
    use super::*;
    use chat_core::old_time;
    use proptest::prelude::*;

    #[test]
    fn times_are_read_in_the_locales_that_a_node_server_may_have() {
        for text in [
            "14/6/2025, 3:07:09 pm",
            "14/06/2025, 3:07:09\u{202f}pm",
            "14/06/2025, 15:07:09",
            "14.6.2025, 15:07:09",
            "6/14/2025, 3:07:09 PM",
            "6/14/2025, 3:07:09\u{202f}PM",
            "2025-06-14, 3:07:09 p.m.",
            "2025/06/14, 15:07:09",
        ] {
            let shown = parts(text).map(|it| it.to_string());
            assert_eq!(shown.as_deref(), Some("2025-06-14 15:07:09"), "{text}");
        }
        let midnight = parts("1/2/2026, 12:00:00 am").map(|it| it.to_string());
        assert_eq!(midnight.as_deref(), Some("2026-02-01 00:00:00"));
        let utc = Time::parse("2025-06-14T15:07:09.5Z");
        assert_eq!(utc, Time::At(1_749_913_629_500_000));
    }

    #[test]
    fn what_is_no_time_is_unknown() {
        for text in [
            "",
            "yesterday",
            "14/6/2025",
            "14/6/2025, 3:07 pm",
            "14/6/2025, 13:07:09 pm",
            "14/6/2025, 0:07:09 am",
            "31/2/2025, 3:07:09 pm",
            "14/6/2025, 3:07:09 xm",
            "14/6/99999999999, 3:07:09 pm",
            "14/6/2025/1, 3:07:09 pm",
            "14/6/2025, 3:07:09:01 pm",
            "14/6/2025, é:07:09 pm",
        ] {
            assert_eq!(Time::parse(text), Time::Unknown, "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn what_the_server_writes_it_reads(seconds in 0..4_000_000_000_i64) {
            let at = DateTime::from_timestamp(seconds, 0).unwrap();
            let micros = at.timestamp_micros();
            match Time::parse(&old_time(at)) {
                Time::At(read) => prop_assert_eq!(read, micros),
                Time::Twice(one, other) => prop_assert!([one, other].contains(&micros)),
                Time::Unknown => prop_assert!(false, "{}", old_time(at)),
            }
        }

        #[test]
        fn no_text_is_too_strange(text in ".*") {
            Time::parse(&text);
        }
    }
}
