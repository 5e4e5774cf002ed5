//! The times of the old server, which wrote them as text in its own zone and locale, usually as
//! `14/6/2025, 3:07:09 pm`.

use std::{cmp::Ordering, collections::HashMap, fmt::Write as _, str::FromStr};

use chrono::{
    DateTime, Local, NaiveDateTime, TimeZone,
    format::{Item, StrftimeItems},
};
use mongodb::bson::RawBsonRef;

use super::time_form::{Form, Order, Style, plain};

/// The time at which a message was written, in microseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Time {
    At(i64),
    /// The clock was put back, so it showed this local time twice.
    Twice(i64, i64),
    Unknown,
}

/// A form of times that the caller names, in the notation of `strftime`: `%d.%m.%y %H:%M`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TimeFormat(String);

/// A text that is no [`TimeFormat`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a date and a time of day in the notation of strftime, such as %d/%m/%Y %H:%M:%S")]
pub struct InvalidTimeFormat;

impl FromStr for TimeFormat {
    type Err = InvalidTimeFormat;

    fn from_str(text: &str) -> Result<Self, InvalidTimeFormat> {
        // A format must read the text that it writes; otherwise it lacks a date or a time of day.
        let (format, mut sample) = (Self(text.to_owned()), String::new());
        let is_valid = StrftimeItems::new(text).all(|item| item != Item::Error);
        if !is_valid || write!(sample, "{}", DateTime::UNIX_EPOCH.naive_utc().format(text)).is_err()
        {
            return Err(InvalidTimeFormat);
        }
        format.read(&sample).ok_or(InvalidTimeFormat)?;
        Ok(format)
    }
}

impl TimeFormat {
    fn read(&self, text: &str) -> Option<NaiveDateTime> {
        NaiveDateTime::parse_from_str(text.trim(), &self.0).ok()
    }
}

/// The reader of the times of one collection: the noted times together decide whether the day or
/// the month comes first.
#[derive(Debug, Clone, Default)]
pub(super) struct Reader {
    format: Option<TimeFormat>,
    styles: HashMap<Style, Evidence>,
}

/// The numbers of times of one style that have the day first, that have the month first, and that
/// may have either.
#[derive(Debug, Clone, Copy, Default)]
struct Evidence {
    day_first: u64,
    month_first: u64,
    either: u64,
}

impl Evidence {
    fn order(self) -> Option<Order> {
        match self.day_first.cmp(&self.month_first) {
            Ordering::Greater => Some(Order::DayFirst),
            Ordering::Less => Some(Order::MonthFirst),
            Ordering::Equal => None,
        }
    }
}

impl Reader {
    pub(super) fn new(format: Option<TimeFormat>) -> Self {
        let styles = HashMap::new();
        Self { format, styles }
    }

    /// Takes one time of the collection into account.
    pub(super) fn note(&mut self, value: Option<RawBsonRef<'_>>) {
        let Some(form) = value
            .and_then(RawBsonRef::as_str)
            .filter(|text| self.formatted(text).is_none())
            .and_then(Form::read)
        else {
            return;
        };
        let evidence = self.styles.entry(form.style).or_default();
        match form.certain() {
            Some(Order::DayFirst) => evidence.day_first += 1,
            Some(Order::MonthFirst) => evidence.month_first += 1,
            None if form.is_same_in_both() => {}
            None => evidence.either += 1,
        }
    }

    /// Returns how many of the noted times could be read in two ways.
    pub(super) fn unclear(&self) -> u64 {
        let styles = self.styles.iter();
        // After a leading year comes the month, unless some time shows the opposite.
        let open = styles.filter(|(style, it)| match (it.day_first, it.month_first) {
            (0, 0) => !style.year_first,
            (0, _) | (_, 0) => false,
            _ => true,
        });
        open.map(|(_, it)| it.either).sum()
    }

    pub(super) fn read(&self, value: Option<RawBsonRef<'_>>) -> Time {
        match value {
            Some(RawBsonRef::DateTime(date)) => {
                Time::At(date.timestamp_millis().saturating_mul(1_000))
            }
            Some(RawBsonRef::String(text)) => self.parse(text),
            _ => Time::Unknown,
        }
    }

