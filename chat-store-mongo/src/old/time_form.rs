//! The forms in which JavaScript's `toLocaleString` writes a date and a time of day.
//!
//! A form is six numbers: a date, which is the half with a year of four digits, and a time of day,
//! in either order. Between them are punctuation, a marker of the half of the day, or a filler such
//! as `klo`; any other word makes the text unreadable, for it might change the meaning.

use chrono::{NaiveDate, NaiveDateTime, NaiveTime};

/// The length of the longest text that is read, in bytes; the longest form of the locales has 60.
const LONGEST: usize = 128;

/// The zeros of the decimal digits that locales write.
const ZEROS: &[char] = &[
    '0', '٠', '۰', '०', '০', '੦', '૦', '୦', '௦', '౦', '೦', '൦', '๐', '໐', '༠', '၀', '០', '᠐', '０',
];

/// Markers of the time before noon, in lower case and without punctuation.
const BEFORE_NOON: &[&str] = &[
    "am",
    "上午",
    "午前",
    "오전",
    "ص",
    "πμ",
    "pd",
    "eparadites",
    "pg",
    "gh",
    "ጥዋት",
    "dop",
    "fm",
    "fh",
    "de",
    "vm",
    "yb",
    "rn",
    "öö",
    "sa",
    "damanhã",
    "moies",
    "priekšp",
    "priekšpusdienā",
    "priešpiet",
    "prijepodne",
    "дп",
    "проб",
    "претпл",
    "претпладне",
    "таңкы",
    "тң",
    "үө",
    "לפנהצ",
    "قظ",
    "قبلازظهر",
    "غم",
    "पूर्वाह्न",
    "ਪੂਦੁ",
    "முற்பகல்",
    "ಪೂರ್ವಾಹ್ನ",
];

/// Markers of the time after noon, written as those before it.
const AFTER_NOON: &[&str] = &[
    "pm",
    "下午",
    "午後",
    "오후",
    "م",
    "μμ",
    "md",
    "epasdites",
    "ptg",
    "gd",
    "ከሰዓት",
    "odp",
    "em",
    "eh",
    "du",
    "nm",
    "yh",
    "in",
    "ös",
    "ch",
    "datarde",
    "nomëttes",
    "pēcp",
    "pēcpusdienā",
    "popiet",
    "popodne",
    "пп",
    "pop",
    "слоб",
    "попл",
    "попладне",
    "түштөнкийинки",
    "тк",
    "үх",
    "אחהצ",
    "بظ",
    "بعدازظهر",
    "غو",
    "अपराह्न",
    "ਬਾਦੁ",
    "பிற்பகல்",
    "ಅಪರಾಹ್ನ",
];

/// Words that don't change the meaning of a form, written as the markers are.
const FILLERS: &[&str] = &[
    "", "h", "min", "s", "klo", "kl", "u", "во", "г", "ч", "à", "at", "um", "в", "في", "ap", "年",
    "月", "日", "a",
];

/// The order of day and month.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Order {
    DayFirst,
    MonthFirst,
}

/// The features that all forms of one locale share, as far as a text shows them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Style {
    pub(super) year_first: bool,
    /// The character between the numbers of the date.
    separator: char,
    /// `true` if the text has `AM` or `PM` in Latin capitals.
    capitals: bool,
}

impl Style {
    /// Returns the order that most locales of the style have.
    pub(super) fn usual(self) -> Order {
        // A locale with a leading year writes dates from large to small. Of the locales that write
        // `PM`, the American one is the most common.
        if self.year_first || self.capitals {
            Order::MonthFirst
        } else {
            Order::DayFirst
        }
    }
}

/// A date and a time of day, in which the order of day and month may be open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Form {
    pub(super) style: Style,
    year: u32,
    /// Day and month in the order in which they are written.
    rest: [u32; 2],
    clock: NaiveTime,
}

impl Form {
    pub(super) fn read(text: &str) -> Option<Self> {
        if text.len() > LONGEST {
            return None;
        }
        let (numbers, between) = split(text)?;
        let year = numbers.iter().position(|number| *number >= 1_000)?;
        let (date, clock) = match year {
            0 | 2 => (0, 3),
            3 | 5 => (3, 0),
            _ => return None,
        };
        let (mut half, mut capitals) = (None, false);
        for gap in &between {
            let word = word(gap);
            if FILLERS.contains(&word.as_str()) {
                continue;
            }
            // In Chinese the marker follows the day without a space.
            let marker = word.strip_prefix('日').unwrap_or(&word);
            let after = AFTER_NOON.contains(&marker);
            if half.is_some() || !(after || BEFORE_NOON.contains(&marker)) {
                return None;
            }
            (half, capitals) = (Some(after), matches!(gap.trim(), "AM" | "PM"));
        }
        let hour = match (half, numbers[clock]) {
            (None, hour) => hour,
            (Some(after), hour @ 1..=12) => hour % 12 + if after { 12 } else { 0 },
            _ => return None,
        };
        let year_first = year == date;
        let rest = if year_first { date + 1 } else { date };
        let separator = between[date + 1].chars();
        let mut separator = separator.filter(|it| !is_ignored(*it));
        Some(Self {
            style: Style {
                year_first,
                separator: separator.next()?,
                capitals,
            },
            year: numbers[year],
            rest: [numbers[rest], numbers[rest + 1]],
            clock: NaiveTime::from_hms_opt(hour, numbers[clock + 1], numbers[clock + 2])?,
        })
    }

