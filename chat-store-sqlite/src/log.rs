//! Logs: appending entries, carrying out their effects, and reading pages.

use std::sync::Arc;

use async_trait::async_trait;
use chat_core::{
    Effect, Entry, EntryBody, EntryKind, MessageId, NewEntry, Page, Room, RoomId, Seq, UserId,
    port::{AppendError, Appended, BackendError, BackendErrorKind, LogStore, Outcome, Retry},
};
use rusqlite::{Connection, OptionalExtension, Statement};
use uuid::Uuid;

use crate::{
    blocks,
    error::{BACKEND, Failure},
    rooms,
    row::{self, BodyColumns, entry_columns},
    store::SqliteStore,
    transaction::{OpenRoom, Transaction, stored_room},
};

type Answer = Result<Appended, AppendError>;

impl Transaction<'_> {
    fn append(&mut self, batch: Vec<NewEntry>) -> rusqlite::Result<Vec<Answer>> {
        let Self { sql, rooms } = self;
        let mut insert = sql.prepare_cached(
            "INSERT INTO entry (room, seq, id, author, client_id, at, kind, target, text, member, \
             edited_at, role) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12) \
             ON CONFLICT DO NOTHING",
        )?;
        batch
            .into_iter()
            .map(|new| match rooms.open(sql, &new.room)? {
                Some(room) => append_one(sql, &mut insert, room, new.in_micros()),
                None => Ok(Err(AppendError::NoRoom)),
            })
            .map(|answer| match answer {
                Err(error) if error.sqlite_error().is_none() => {
                    // An earlier row that this job reads is damaged. The job has written nothing
                    // yet, so the other jobs of the transaction are not affected.
                    Ok(Err(Failure::before(error).of("append").into()))
                }
                answer => answer,
            })
            .collect()
    }
}

fn append_one(
    sql: &Connection,
    insert: &mut Statement<'_>,
    open: &mut OpenRoom,
    new: NewEntry,
) -> rusqlite::Result<Answer> {
    let (number, seq) = (open.number, open.room.head.next());
    if open.blocked != Some(false)
        && let Some(other) = new.unblocked_with()
    {
        let blocked = blocks::between(sql, &new.author, &other)?;
        open.blocked = Some(blocked);
        if blocked {
            return Ok(first(sql, number, &new)?.ok_or(AppendError::Blocked));
        }
    }
    // The target is read before it is changed, but a refusal is reported only after the check for
    // duplicates: the retry of a deletion finds its target deleted.
    let target = match new.body.effect().target() {
        Some(target) => stored_entry(sql, number, target, &new)?,
        None => None,
    };
    let role = |user: &UserId| rooms::stored_role(sql, &new.room, user);
    let owns_beside = |user: &UserId| rooms::has_owner_beside(sql, &new.room, user);
    if !new.is_allowed(&open.room, target.as_ref(), role, owns_beside)? {
        return Ok(first(sql, number, &new)?.ok_or(AppendError::NotAllowed));
    }
    let about = new.body.effect().membership();
    let was_member = match about {
        Some((user, _)) => role(user)?.is_some(),
        None => false,
    };
    if new.overfills(&open.room, was_member) {
        return Ok(first(sql, number, &new)?.ok_or(AppendError::Full));
    }
    let replaced = match new.body.effect().target() {
        Some(seq) => match target.and_then(|target| what_becomes_of(&target, &new)) {
            Some(body) => Some((seq, body)),
            None => return Ok(first(sql, number, &new)?.ok_or(AppendError::NoTarget)),
        },
        None => None,
    };
    let flat = new.body.flatten();
    let body = BodyColumns::of(&flat);
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
        body.role,
    ))?;
    if stored == 0 {
        let other = || {
            let (kind, retry) = (BackendErrorKind::Other, Retry::No);
            BackendError::new(BACKEND, kind, retry, "append", "another entry has this id").into()
        };
        return Ok(first(sql, number, &new)?.ok_or_else(other));
    }
    if let Some((target, body)) = replaced {
        rewrite(sql, "seq = ?2", number, target, &body)?;
    }
    let effect = new.body.effect();
    match effect {
        Effect::None | Effect::Replace { .. } | Effect::Describe { .. } => {}
        Effect::Erase { target } => {
            // The condition has the form of the index, so that `SQLite` uses it.
            let replacements = format!("target = ?2 AND kind = {}", EntryKind::Edit.number());
            rewrite(sql, &replacements, number, target, &EntryBody::Deleted)?;
        }
        Effect::Admit { user, role } | Effect::Assign { user, role } => {
            rooms::admit(sql, &new.room, user, role, new.at, seq)?;
        }
        Effect::Dismiss { user } => rooms::dismiss(sql, &new.room, user)?,
    }
    if about.is_some() || matches!(effect, Effect::Describe { .. }) {
        let Room {
            details, members, ..
        } = &open.room;
        let after = effect.room_after(details, *members, was_member);
        if after != (details.clone(), *members) {
            (open.room.details, open.room.members) = after;
            rooms::describe(sql, number, &open.room)?;
        }
    }
    open.room.head = seq;
    if let EntryBody::Message { .. } = new.body {
        open.last_message = Some((seq, new.at));
    }
    Ok(Ok(Appended {
        entry: Arc::new(new.numbered(seq)),
        outcome: Outcome::Stored,
    }))
}

