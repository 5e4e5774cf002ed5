//! The result of an import, or of its dry run.

use std::{collections::BTreeMap, fmt};

use chat_core::port::Outcome;
use chat_store_mongo::old::{OldMessage, Unfit};
use chrono::{DateTime, Local, Utc};

/// How many ids are named for each reason.
const NAMED: usize = 3;

/// What an import has done, or with a dry run would do; shown as lines for people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Summary {
    dry_run: bool,
    /// Rooms with messages that are in the store now.
    pub rooms: usize,
    /// Messages that were not in the store before.
    pub imported: usize,
    /// Messages that were there already, from an earlier run.
    pub present: usize,
    /// Of both, those whose time could not be read.
    pub guessed: usize,
    /// Times that could be read with the day or with the month first.
    pub unclear: u64,
    /// The earliest and the latest of the times that could be read.
    pub dates: Option<(DateTime<Utc>, DateTime<Utc>)>,
    /// What was left out: how many for each reason, and the first of their ids.
    pub skipped: BTreeMap<Unfit, (usize, Vec<String>)>,
}

impl Summary {
    pub(super) fn new(dry_run: bool) -> Self {
        Self {
            dry_run,
            rooms: 0,
            imported: 0,
            present: 0,
            guessed: 0,
            unclear: 0,
            dates: None,
            skipped: BTreeMap::new(),
        }
    }

    pub(super) fn count(&mut self, outcome: Outcome) {
        match outcome {
            Outcome::Stored => self.imported += 1,
            Outcome::Duplicate => self.present += 1,
        }
    }

    /// Notes the time of a message.
    pub(super) fn date(&mut self, message: &OldMessage) {
        if message.guessed {
            self.guessed += 1;
        } else {
            let at = message.entry.at;
            self.dates = span(self.dates, Some((at, at)));
        }
    }

    pub(super) fn skip(&mut self, id: String, why: Unfit) {
        self.skip_all(why, 1, [id]);
    }

    fn skip_all(&mut self, why: Unfit, count: usize, ids: impl IntoIterator<Item = String>) {
        let (all, named) = self.skipped.entry(why).or_default();
        *all += count;
        named.extend(ids);
        // Rooms end in any order.
        named.sort();
        named.truncate(NAMED);
    }

    /// Both together.
    pub(super) fn plus(mut self, other: Self) -> Self {
        self.rooms += other.rooms;
        self.imported += other.imported;
        self.present += other.present;
        self.guessed += other.guessed;
        self.unclear += other.unclear;
        self.dates = span(self.dates, other.dates);
        for (why, (count, ids)) in other.skipped {
            self.skip_all(why, count, ids);
        }
        self
    }
}

type Span = Option<(DateTime<Utc>, DateTime<Utc>)>;

/// The time from the earlier begin to the later end.
fn span(one: Span, other: Span) -> Span {
    match (one, other) {
        (Some(one), Some(other)) => Some((one.0.min(other.0), one.1.max(other.1))),
        (one, other) => one.or(other),
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let skipped: usize = self.skipped.values().map(|(count, _)| count).sum();
        let messages = self.imported + self.present + skipped;
        let imported = if self.dry_run {
            "to import"
        } else {
            "imported"
        };
        for (what, count) in [
            ("rooms", self.rooms),
            ("messages", messages),
            (imported, self.imported),
            ("already there", self.present),
            ("skipped", skipped),
        ] {
            writeln!(f, "{what:<13} {count}")?;
        }
        for (why, (count, ids)) in &self.skipped {
            let more = if ids.len() < *count { ", ..." } else { "" };
            // They were chosen by others, and this is for a terminal.
            let ids: Vec<_> = ids.iter().map(|id| id.escape_debug().to_string()).collect();
            writeln!(f, "  {count} {why}: {}{more}", ids.join(", "))?;
        }
        writeln!(f, "{}", super::zone::shown())?;
        if let Some((earliest, latest)) = self.dates {
            let shown = |at: DateTime<Utc>| at.with_timezone(&Local).format("%F %T");
            writeln!(
                f,
                "the times are from {} to {}",
                shown(earliest),
                shown(latest)
            )?;
        }
        if self.unclear > 0 {
            writeln!(
                f,
                "  {} times could be read with the day or with the month first, and no other time \
                 of their form decides; if the dates are wrong, name the form, as in \
                 --time-format '%d/%m/%Y %H:%M:%S'",
                self.unclear
            )?;
        }
        if self.guessed > 0 {
            writeln!(
                f,
                "  {} of the others have no time that can be read: they have that of their \
                 ObjectId, or of the message before; --time-format names the form of the times",
                self.guessed
            )?;
        }
        if messages == 0 {
            f.write_str("nothing is there to import: does --from name the right database?\n")?;
        }
        f.write_str(if self.dry_run {
            "nothing was written"
        } else {
            "done"
        })
    }
}