    /// Returns the order of day and month, where the numbers allow only one.
    pub(super) fn certain(&self) -> Option<Order> {
        match self.rest {
            [first, _] if first > 12 => Some(Order::DayFirst),
            [_, second] if second > 12 => Some(Order::MonthFirst),
            _ => None,
        }
    }

    /// Returns whether both orders give the same date.
    pub(super) fn is_same_in_both(&self) -> bool {
        self.rest[0] == self.rest[1]
    }

    /// Returns the local time, if there is such a date.
    pub(super) fn at(&self, order: Order) -> Option<NaiveDateTime> {
        let [month, day] = match self.certain().unwrap_or(order) {
            Order::MonthFirst => self.rest,
            Order::DayFirst => [self.rest[1], self.rest[0]],
        };
        let year = i32::try_from(self.year).ok()?;
        let date = match year {
            1_300..1_500 if self.style.year_first => persian(year, month, day),
            1_970..2_300 => NaiveDate::from_ymd_opt(year, month, day),
            // The Buddhist calendar of Thailand.
            2_500..2_800 => NaiveDate::from_ymd_opt(year - 543, month, day),
            _ => None,
        };
        Some(date?.and_time(self.clock))
    }
}

/// Returns the text with digits of all scripts as ASCII digits, and without the marks that steer
/// the direction of writing.
pub(super) fn plain(text: &str) -> String {
    let visible = text.chars().filter(|it| !is_direction(*it));
    let one = |it| match (digit(it), it) {
        (Some(digit), _) => char::from_digit(digit, 10).unwrap_or(it),
        (None, '\u{a0}' | '\u{202f}') => ' ',
        (None, it) => it,
    };
    visible.map(one).collect()
}

/// Splits a text into its six numbers and the texts before, between and after them.
fn split(text: &str) -> Option<([u32; 6], [String; 7])> {
    let (mut numbers, mut between) = ([0_u32; 6], <[String; 7]>::default());
    let (mut count, mut within) = (0, false);
    for one in text.chars() {
        if let Some(digit) = digit(one) {
            count += usize::from(!within);
            let number = numbers.get_mut(count - 1)?;
            *number = number.checked_mul(10)?.checked_add(digit)?;
            within = true;
        } else {
            between[count].push(one);
            within = false;
        }
    }
    (count == 6).then_some((numbers, between))
}

fn digit(one: char) -> Option<u32> {
    let mut values = ZEROS
        .iter()
        .map(|zero| u32::from(one).wrapping_sub(u32::from(*zero)));
    values.find(|value| *value < 10)
}

/// Returns the word between two numbers, in lower case.
fn word(gap: &str) -> String {
    let letters = gap.chars().filter(|it| !is_ignored(*it));
    let letters = letters.filter(|it| !it.is_ascii_punctuation());
    letters.flat_map(char::to_lowercase).collect()
}

/// Returns whether a character has no meaning here: space, marks of the direction of writing,
/// punctuation of other scripts.
fn is_ignored(one: char) -> bool {
    one.is_whitespace() || is_direction(one) || matches!(one, '،' | '״' | '\u{200c}')
}

fn is_direction(one: char) -> bool {
    matches!(one, '\u{200e}' | '\u{200f}' | '\u{61c}')
}

/// Converts a date of the Persian calendar, by the cycle of 33 years, which holds from 1178 to
/// 1633.
fn persian(year: i32, month: u32, day: u32) -> Option<NaiveDate> {
    let (first, days) = match month {
        1..=6 => ((month - 1) * 31, 31),
        7..=12 => ((month - 7) * 30 + 186, 30),
        _ => return None,
    };
    if !(1..=days).contains(&day) {
        return None;
    }
    let years = year + 1_595;
    let leap_days = years / 33 * 8 + (years % 33 + 3) / 4;
    let days = years * 365 + leap_days + i32::try_from(first + day).ok()? - 356_033;
    NaiveDate::from_num_days_from_ce_opt(days)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_of_the_persian_calendar_are_those_of_the_gregorian_one() {
        for (persian_date, expected) in [
            ((1405, 1, 12), "2026-04-01"),
            ((1405, 9, 2), "2026-11-23"),
            ((1399, 12, 30), "2021-03-20"),
            ((1400, 1, 1), "2021-03-21"),
            ((1403, 12, 30), "2025-03-20"),
            ((1404, 1, 1), "2025-03-21"),
        ] {
            let (year, month, day) = persian_date;
            let found = persian(year, month, day).map(|it| it.to_string());
            assert_eq!(found.as_deref(), Some(expected), "{persian_date:?}");
        }
        assert_eq!(persian(1405, 7, 31), None);
        assert_eq!(persian(1405, 13, 1), None);
    }

    #[test]
    fn no_marker_has_two_meanings() {
        for marker in BEFORE_NOON {
            assert!(!AFTER_NOON.contains(marker), "{marker}");
            assert!(!FILLERS.contains(marker), "{marker}");
        }
        for marker in AFTER_NOON {
            assert!(!FILLERS.contains(marker), "{marker}");
        }
    }
}
