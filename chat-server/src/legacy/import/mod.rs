//! `chat-server import`: brings the messages of the old server into a store.
//!
//! Each room is read, appended and given its receipts in one go, several rooms at a time. It may be
//! killed and run again: every message has the same id and client message id each time, and a room is
//! always read in the same order, so what is there stays and what is missing follows.

mod progress;
mod summary;
mod zone;

use std::{collections::HashMap, mem, sync::Arc};

use chat_core::{
    Details, EntryBody, Epoch, IdGen, Mark, MessageId, NewEntry, NewRoom, RandomIds, RoomId,
    RoomKind, Seq, UserId,
    port::{AppendError, BackendError, Outcome, Store},
};
use chat_store_mongo::{
    ConnectError, MongoStore,
    old::{InvalidTimeFormat, OldMessage, OldRoom, OldServer, TimeFormat},
};
use futures_util::{TryStreamExt, stream};

use self::progress::Progress;
pub use self::summary::Summary;
use crate::{
    config::{StoreUrl, without_password},
    start::{self, StartError},
};

/// How many messages are read and appended together.
const BATCH: usize = 200;

/// How many bytes of text are appended together; one command of MongoDB holds 16 MB.
const TEXT: usize = 1 << 20;

/// How many rooms are in work at the same time: they wait for disks and networks most of the time.
const ROOMS: usize = 8;

/// Why an import ended early, in one line. Run it again when the cause is gone.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ImportError {
    /// The old messages can't be reached.
    #[error("from: {0}")]
    From(ConnectError),
    /// The old messages can't be read.
    #[error("from: {0}{cause}", cause = start::cause(.0))]
    Read(BackendError),
    /// The store can't be used.
    #[error(transparent)]
    Store(#[from] StartError),
    /// The store refuses a message.
    #[error("store: {0}")]
    Refused(AppendError),
    /// The store is gone when the program ends.
    #[error(
        "store: memory keeps nothing; name a store that does, such as --store sqlite:./chat.db"
    )]
    Memory,
    /// The zone of the old server is not known here.
    #[error(
        "TZ: this machine knows no zone {0}; correct it, install the package tzdata, or write the \
         offset with the other sign, as in TZ=IST-5:30"
    )]
    Zone(String),
    /// The form that the caller names for times is none.
    #[error("time-format: {0}")]
    TimeFormat(#[from] InvalidTimeFormat),
}

impl ImportError {
    /// What the process should exit with: 2 for a wrong setting, 1 for anything else.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Memory | Self::Zone(_) | Self::TimeFormat(_) => 2,
            Self::Store(error) => error.exit_code(),
            _ => 1,
        }
    }
}

/// Brings the messages at `from`, an address of MongoDB, into the store; or with `dry_run` only says
/// what would be done. Progress goes to standard error.
///
/// The times of the old server are read in this machine's local time, in the form `time_format` of
/// `strftime`, or else in any form that `toLocaleString` writes.
///
/// # Errors
///
/// [`ImportError`] says why. What has been done stays, and the next run goes on from there.
pub async fn import(
    store: &StoreUrl,
    from: &str,
    time_format: Option<&str>,
    dry_run: bool,
) -> Result<Summary, ImportError> {
    let time_format: Option<TimeFormat> = time_format.map(str::parse).transpose()?;
    if *store == StoreUrl::Memory {
        return Err(ImportError::Memory);
    }
    if let Some(zone) = zone::unknown() {
        return Err(ImportError::Zone(zone));
    }
    let source = OldServer::connect(from).await.map_err(ImportError::From)?;
    let target = if dry_run {
        Target::look(store).await?
    } else {
        Target::open(store).await?
    };
    let into = target.shown(store, &source).await?;
    let (address, database) = (without_password(from), source.database());
    progress::write_line(format_args!(
        "from {address} (database {database}) into {into}"
    ));
    let survey = source.survey(time_format).await;
    let survey = Arc::new(survey.map_err(ImportError::Read)?);
    let import = Import {
        progress: Progress::new(survey.messages()),
        source,
        target,
        dry_run,
    };
    let rooms = import.source.rooms(Arc::clone(&survey)).await;
    let rooms = rooms.map_err(ImportError::Read)?;
    let rooms = stream::try_unfold(rooms, async |mut rooms| {
        let next = rooms.next().await.map_err(ImportError::Read)?;
        Ok(next.map(|room| (room, rooms)))
    });
    let mut total = Summary::new(dry_run);
    total.unclear = survey.unclear_times();
    let total = rooms
        .map_ok(|room| import.room(room))
        .try_buffer_unordered(ROOMS)
        .try_fold(total, async |total, room| Ok(total.plus(room)))
        .await?;
    import.progress.end();
    Ok(total)
}

