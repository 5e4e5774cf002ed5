//! Inboxes, and what members have set for their rooms.

use std::sync::Arc;

use async_trait::async_trait;
use chat_core::{
    EntryKind, InboxFilter, InboxPlace, InboxRoom, Me, MeChange, Notify, RoomId, Seq, UNREAD_CAP,
    UserId,
    port::{BackendError, InboxStore},
};
use rusqlite::{Connection, OptionalExtension, Row, ToSql, named_params, types::Type};

use crate::{
    row::{self, at_most, entry_columns},
    store::SqliteStore,
    transaction::Transaction,
};

/// The condition that the user has hidden the room: the newest message is not newer than the hiding.
macro_rules! hidden {
    () => {
        "(member.hidden_at IS NOT NULL AND member.hidden_at >= room.last_seq)"
    };
}

/// The query for rooms of an inbox under these conditions.
macro_rules! inbox {
    ($conditions:expr) => {
        concat!(
            "SELECT ",
            row::room_columns!(),
            ", room.number, member.role, member.notify, member.pinned, ",
            hidden!(),
            ", member.muted_until, ifnull(receipt.delivered, 0), ifnull(receipt.read, 0), \
             iif(room.last_seq >= iif(room.from_joining, member.joined_seq, 0), room.last_seq, 0), \
             room.active_at, ",
            crate::rooms::unread!(),
            " FROM member JOIN room ON room.id = member.room \
             LEFT JOIN receipt ON receipt.room = room.number AND receipt.user = :user \
             WHERE member.user = :user AND ",
            $conditions
        )
    };
}

/// The conditions of a page, with what its filter asks for.
macro_rules! page {
    ($filter:expr) => {
        inbox!(concat!(
            $filter,
            " AND (room.active_at < :at OR room.active_at = :at AND room.id > :after) \
             ORDER BY room.active_at DESC, room.id LIMIT :limit"
        ))
    };
}

/// The query for a page of an inbox.
fn page_query(filter: InboxFilter) -> &'static str {
    match filter {
        InboxFilter::All => page!(concat!("NOT ", hidden!())),
        // The first condition spares a room that was read to its end the look at its entries.
        InboxFilter::Unread => page!(concat!(
            "room.last_seq > ifnull(receipt.read, 0) AND NOT ",
            hidden!(),
            " AND ",
            crate::rooms::unread!(),
            " > 0"
        )),
        // Messages mention nobody yet.
        InboxFilter::Mentions => page!("0"),
        InboxFilter::Pinned => page!(concat!("member.pinned AND NOT ", hidden!())),
        InboxFilter::Hidden => page!(hidden!()),
    }
}

const MESSAGE: i64 = EntryKind::Message.number();
const CAP: u64 = UNREAD_CAP;

fn cap() -> i64 {
    i64::try_from(CAP).unwrap_or(i64::MAX)
}

/// Reads a room of an inbox from the columns of [`inbox!`].
fn inbox_room(snapshot: &Connection, found: &Row<'_>) -> rusqlite::Result<InboxRoom> {
    let room = row::room(found)?;
    let (number, last) = (found.get::<_, i64>(8)?, row::seq(found, 16)?);
    let last = match last {
        Seq::ZERO => None,
        last => snapshot
            .prepare_cached(concat!(
                "SELECT ",
                entry_columns!(),
                " FROM entry WHERE room = ?1 AND seq = ?2"
            ))?
            .query_row((number, row::number(last)), |found| {
                row::entry(found, &room.id).map(Arc::new)
            })
            .optional()?,
    };
    Ok(InboxRoom {
        me: me(found, 9)?,
        watermarks: row::watermarks(found, 14)?,
        last,
        active_at: row::time(found, 17)?,
        unread: row::seq(found, 18)?.0,
        mentions: 0,
        room,
    })
}

/// Reads what a member has set from five columns: role, notify, pinned, whether hidden, muted until.
fn me(found: &Row<'_>, column: usize) -> rusqlite::Result<Me> {
    let notify = column + 1;
    Ok(Me {
        role: row::role(found, column)?,
        notify: Notify::numbered(found.get(notify)?)
            .ok_or("a way to notify that is not known")
            .map_err(row::damaged(notify, Type::Integer))?,
        pinned: found.get(column + 2)?,
        hidden: found.get(column + 3)?,
        muted_until: row::optional(found, column + 4, row::time)?,
    })
}

