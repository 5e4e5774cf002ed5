//! Entries and receipts, as the writer stores them.

use std::sync::Arc;

use chat_core::{
    Entry, EntryBody, Mark, NewEntry, RoomId, Seq, UserId, Watermarks,
    port::{AppendError, Appended, BackendError, BackendErrorKind, Change, Outcome, Retry},
};
use rusqlite::{OptionalExtension, Statement, Transaction};

use crate::{
    error::backend_error,
    group::{self, Group, OpenRoom},
    row::{self, BodyColumns, entry_columns},
};

type Answer = Result<Appended, AppendError>;

impl Group<'_> {
    pub(crate) fn append(&mut self, batch: Vec<NewEntry>) -> rusqlite::Result<Vec<Answer>> {
        let Self { transaction, rooms } = self;
        let mut insert = transaction.prepare_cached(
            "INSERT INTO entry (room, seq, id, author, client_id, at, kind, target, text, member, \
             edited_at) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11) \
             ON CONFLICT DO NOTHING",
        )?;
        batch
            .into_iter()
            .map(|new| match rooms.open(transaction, &new.room)? {
                Some(room) => append_one(transaction, &mut insert, room, row::as_kept(new)),
                None => Ok(Err(AppendError::NoRoom)),
            })
            .collect()
    }

    pub(crate) fn advance(
        &mut self,
        room: &RoomId,
        user: &UserId,
        mark: Mark,
        upto: Seq,
    ) -> rusqlite::Result<Change<Watermarks>> {
        let Some(open) = self.rooms.open(&self.transaction, room)? else {
            return Ok(Change::Unchanged(Watermarks::default()));
        };
        let (number, head) = (open.number, open.room.head);
        let from = watermarks(&self.transaction, number, user)?;
        let to = from.advanced(mark, upto, head);
        if from == to {
            return Ok(Change::Unchanged(from));
        }
        self.transaction
            .prepare_cached(
                "REPLACE INTO receipt (room, user, delivered, read) VALUES (?1, ?2, ?3, ?4)",
            )?
            .execute((
                number,
                user.as_str(),
                row::number(to.delivered),
                row::number(to.read),
            ))?;
        Ok(Change::Moved { from, to })
    }
}

fn append_one(
    transaction: &Transaction<'_>,
    insert: &mut Statement<'_>,
    open: &mut OpenRoom,
    new: NewEntry,
) -> rusqlite::Result<Answer> {
    let (number, seq) = (open.number, open.room.head.next());
    if !target_exists(transaction, number, &new)? {
        // Perhaps because this very entry deleted it the first time.
        let first = first(transaction, number, &new)?;
        return Ok(first.ok_or(AppendError::NoTarget));
    }
    let Some(body) = BodyColumns::of(&new.body) else {
        return Ok(Err(refused("the store is older than this kind of entry")));
    };
    let stored = insert.execute((
        number,
        row::number(seq),
        new.id.0.as_bytes(),
        new.author.as_str(),
        new.client_id.as_str(),
        new.at.timestamp_micros(),
        body.kind,
        body.target,
        body.text,
        body.member,
        body.edited_at,
    ))?;
    if stored == 0 {
        let first = first(transaction, number, &new)?;
        return Ok(first.ok_or_else(|| refused("another entry has this id")));
    }
    take_effect(transaction, number, &new)?;
    open.room.head = seq;
    Ok(Ok(Appended {
        entry: Arc::new(new.numbered(seq)),
        outcome: Outcome::Stored,
    }))
}

/// Whether an edit or deletion has a message of its author to work on; any other entry
/// needs none.
fn target_exists(
    transaction: &Transaction<'_>,
    room: i64,
    new: &NewEntry,
) -> rusqlite::Result<bool> {
    let (EntryBody::Edit { target, .. } | EntryBody::Delete { target }) = &new.body else {
        return Ok(true);
    };
    transaction
        .prepare_cached(
            "SELECT 1 FROM entry WHERE room = ?1 AND seq = ?2 AND author = ?3 AND kind = ?4",
        )?
        .exists((
            room,
            row::number(*target),
            new.author.as_str(),
            row::MESSAGE,
        ))
}

/// The entry that was stored when this client message id came first.
fn first(
    transaction: &Transaction<'_>,
    room: i64,
    new: &NewEntry,
) -> rusqlite::Result<Option<Appended>> {
    let first: Option<Entry> = transaction
        .prepare_cached(concat!(
            "SELECT ",
            entry_columns!(),
            " FROM entry WHERE room = ?1 AND author = ?2 AND client_id = ?3"
        ))?
        .query_row(
            (room, new.author.as_str(), new.client_id.as_str()),
            |found| row::entry(found, &new.room),
        )
        .optional()?;
    Ok(first.map(|entry| Appended {
        entry: Arc::new(entry),
        outcome: Outcome::Duplicate,
    }))
}

/// What an entry does beside standing in the log.
fn take_effect(transaction: &Transaction<'_>, room: i64, new: &NewEntry) -> rusqlite::Result<()> {
    match &new.body {
        EntryBody::Edit { target, text } => {
            transaction
                .prepare_cached(
                    "UPDATE entry SET text = ?3, edited_at = ?4 WHERE room = ?1 AND seq = ?2",
                )?
                .execute((
                    room,
                    row::number(*target),
                    &**text,
                    new.at.timestamp_micros(),
                ))?;
        }
        EntryBody::Delete { target } => {
            for chosen in ["seq = ?2", "target = ?2 AND kind = 1"] {
                transaction
                    .prepare_cached(&format!(
                        "UPDATE entry SET kind = 3, text = NULL, target = NULL, \
                         edited_at = NULL WHERE room = ?1 AND {chosen}"
                    ))?
                    .execute((room, row::number(*target)))?;
            }
        }
        EntryBody::Joined { user } => group::add_member(transaction, &new.room, user.as_str())?,
        EntryBody::Left { user } => group::remove_member(transaction, &new.room, user.as_str())?,
        _ => {}
    }
    Ok(())
}

/// The one failure of a whole batch, told to each of its entries.
pub(crate) fn all_failed(error: BackendError, entries: usize) -> Vec<Answer> {
    let BackendError {
        kind,
        retry,
        operation,
        source,
        ..
    } = error;
    let source = source.map(Arc::<dyn std::error::Error + Send + Sync>::from);
    (0..entries)
        .map(|_| {
            let source = source.clone().map(|source| Box::new(source) as _);
            Err(BackendError {
                kind,
                retry,
                backend: "sqlite",
                operation,
                source,
            }
            .into())
        })
        .collect()
}

/// An entry that can't be stored, with the reason for the log.
fn refused(reason: &'static str) -> AppendError {
    backend_error(BackendErrorKind::Other, Retry::No, "append", reason).into()
}

/// How far a user has got in the room of this number.
pub(crate) fn watermarks(
    connection: &rusqlite::Connection,
    room: i64,
    user: &UserId,
) -> rusqlite::Result<Watermarks> {
    let found = connection
        .prepare_cached("SELECT delivered, read FROM receipt WHERE room = ?1 AND user = ?2")?
        .query_row((room, user.as_str()), |found| {
            Ok(Watermarks {
                delivered: row::seq(found, 0)?,
                read: row::seq(found, 1)?,
            })
        })
        .optional()?;
    Ok(found.unwrap_or_default())
}