/// The store that is written to, or only read with a dry run.
#[derive(Debug)]
enum Target {
    Mongo(MongoStore),
    /// A store that knows nothing of the old server.
    #[cfg_attr(
        not(feature = "sqlite"),
        expect(dead_code, reason = "SQLite is the only one")
    )]
    Other(Box<dyn Store>),
    /// A file that isn't there yet, and need not be to look into it.
    Missing,
}

impl Target {
    async fn open(store: &StoreUrl) -> Result<Self, StartError> {
        Ok(match store {
            #[cfg(feature = "sqlite")]
            StoreUrl::Sqlite(path) => {
                Self::Other(Box::new(chat_store_sqlite::SqliteStore::open(path).await?))
            }
            #[cfg(not(feature = "sqlite"))]
            StoreUrl::Sqlite(_) => {
                return Err(StartError::Missing {
                    setting: "store",
                    feature: "sqlite",
                });
            }
            StoreUrl::Mongo(address) => Self::Mongo(MongoStore::connect(address).await?),
            StoreUrl::Memory => Self::Missing,
        })
    }

    /// Opens it without making anything there.
    async fn look(store: &StoreUrl) -> Result<Self, StartError> {
        Ok(match store {
            StoreUrl::Sqlite(path) if path.exists() => Self::open(store).await?,
            StoreUrl::Mongo(address) => Self::Mongo(MongoStore::look(address).await?),
            StoreUrl::Sqlite(_) | StoreUrl::Memory => Self::Missing,
        })
    }

    fn store(&self) -> Option<&dyn Store> {
        match self {
            Self::Mongo(store) => Some(store),
            Self::Other(store) => Some(&**store),
            Self::Missing => None,
        }
    }

    /// Where it is, for people, and whether the old messages are there too.
    async fn shown(&self, store: &StoreUrl, source: &OldServer) -> Result<String, ImportError> {
        Ok(match (self, store) {
            (Self::Mongo(target), StoreUrl::Mongo(address)) => {
                let here = source.is_in(target).await.map_err(ImportError::Read)?;
                let in_place = if here { ", in place" } else { "" };
                let (address, database) = (without_password(address), target.database());
                format!("{address} (database {database}{in_place})")
            }
            (_, StoreUrl::Sqlite(path)) => path.display().to_string(),
            _ => "memory".to_owned(),
        })
    }

    /// Whether each of these messages is there already.
    async fn has(&self, room: &RoomId, messages: &[OldMessage]) -> Result<Vec<bool>, StartError> {
        let ids = messages.iter().map(|it| it.entry.id);
        match self {
            Self::Missing => Ok(ids.map(|_| false).collect()),
            Self::Mongo(store) => {
                let ids: Vec<MessageId> = ids.collect();
                let numbers = store.numbers(room, &ids).await?;
                Ok(ids.iter().map(|id| numbers.contains_key(id)).collect())
            }
            Self::Other(store) => {
                let mut found = Vec::with_capacity(messages.len());
                for id in ids {
                    found.push(store.find(room, id).await?.is_some());
                }
                Ok(found)
            }
        }
    }

    /// Appends messages of one room that exists; gives their numbers.
    async fn append(
        &self,
        room: &RoomId,
        messages: Vec<OldMessage>,
    ) -> Result<Vec<(Seq, Outcome)>, ImportError> {
        match self {
            Self::Missing => Ok(Vec::new()),
            // It keeps the dates of receipts, and the documents that are there already.
            Self::Mongo(store) => Ok(store
                .adopt(room, messages)
                .await
                .map_err(StartError::from)?),
            Self::Other(store) => {
                let entries: Vec<NewEntry> = messages.into_iter().map(|it| it.entry).collect();
                let answers = store.append(entries).await.into_iter();
                let numbers = answers.map(|answer| match answer {
                    Ok(appended) => Ok((appended.entry.seq, appended.outcome)),
                    Err(AppendError::Backend(error)) => Err(StartError::from(error).into()),
                    Err(refused) => Err(ImportError::Refused(refused)),
                });
                numbers.collect()
            }
        }
    }
}

struct Import {
    source: OldServer,
    target: Target,
    progress: Progress,
    dry_run: bool,
}