#[async_trait]
impl InboxStore for SqliteStore {
    async fn inbox(
        &self,
        user: &UserId,
        filter: InboxFilter,
        after: Option<&InboxPlace>,
        limit: usize,
    ) -> Result<Vec<InboxRoom>, BackendError> {
        let (user, after) = (user.clone(), after.cloned());
        let query = move |snapshot: &Connection| {
            let at = after
                .as_ref()
                .map(|place| place.active_at.timestamp_micros());
            let after = after.as_ref().map_or("", |place| place.room.as_str());
            let parameters: &[(&str, &dyn ToSql)] = named_params! {
                ":user": user.as_str(),
                ":at": at.unwrap_or(i64::MAX),
                ":after": after,
                ":message": MESSAGE,
                ":cap": cap(),
                ":limit": at_most(limit),
            };
            let mut statement = snapshot.prepare_cached(page_query(filter))?;
            let mut known = Vec::new();
            for (name, value) in parameters {
                if statement.parameter_index(name)?.is_some() {
                    known.push((*name, *value));
                }
            }
            statement
                .query_map(&*known, |found| inbox_room(snapshot, found))?
                .collect()
        };
        self.readers.read("inbox", query).await
    }

    async fn inbox_room(
        &self,
        room: &RoomId,
        user: &UserId,
    ) -> Result<Option<InboxRoom>, BackendError> {
        let (room, user) = (room.clone(), user.clone());
        let query = move |snapshot: &Connection| {
            snapshot
                .prepare_cached(inbox!("member.room = :room"))?
                .query_row(
                    named_params! {
                        ":user": user.as_str(),
                        ":room": room.as_str(),
                        ":message": MESSAGE,
                        ":cap": cap(),
                    },
                    |found| inbox_room(snapshot, found),
                )
                .optional()
        };
        self.readers.read("inbox_room", query).await
    }

    async fn hidden_by(&self, room: &RoomId) -> Result<Vec<(UserId, Seq)>, BackendError> {
        let room = room.clone();
        let query = move |snapshot: &Connection| {
            snapshot
                .prepare_cached(
                    "SELECT user, hidden_at FROM member WHERE room = ?1 AND hidden_at IS NOT NULL",
                )?
                .query_map([room.as_str()], |found| {
                    Ok((row::id(found, 0)?, row::seq(found, 1)?))
                })?
                .collect()
        };
        self.readers.read("hidden_by", query).await
    }

    async fn set_me(
        &self,
        room: &RoomId,
        user: &UserId,
        change: MeChange,
    ) -> Result<Option<Me>, BackendError> {
        let (room, user) = (room.clone(), user.clone());
        let work = move |transaction: &mut Transaction<'_>| {
            transaction.set_me(&room, &user, change.in_micros())
        };
        self.writer.submit("set_me", 1, work).await
    }
}

impl Transaction<'_> {
    fn set_me(
        &mut self,
        room: &RoomId,
        user: &UserId,
        change: MeChange,
    ) -> rusqlite::Result<Option<Me>> {
        let Self { sql, rooms } = self;
        let Some(open) = rooms.open(sql, room)? else {
            return Ok(None);
        };
        let hidden_at = change.hidden.map(|hidden| hidden.then_some(open.room.head));
        let until = change.muted_until;
        sql.prepare_cached(
            "UPDATE member SET notify = ifnull(:notify, notify), pinned = ifnull(:pinned, pinned), \
             hidden_at = iif(:hides, :hidden_at, hidden_at), \
             muted_until = iif(:mutes, :muted_until, muted_until) \
             WHERE user = :user AND room = :room",
        )?
        .execute(named_params! {
            ":user": user.as_str(),
            ":room": room.as_str(),
            ":notify": change.notify.map(Notify::number),
            ":pinned": change.pinned,
            ":hides": hidden_at.is_some(),
            ":hidden_at": hidden_at.flatten().map(row::number),
            ":mutes": until.is_some(),
            ":muted_until": until.flatten().map(|until| until.timestamp_micros()),
        })?;
        // Messages of this transaction are in the table of rooms only at its end.
        let last = open.last_message.map(|(seq, _)| row::number(seq));
        sql.prepare_cached(
            "SELECT member.role, member.notify, member.pinned, member.hidden_at IS NOT NULL \
             AND member.hidden_at >= ifnull(?3, room.last_seq), member.muted_until \
             FROM member JOIN room ON room.id = member.room \
             WHERE member.user = ?1 AND member.room = ?2",
        )?
        .query_row((user.as_str(), room.as_str(), last), |found| me(found, 0))
        .optional()
    }
}
