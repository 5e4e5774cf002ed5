//! Invitations.

use async_trait::async_trait;
use chat_core::{
    Invite, InviteId, InviteToken, RoomId,
    port::{BackendError, InviteStore},
};
use chrono::{DateTime, Utc};
use rusqlite::{Connection, OptionalExtension, Row, named_params, types::Type};
use uuid::Uuid;

use crate::{
    row::{self, at_most},
    store::SqliteStore,
    transaction::Transaction,
};

/// The columns of an invitation, in the order in which [`invite`] reads them.
macro_rules! columns {
    () => {
        "id, room, token, author, role, created_at, expires_at, uses_left"
    };
}

fn invite(found: &Row<'_>) -> rusqlite::Result<Invite> {
    Ok(Invite {
        id: InviteId(Uuid::from_bytes(found.get(0)?)),
        room: row::id(found, 1)?,
        token: InviteToken::new(found.get::<_, String>(2)?).map_err(row::damaged(2, Type::Text))?,
        by: row::id(found, 3)?,
        role: row::role(found, 4)?,
        created_at: row::time(found, 5)?,
        expires_at: row::optional(found, 6, row::time)?,
        uses_left: found.get(7)?,
    })
}

fn stored(connection: &Connection, token: &InviteToken) -> rusqlite::Result<Option<Invite>> {
    connection
        .prepare_cached(concat!(
            "SELECT ",
            columns!(),
            " FROM invite WHERE token = ?1"
        ))?
        .query_row([token.as_str()], invite)
        .optional()
}

#[async_trait]
impl InviteStore for SqliteStore {
    async fn add_invite(&self, invite: Invite) -> Result<(), BackendError> {
        let invite = invite.in_micros();
        let work = move |transaction: &mut Transaction<'_>| {
            transaction
                .sql
                .prepare_cached(concat!(
                    "INSERT INTO invite (",
                    columns!(),
                    ") VALUES (:id, :room, :token, :by, :role, :created_at, :expires_at, :uses) \
                     ON CONFLICT (id) DO NOTHING"
                ))?
                .execute(named_params! {
                    ":id": invite.id.0.as_bytes(),
                    ":room": invite.room.as_str(),
                    ":token": invite.token.as_str(),
                    ":by": invite.by.as_str(),
                    ":role": invite.role.number(),
                    ":created_at": invite.created_at.timestamp_micros(),
                    ":expires_at": invite.expires_at.map(|at| at.timestamp_micros()),
                    ":uses": invite.uses_left,
                })
                .map(drop)
        };
        self.writer.submit("add_invite", 1, work).await
    }

    async fn invite(&self, token: &InviteToken) -> Result<Option<Invite>, BackendError> {
        let token = token.clone();
        let query = move |snapshot: &Connection| stored(snapshot, &token);
        self.readers.read("invite", query).await
    }

    async fn invites(
        &self,
        room: &RoomId,
        after: Option<InviteId>,
        limit: usize,
    ) -> Result<Vec<Invite>, BackendError> {
        let room = room.clone();
        let query = move |snapshot: &Connection| {
            let after: &[u8] = match &after {
                Some(InviteId(id)) => id.as_bytes(),
                None => &[],
            };
            snapshot
                .prepare_cached(concat!(
                    "SELECT ",
                    columns!(),
                    " FROM invite WHERE room = ?1 AND id > ?2 ORDER BY id LIMIT ?3"
                ))?
                .query_map((room.as_str(), after, at_most(limit)), invite)?
                .collect()
        };
        self.readers.read("invites", query).await
    }

    async fn remove_invite(&self, room: &RoomId, id: InviteId) -> Result<bool, BackendError> {
        let room = room.clone();
        let work = move |transaction: &mut Transaction<'_>| {
            let removed = transaction
                .sql
                .prepare_cached("DELETE FROM invite WHERE id = ?1 AND room = ?2")?
                .execute((id.0.as_bytes(), room.as_str()))?;
            Ok(removed > 0)
        };
        self.writer.submit("remove_invite", 1, work).await
    }

    async fn use_invite(
        &self,
        token: &InviteToken,
        now: DateTime<Utc>,
    ) -> Result<Option<Invite>, BackendError> {
        let token = token.clone();
        let work = move |transaction: &mut Transaction<'_>| {
            let sql = &transaction.sql;
            if !stored(sql, &token)?.is_some_and(|invite| invite.is_open(now)) {
                return Ok(None);
            }
            sql.prepare_cached("UPDATE invite SET uses_left = uses_left - 1 WHERE token = ?1")?
                .execute([token.as_str()])?;
            stored(sql, &token)
        };
        self.writer.submit("use_invite", 1, work).await
    }

    async fn unuse_invite(&self, id: InviteId) -> Result<(), BackendError> {
        let work = move |transaction: &mut Transaction<'_>| {
            transaction
                .sql
                .prepare_cached("UPDATE invite SET uses_left = uses_left + 1 WHERE id = ?1")?
                .execute([id.0.as_bytes()])
                .map(drop)
        };
        self.writer.submit("unuse_invite", 1, work).await
    }
}