impl Import {
    async fn room(&self, room: OldRoom) -> Result<Summary, ImportError> {
        let mut summary = Summary::new(self.dry_run);
        for (id, why) in room.unfit() {
            summary.skip(id, why);
            self.progress.add(1);
        }
        let Ok(id) = room.id() else {
            return Ok(summary);
        };
        let (mut receipts, mut begun) = (Receipts::default(), false);
        for start in (0..room.len()).step_by(BATCH) {
            let places = start..room.len().min(start + BATCH);
            let read = places.len();
            let found = self.source.messages(&room, places).await;
            let mut messages = Vec::with_capacity(read);
            for message in found.map_err(ImportError::Read)? {
                match message {
                    Ok(message) => messages.push(message),
                    Err((id, why)) => summary.skip(id, why),
                }
            }
            for message in &messages {
                summary.date(message);
            }
            if let (Some(first), false) = (messages.first(), begun) {
                self.create(id, first).await?;
                (begun, summary.rooms) = (true, 1);
            }
            if self.dry_run {
                for there in self.target.has(id, &messages).await? {
                    summary.count(if there {
                        Outcome::Duplicate
                    } else {
                        Outcome::Stored
                    });
                }
            } else {
                for part in parts(messages) {
                    self.append(id, part, &mut receipts, &mut summary).await?;
                }
            }
            self.progress.add(read);
        }
        self.advance(id, receipts).await?;
        Ok(summary)
    }

    async fn append(
        &self,
        room: &RoomId,
        messages: Vec<OldMessage>,
        receipts: &mut Receipts,
        summary: &mut Summary,
    ) -> Result<(), ImportError> {
        let reached: Vec<_> = messages
            .iter()
            .map(|it| (it.entry.author.clone(), it.delivered, it.read))
            .collect();
        let numbers = self.target.append(room, messages).await?;
        for ((seq, outcome), (author, delivered, read)) in numbers.into_iter().zip(reached) {
            summary.count(outcome);
            let reached = receipts.0.entry(author).or_default();
            reached.delivered.note(seq, delivered);
            reached.read.note(seq, read);
        }
        Ok(())
    }

    async fn create(&self, id: &RoomId, first: &OldMessage) -> Result<(), StartError> {
        if let Some(store) = self.target.store().filter(|_| !self.dry_run) {
            let room = NewRoom {
                id: id.clone(),
                epoch: Epoch(RandomIds.next()),
                members: id.pair().into_iter().flatten().collect(),
                kind: RoomKind::Direct,
                created_by: None,
                details: Details::default(),
                created_at: first.entry.at,
            };
            store.create_room(room).await?;
        }
        Ok(())
    }

    async fn advance(&self, room: &RoomId, receipts: Receipts) -> Result<(), StartError> {
        let Some(store) = self.target.store() else {
            return Ok(());
        };
        for (author, Reached { delivered, read }) in receipts.0 {
            let Some(reader) = room.peer_of(&author) else {
                continue;
            };
            if read.upto > Seq::ZERO {
                store.advance(room, &reader, Mark::Read, read.upto).await?;
            }
            // Reading implies it.
            if delivered.upto > read.upto {
                let upto = delivered.upto;
                store.advance(room, &reader, Mark::Delivered, upto).await?;
            }
        }
        Ok(())
    }
}

/// The same messages in parts of at most [`TEXT`] each.
fn parts(messages: Vec<OldMessage>) -> Vec<Vec<OldMessage>> {
    let (mut parts, mut part, mut bytes) = (Vec::new(), Vec::new(), 0);
    for message in messages {
        let text = match &message.entry.body {
            EntryBody::Message { text, .. } => text.len(),
            _ => 0,
        };
        if bytes + text > TEXT && !part.is_empty() {
            parts.push(mem::take(&mut part));
            bytes = 0;
        }
        bytes += text;
        part.push(message);
    }
    parts.push(part);
    parts
}

/// How far the messages of each author have been delivered and read.
#[derive(Debug, Default)]
struct Receipts(HashMap<UserId, Reached>);

#[derive(Debug, Default)]
struct Reached {
    delivered: Watermark,
    read: Watermark,
}

#[derive(Debug, Default)]
struct Watermark {
    upto: Seq,
    /// A message has no receipt, so those after it don't count.
    ended: bool,
}

impl Watermark {
    /// Takes the next message.
    fn note(&mut self, seq: Seq, reached: bool) {
        self.ended |= !reached;
        if !self.ended {
            self.upto = self.upto.max(seq);
        }
    }
}
