//! Lengths of time, as they are typed.

use std::time::Duration;

/// The time that is typed as a number and one of `s`, `m`, `h` and `d`.
pub(super) fn parse(text: &str) -> Option<Duration> {
    let (number, seconds) = [("s", 1), ("m", 60), ("h", 3_600), ("d", 86_400)]
        .iter()
        .find_map(|(unit, seconds)| Some((text.strip_suffix(unit)?, seconds)))?;
    // `parse` would take a sign.
    let is_number = number.bytes().all(|byte| byte.is_ascii_digit());
    let number: u64 = number.parse().ok().filter(|_| is_number)?;
    number.checked_mul(*seconds).map(Duration::from_secs)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_length_is_a_number_and_a_unit() {
        assert_eq!(parse("30s"), Some(Duration::from_secs(30)));
        assert_eq!(parse("5m"), Some(Duration::from_mins(5)));
        assert_eq!(parse("1h"), Some(Duration::from_hours(1)));
        assert_eq!(parse("7d"), Some(Duration::from_hours(7 * 24)));
        for wrong in [
            "",
            "7",
            "d",
            "+7d",
            "-7d",
            "7 d",
            "7w",
            "99999999999999999999d",
        ] {
            assert_eq!(parse(wrong), None, "{wrong:?}");
        }
        assert_eq!(parse(&format!("{}d", u64::MAX)), None);
    }
}
