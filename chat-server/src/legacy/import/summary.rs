//! The result of an import, or of its dry run.

use std::{collections::BTreeMap, fmt};

use chat_core::port::Outcome;
use chat_store_mongo::old::Unfit;

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
            skipped: BTreeMap::new(),
        }
    }

    pub(super) fn count(&mut self, outcome: Outcome) {
        match outcome {
            Outcome::Stored => self.imported += 1,
            Outcome::Duplicate => self.present += 1,
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
        for (why, (count, ids)) in other.skipped {
            self.skip_all(why, count, ids);
        }
        self
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
        if self.guessed > 0 {
            writeln!(
                f,
                "  {} of the others have no time that can be read: they have that of their \
                 ObjectId, or of the message before",
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