/// The new body of an entry's target; `None` if the entry may not change it.
fn what_becomes_of(target: &Entry, new: &NewEntry) -> Option<EntryBody> {
    let effect = new.body.effect();
    let body = effect.on(target, &new.author, new.at);
    body.filter(|_| new.reaches(target))
}

/// The entry with this number in the room of a new one.
fn stored_entry(
    sql: &Connection,
    room: i64,
    seq: Seq,
    new: &NewEntry,
) -> rusqlite::Result<Option<Entry>> {
    sql.prepare_cached(concat!(
        "SELECT ",
        entry_columns!(),
        " FROM entry WHERE room = ?1 AND seq = ?2"
    ))?
    .query_row((room, row::number(seq)), |found| {
        row::entry(found, &new.room)
    })
    .optional()
}

/// Replaces the body of those entries of a room that `chosen` selects by the parameter `?2`.
fn rewrite(
    sql: &Connection,
    chosen: &str,
    room: i64,
    number: Seq,
    body: &EntryBody,
) -> rusqlite::Result<()> {
    let flat = body.flatten();
    let body = BodyColumns::of(&flat);
    let update = format!(
        "UPDATE entry SET kind = ?3, target = ?4, text = ?5, member = ?6, edited_at = ?7, \
         role = ?8 \
         WHERE room = ?1 AND {chosen}"
    );
    sql.prepare_cached(&update)?
        .execute((
            room,
            row::number(number),
            body.kind,
            body.target,
            body.text,
            body.member,
            body.edited_at,
            body.role,
        ))
        .map(drop)
}

/// The answer for the entry that was stored first with this client message id, if there is one.
fn first(sql: &Connection, room: i64, new: &NewEntry) -> rusqlite::Result<Option<Appended>> {
    let first: Option<Entry> = sql
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

#[async_trait]
impl LogStore for SqliteStore {
    async fn append(&self, batch: Vec<NewEntry>) -> Vec<Answer> {
        let entries = batch.len();
        let work = |transaction: &mut Transaction<'_>| transaction.append(batch);
        match self.writer.submit("append", entries, work).await {
            Ok(answers) => answers,
            Err(error) => vec![Err(error.into()); entries],
        }
    }

    async fn page(
        &self,
        room: &RoomId,
        page: Page,
        limit: usize,
    ) -> Result<Vec<Arc<Entry>>, BackendError> {
        let room = room.clone();
        let query = move |snapshot: &Connection| {
            let Some((number, Room { head, .. })) = stored_room(snapshot, &room)? else {
                return Ok(Vec::new());
            };
            let (first, last) = page.range(head, limit).into_inner();
            snapshot
                .prepare_cached(concat!(
                    "SELECT ",
                    entry_columns!(),
                    " FROM entry WHERE room = ?1 AND seq BETWEEN ?2 AND ?3 ORDER BY seq"
                ))?
                .query_map((number, row::number(first), row::number(last)), |found| {
                    row::entry(found, &room).map(Arc::new)
                })?
                .collect()
        };
        self.readers.read("page", query).await
    }

    async fn find(&self, room: &RoomId, id: MessageId) -> Result<Option<Arc<Entry>>, BackendError> {
        let room = room.clone();
        let query = move |snapshot: &Connection| {
            snapshot
                .prepare_cached(concat!(
                    "SELECT ",
                    entry_columns!(),
                    " FROM entry JOIN room ON room.number = entry.room \
                     WHERE entry.id = ?1 AND room.id = ?2"
                ))?
                .query_row((Uuid::as_bytes(&id.0), room.as_str()), |found| {
                    row::entry(found, &room).map(Arc::new)
                })
                .optional()
        };
        self.readers.read("find", query).await
    }
}
