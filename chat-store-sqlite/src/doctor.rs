//! Examines a store's file: the faults in it, and the remedy for each.

use std::{fmt, path::Path};

use chat_core::EntryKind;
use rusqlite::Connection;

use crate::{
    open,
    open_error::{OpenError, failed},
};

/// One fault of a store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// The fault.
    pub what: String,
    /// The remedy, in a sentence.
    pub remedy: &'static str,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.what, self.remedy)
    }
}

const RESTORE: &str = "restore a backup";

/// The highest number of findings that one check reports.
const MOST: i64 = 20;

/// The checks: a query that returns no row for a sound store, and the remedy for what it finds.
const QUESTIONS: [(&str, &str); 8] = [
    (
        "SELECT format('the log of %s has %d entries, from %d to %d, and should end at %d', room.id, \
         count(entry.seq), ifnull(min(entry.seq), 0), ifnull(max(entry.seq), 0), room.head) \
         FROM room LEFT JOIN entry ON entry.room = room.number GROUP BY room.number \
         HAVING count(entry.seq) <> room.head OR ifnull(max(entry.seq), 0) <> room.head \
         OR min(entry.seq) < 1 LIMIT ?1",
        RESTORE,
    ),
    (
        "SELECT format('in %s, %s has received up to %d and read up to %d of %d', room.id, user, \
         delivered, read, head) FROM receipt JOIN room ON room.number = receipt.room \
         WHERE read > delivered OR delivered > head OR read < 0 LIMIT ?1",
        RESTORE,
    ),
    (
        "SELECT format('%d entries are of room number %d, which is not there', count(*), \
         entry.room) FROM entry LEFT JOIN room ON room.number = entry.room \
         WHERE room.number IS NULL GROUP BY entry.room LIMIT ?1",
        RESTORE,
    ),
    (
        "SELECT format('%d receipts are of room number %d, which is not there', count(*), \
         receipt.room) FROM receipt LEFT JOIN room ON room.number = receipt.room \
         WHERE room.number IS NULL GROUP BY receipt.room LIMIT ?1",
        RESTORE,
    ),
    (
        "SELECT format('%d members are in %s, which is not there', count(*), member.room) \
         FROM member LEFT JOIN room ON room.id = member.room WHERE room.id IS NULL \
         GROUP BY member.room LIMIT ?1",
        RESTORE,
    ),
    (
        "SELECT format('%s has %d members, and counts %d', room.id, count(member.user), \
         room.members) FROM room LEFT JOIN member ON member.room = room.id GROUP BY room.number \
         HAVING count(member.user) <> room.members LIMIT ?1",
        RESTORE,
    ),
    (
        "SELECT format('%d entries are of a kind that this program does not know, %d', count(*), \
         kind) FROM entry WHERE kind NOT BETWEEN 0 AND ?2 GROUP BY kind LIMIT ?1",
        "run the program that wrote them, or a newer one",
    ),
    (
        "SELECT format('entry %d of %s still has the text of a deleted message', entry.seq, room.id) \
         FROM entry JOIN entry AS target ON target.room = entry.room AND target.seq = entry.target \
         JOIN room ON room.number = entry.room \
         WHERE entry.kind = 1 AND target.kind = 3 LIMIT ?1",
        RESTORE,
    ),
];

/// Examines the file of a store, which a program may have open: whether each page and index is
/// whole, each log is without a gap, each watermark is within its log, and every row belongs to an
/// existing room. The call reads the whole file, 100 MiB in about a second, and writes nothing.
///
/// # Errors
///
/// [`OpenError`] when the file can't be read at all.
///
/// # Cancel safety
///
/// A dropped call still runs to its end.
pub async fn examine(store: impl AsRef<Path>) -> Result<Vec<Finding>, OpenError> {
    let path = store.as_ref().to_owned();
    let named = path.clone();
    let examining = tokio::task::spawn_blocking(move || {
        let (connection, _hold) = open::look(&path)?;
        examine_open(&connection).map_err(|error| failed(&path, error))
    });
    examining.await.unwrap_or_else(|error| {
        let (path, source) = (named, error.into());
        Err(OpenError::Other { path, source })
    })
}

pub(crate) fn examine_open(connection: &Connection) -> rusqlite::Result<Vec<Finding>> {
    let mut check = connection.prepare(&format!("PRAGMA integrity_check({MOST})"))?;
    let mut findings = check
        .query_map((), |found| {
            Ok(Finding {
                what: found.get(0)?,
                remedy: RESTORE,
            })
        })?
        .collect::<rusqlite::Result<Vec<_>>>()?;
    findings.retain(|finding| finding.what != "ok");
    if !findings.is_empty() {
        // Queries on damaged pages give no useful answer.
        return Ok(findings);
    }
    let newest_kind = EntryKind::ALL.iter().map(|kind| kind.number()).max();
    for (question, remedy) in QUESTIONS {
        let mut query = connection.prepare(question)?;
        query.raw_bind_parameter(1, MOST)?;
        if query.parameter_count() > 1 {
            query.raw_bind_parameter(2, newest_kind)?;
        }
        let mut rows = query.raw_query();
        while let Some(found) = rows.next()? {
            findings.push(Finding {
                what: found.get(0)?,
                remedy,
            });
        }
    }
    Ok(findings)
}
