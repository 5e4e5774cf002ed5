//! The store: writes go to the one writer, reads to the readers.

use std::{
    collections::BTreeMap,
    fmt,
    path::{Path, PathBuf},
    sync::Arc,
};

use async_trait::async_trait;
use chat_core::{
    Entry, Mark, Membership, MessageId, NewEntry, NewRoom, Page, Room, RoomId, Seq, UNREAD_CAP,
    UserId, Watermarks,
    port::{
        AppendError, Appended, BackendError, Change, Created, LogStore, ReceiptStore, RoomStore,
    },
};
use rusqlite::{Connection, OptionalExtension, Row, named_params};
use uuid::Uuid;

use crate::{
    append,
    group::{Group, stored_room},
    open::{self, OpenError},
    page,
    readers::Readers,
    row::{self, entry_columns},
    writer::Writer,
};

/// A [`Store`](chat_core::port::Store) in one `SQLite` file.
///
/// What it has acknowledged survives a power cut. Times are kept in microseconds. One process at a
/// time has the file; beside it lies `<file>.lock`, which is empty and stays, and while the store is
/// open `<file>-wal` and `<file>-shm`, which belong to the file: copy it only after closing, or
/// with `SQLite`'s own backup.
///
/// Dropping it closes it: that waits until everything submitted is on the disk, usually some
/// milliseconds.
pub struct SqliteStore {
    path: PathBuf,
    // Dropped in this order, so that the writer is the last to close and clears up the log.
    readers: Readers,
    writer: Writer,
}

impl fmt::Debug for SqliteStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SqliteStore")
            .field("path", &self.path)
            .finish_non_exhaustive()
    }
}

impl SqliteStore {
    /// Opens the file, making or upgrading it if need be.
    ///
    /// A damaged file is refused as far as a look of some milliseconds can tell: a cut-off one
    /// always, one of up to 4 MiB page by page, a larger one where tables begin and end. Damage
    /// elsewhere is an error of the calls that meet it.
    ///
    /// # Errors
    ///
    /// [`OpenError`] says what to do; a file that is refused is left as it was.
    pub async fn open(path: impl AsRef<Path>) -> Result<Self, OpenError> {
        let path = path.as_ref().to_owned();
        let shown = path.clone();
        let opening = tokio::task::spawn_blocking(move || {
            let file = open::open(&path)?;
            let other = |error| open::failed(&file.path, error);
            let readers = Readers::open(&file.path).map_err(other)?;
            let writer = Writer::start(file.connection, file.path.clone(), file.lock)
                .map_err(|error| open::io_failed(&file.path, error))?;
            Ok(Self {
                path: file.path,
                readers,
                writer,
            })
        });
        opening.await.unwrap_or_else(|error| {
            Err(OpenError::Other {
                path: shown,
                source: error.into(),
            })
        })
    }

    /// How many rooms there are. It reads the index of all rooms: some milliseconds for 100,000.
    ///
    /// # Errors
    ///
    /// [`BackendError`] when the file can't be read.
    pub async fn room_count(&self) -> Result<u64, BackendError> {
        let query = |snapshot: &Connection| {
            snapshot.query_row("SELECT count(*) FROM room", (), |found| {
                Ok(found.get::<_, i64>(0)?.unsigned_abs())
            })
        };
        self.readers.read("room_count", query).await
    }
}

#[async_trait]
impl RoomStore for SqliteStore {
    async fn create_room(&self, room: NewRoom) -> Result<Created, BackendError> {
        let work = |group: &mut Group<'_>| group.create_room(room);
        self.writer.submit("create_room", 1, work).await
    }

    async fn room(&self, id: &RoomId) -> Result<Option<Room>, BackendError> {
        let id = id.clone();
        let query =
            move |snapshot: &Connection| Ok(stored_room(snapshot, &id)?.map(|(_, room)| room));
        self.readers.read("room", query).await
    }

    async fn is_member(&self, id: &RoomId, user: &UserId) -> Result<bool, BackendError> {
        let (id, user) = (id.clone(), user.clone());
        let query = move |snapshot: &Connection| {
            snapshot
                .prepare_cached("SELECT 1 FROM member WHERE user = ?1 AND room = ?2")?
                .exists((user.as_str(), id.as_str()))
        };
        self.readers.read("is_member", query).await
    }

    async fn members(
        &self,
        id: &RoomId,
        after: Option<&UserId>,
        limit: usize,
    ) -> Result<Vec<UserId>, BackendError> {
        let (id, after) = (id.clone(), after.cloned());
        let query = move |snapshot: &Connection| {
            let after = after.as_ref().map_or("", UserId::as_str);
            snapshot
                .prepare_cached(
                    "SELECT user FROM member WHERE room = ?1 AND user > ?2 ORDER BY user LIMIT ?3",
                )?
                .query_map((id.as_str(), after, count(limit)), |found| {
                    row::id(found, 0)
                })?
                .collect()
        };
        self.readers.read("members", query).await
    }

