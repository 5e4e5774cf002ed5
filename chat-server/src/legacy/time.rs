//! The time of a message, as the old server wrote it.

use std::fmt::Display;

use chrono::{DateTime, Local, TimeZone, Utc};

/// A moment in the server's local time, as in `5/3/2026, 9:07:04 pm`: day first, no leading zeros
/// before the minutes.
pub(super) fn old_time(at: DateTime<Utc>) -> String {
    shown(&at.with_timezone(&Local))
}

fn shown<Z: TimeZone<Offset: Display>>(at: &DateTime<Z>) -> String {
    at.format("%-d/%-m/%Y, %-I:%M:%S %P").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use chrono::FixedOffset;

    #[test]
    fn times_read_as_the_old_server_wrote_them() {
        let india = FixedOffset::east_opt(5 * 3_600 + 1_800).unwrap();
        for (utc, text) in [
            ("2026-03-05T15:37:04Z", "5/3/2026, 9:07:04 pm"),
            ("2026-12-31T18:30:00Z", "1/1/2027, 12:00:00 am"),
            ("2026-11-22T06:30:59.999Z", "22/11/2026, 12:00:59 pm"),
            ("2026-01-09T00:00:00Z", "9/1/2026, 5:30:00 am"),
        ] {
            let at: DateTime<Utc> = utc.parse().unwrap();
            assert_eq!(shown(&at.with_timezone(&india)), text, "{utc}");
        }
    }
}