    fn parse(&self, text: &str) -> Time {
        if let Ok(at) = DateTime::parse_from_rfc3339(text) {
            return Time::At(at.timestamp_micros());
        }
        let local = self.formatted(text).or_else(|| {
            let form = Form::read(text)?;
            let noted = self.styles.get(&form.style);
            let order = noted.and_then(|it| it.order());
            form.at(order.unwrap_or_else(|| form.style.usual()))
        });
        let micros = |at: DateTime<Local>| at.timestamp_micros();
        match local.map(|local| Local.from_local_datetime(&local)) {
            Some(chrono::LocalResult::Single(at)) => Time::At(micros(at)),
            Some(chrono::LocalResult::Ambiguous(one, other)) => {
                let (one, other) = (micros(one), micros(other));
                Time::Twice(one.min(other), one.max(other))
            }
            _ => Time::Unknown,
        }
    }

    fn formatted(&self, text: &str) -> Option<NaiveDateTime> {
        self.format.as_ref()?.read(&plain(text))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use chat_core::old_time;
    use proptest::prelude::*;

    /// The texts that Node 16, 20 and 22 write for 00:07:27 on 23 November 2026 and for 22:07:27 on
    /// 1 April 2026 in the commonest locales, UTC: locale, first, second. Without data for a
    /// locale, Node writes the American form. Left out is `es-AR` of ICU 78, whose hours have no
    /// marker.
    const FORMS: &str = include_str!("time_forms.tsv");

    fn reader(noted: &[&str]) -> Reader {
        let mut reader = Reader::default();
        for text in noted {
            reader.note(Some(RawBsonRef::String(text)));
        }
        reader
    }

    fn local(reader: &Reader, text: &str) -> String {
        let shown = |at: i64| {
            let at = DateTime::from_timestamp_micros(at).unwrap();
            at.with_timezone(&Local).format("%F %T").to_string()
        };
        match reader.parse(text) {
            Time::At(at) | Time::Twice(at, _) => shown(at),
            Time::Unknown => "unknown".to_owned(),
        }
    }

    #[test]
    fn times_are_read_in_every_form_that_the_locales_of_node_write() {
        let mut wrong = Vec::new();
        for line in FORMS.lines() {
            let mut columns = line.split('\t');
            let mut next = || columns.next().unwrap();
            let (locale, late, early) = (next(), next(), next());
            // The 23rd of a month decides the order for the whole collection.
            let reader = reader(&[late, early]);
            let found = [late, early].map(|text| local(&reader, text));
            let expected = ["2026-11-23 00:07:27", "2026-04-01 22:07:27"];
            // The Islamic calendar is not read, nor mistaken for any other.
            let lunar = early.contains("هـ");
            let expected = if lunar { ["unknown"; 2] } else { expected };
            if found != expected {
                wrong.push(format!("{locale}: {late} {early}: {found:?}"));
            }
        }
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    }

    #[test]
    fn times_are_read_as_older_runtimes_wrote_them() {
        for text in [
            "14/6/2025, 3:07:09 pm",
            "14/06/2025, 3:07:09\u{202f}pm",
            "14/06/2025, 15:07:09",
            "14/06/2025 à 15:07:09",
            "6/14/2025, 3:07:09\u{202f}PM",
            "2025-06-14, 3:07:09 p.m.",
            "2025年6月14日 15:07:09",
        ] {
            let found = local(&Reader::default(), text);
            assert_eq!(found, "2025-06-14 15:07:09", "{text}");
        }
        let midnight = local(&Reader::default(), "1/2/2026, 12:00:00 am");
        assert_eq!(midnight, "2026-02-01 00:00:00");
        let utc = Reader::default().parse("2025-06-14T15:07:09.5Z");
        assert_eq!(utc, Time::At(1_749_913_629_500_000));
    }

    #[test]
    fn the_other_times_of_a_collection_say_whether_the_day_or_the_month_comes_first() {
        for (text, others, expected, unclear) in [
            ("4/1/2026 22:07:27", &[][..], "2026-01-04", 1),
            (
                "4/1/2026 22:07:27",
                &["4/23/2026 22:07:27"],
                "2026-04-01",
                0,
            ),
            (
                "4/1/2026 22:07:27",
                &["23/4/2026 22:07:27"],
                "2026-01-04",
                0,
            ),
            ("4/1/2026, 10:07:27 PM", &[], "2026-04-01", 1),
            (
                "4/1/2026, 10:07:27 PM",
                &["13/1/2026, 1:07:27 AM"],
                "2026-01-04",
                0,
            ),
            // A different style comes from a different locale.
            (
                "4/1/2026 22:07:27",
                &["4/23/2026, 1:07:27 AM"],
                "2026-01-04",
                1,
            ),
            ("2026-04-01 22:07:27", &[], "2026-04-01", 0),
            (
                "2026-04-01 22:07:27",
                &["2026-23-11 22:07:27"],
                "2026-01-04",
                0,
            ),
            // Both orders occur for certain, so the majority decides, and the summary counts the
            // time as unclear.
            (
                "4/1/2026 22:07:27",
                &[
                    "4/23/2026 22:07:27",
                    "23/4/2026 22:07:27",
                    "5/23/2026 22:07:27",
                ],
                "2026-04-01",
                1,
            ),
            ("4/4/2026 22:07:27", &[], "2026-04-04", 0),
        ] {
            let reader = reader(&[&[text], others].concat());
            let found = local(&reader, text);
            assert_eq!(found, format!("{expected} 22:07:27"), "{text} {others:?}");
            assert_eq!(reader.unclear(), unclear, "{text} {others:?}");
        }
    }

    #[test]
    fn a_format_that_is_named_goes_before_what_is_guessed() {
        let reader = |format: &str| Reader::new(Some(format.parse().unwrap()));
        let swapped = reader("%m/%d/%Y, %I:%M:%S %p");
        assert_eq!(
            local(&swapped, "4/1/2026, 10:07:27 pm"),
            "2026-04-01 22:07:27"
        );
        let short = reader("%d.%m.%y %H:%M");
        assert_eq!(local(&short, " 1.4.26 22:07"), "2026-04-01 22:07:00");
        assert_eq!(local(&short, "١.٤.٢٦ ٢٢:٠٧"), "2026-04-01 22:07:00");
        // All other times are read as they are without a format.
        assert_eq!(
            local(&short, "14/6/2025, 3:07:09 pm"),
            "2025-06-14 15:07:09"
        );
        for text in ["", "%H:%M:%S", "%d/%m/%Y", "%Q", "soon", "%d/%m/%Y %"] {
            assert_eq!(text.parse::<TimeFormat>(), Err(InvalidTimeFormat), "{text}");
        }
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
            "14/6/2025, 3:07:09 am pm",
            "14/6/99999999999, 3:07:09 pm",
            "14/6/2025/1, 3:07:09 pm",
            "14/6/2025, 3:07:09:01 pm",
            "14/6/2025, é:07:09 pm",
            "6/2025/14, 3:07:09 pm",
            "14/6/1447, 3:07:09 pm",
        ] {
            assert_eq!(Reader::default().parse(text), Time::Unknown, "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn what_the_server_writes_it_reads(seconds in 0..4_000_000_000_i64) {
            let at = DateTime::from_timestamp(seconds, 0).unwrap();
            let micros = at.timestamp_micros();
            match Reader::default().parse(&old_time(at)) {
                Time::At(read) => prop_assert_eq!(read, micros),
                Time::Twice(one, other) => prop_assert!([one, other].contains(&micros)),
                Time::Unknown => prop_assert!(false, "{}", old_time(at)),
            }
        }

        #[test]
        fn no_text_is_too_strange(text in ".*") {
            let mut reader = reader(&[&text]);
            reader.parse(&text);
            reader.format = text.parse().ok();
            reader.parse(&text);
        }
    }
}