    async fn rooms_of(
        &self,
        user: &UserId,
        after: Option<&RoomId>,
        limit: usize,
    ) -> Result<Vec<Membership>, BackendError> {
        let (user, after) = (user.clone(), after.cloned());
        let query = move |snapshot: &Connection| {
            snapshot
                .prepare_cached(
                    "SELECT room.id, room.epoch, room.head, room.created_at, \
                     ifnull(receipt.delivered, 0), ifnull(receipt.read, 0), \
                     (SELECT count(*) FROM (SELECT 1 FROM entry WHERE entry.room = room.number \
                      AND entry.seq > ifnull(receipt.read, 0) AND entry.kind = 0 \
                      AND entry.author <> :user LIMIT :cap)) \
                     FROM member JOIN room ON room.id = member.room \
                     LEFT JOIN receipt ON receipt.room = room.number AND receipt.user = :user \
                     WHERE member.user = :user AND member.room > :after \
                     ORDER BY member.room LIMIT :limit",
                )?
                .query_map(
                    named_params! {
                        ":user": user.as_str(),
                        ":after": after.as_ref().map_or("", RoomId::as_str),
                        ":limit": count(limit),
                        ":cap": i64::try_from(UNREAD_CAP).unwrap_or(i64::MAX),
                    },
                    membership,
                )?
                .collect()
        };
        self.readers.read("rooms_of", query).await
    }

    async fn rooms_with(
        &self,
        users: &[UserId],
        after: Option<&RoomId>,
        limit: usize,
    ) -> Result<Vec<Room>, BackendError> {
        let (users, after) = (users.to_vec(), after.cloned());
        let query = move |snapshot: &Connection| {
            let after = after.as_ref().map_or("", RoomId::as_str);
            let mut statement = snapshot.prepare_cached(
                "SELECT room.id, room.epoch, room.head, room.created_at \
                 FROM member JOIN room ON room.id = member.room \
                 WHERE member.user = ?1 AND member.room > ?2 ORDER BY member.room LIMIT ?3",
            )?;
            let mut rooms = BTreeMap::new();
            for user in users {
                let found = statement.query_map((user.as_str(), after, count(limit)), row::room)?;
                for room in found {
                    let room = room?;
                    rooms.insert(room.id.clone(), room);
                }
            }
            Ok(rooms.into_values().take(limit).collect())
        };
        self.readers.read("rooms_with", query).await
    }
}

fn membership(found: &Row<'_>) -> rusqlite::Result<Membership> {
    Ok(Membership {
        room: row::room(found)?,
        watermarks: Watermarks {
            delivered: row::seq(found, 4)?,
            read: row::seq(found, 5)?,
        },
        unread: row::seq(found, 6)?.0,
    })
}

/// A limit as a column.
fn count(limit: usize) -> i64 {
    i64::try_from(limit).unwrap_or(i64::MAX)
}

#[async_trait]
impl LogStore for SqliteStore {
    async fn append(&self, batch: Vec<NewEntry>) -> Vec<Result<Appended, AppendError>> {
        let entries = batch.len();
        let work = |group: &mut Group<'_>| group.append(batch);
        match self.writer.submit("append", entries, work).await {
            Ok(answers) => answers,
            Err(error) => append::all_failed(error, entries),
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
            let range = page::range(page, head, limit);
            snapshot
                .prepare_cached(concat!(
                    "SELECT ",
                    entry_columns!(),
                    " FROM entry WHERE room = ?1 AND seq BETWEEN ?2 AND ?3 ORDER BY seq"
                ))?
                .query_map(
                    (
                        number,
                        row::number(Seq(*range.start())),
                        row::number(Seq(*range.end())),
                    ),
                    |found| row::entry(found, &room).map(Arc::new),
                )?
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

#[async_trait]
impl ReceiptStore for SqliteStore {
    async fn advance(
        &self,
        room: &RoomId,
        user: &UserId,
        mark: Mark,
        upto: Seq,
    ) -> Result<Change<Watermarks>, BackendError> {
        let (room, user) = (room.clone(), user.clone());
        let work = move |group: &mut Group<'_>| group.advance(&room, &user, mark, upto);
        self.writer.submit("advance", 1, work).await
    }

    async fn watermarks(
        &self,
        room: &RoomId,
        users: &[UserId],
    ) -> Result<Vec<Watermarks>, BackendError> {
        let (room, users) = (room.clone(), users.to_vec());
        let query = move |snapshot: &Connection| {
            let Some((number, _)) = stored_room(snapshot, &room)? else {
                return Ok(vec![Watermarks::default(); users.len()]);
            };
            users
                .iter()
                .map(|user| append::watermarks(snapshot, number, user))
                .collect()
        };
        self.readers.read("watermarks", query).await
    }
}
