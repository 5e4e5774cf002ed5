//! Connecting to a server of which nothing is known: whether it answers, lets us in, and has a
//! schema that this code knows.

use std::{io, time::Duration};

use futures_util::TryStreamExt;
use mongodb::{
    Client, Database, IndexModel,
    bson::{Bson, Document, doc},
    error::{Error, ErrorKind},
    options::{
        Acknowledgment, ClientOptions, CommitQuorum, ConnectionString, CreateIndexOptions,
        IndexOptions, ReadConcern, ReadPreference, ReturnDocument, SelectionCriteria, WriteConcern,
    },
    results::CollectionSpecification,
};
use tokio::time::{Instant, timeout, timeout_at};
use uuid::Uuid;

use crate::{
    doc::{MEMBERS, MESSAGES, META, ROOMS},
    error::{self, DUPLICATE_KEY},
};

/// The version of the schema that this code writes.
const VERSION: i32 = 1;

/// How long one operation may take, so that an error is there in less than five seconds.
pub(crate) const LIMIT: Duration = Duration::from_secs(4);

/// Of the stages below, the ones that come one after the other take less than [`LIMIT`].
const SELECTION: Duration = Duration::from_millis(2_500);
const CONNECT: Duration = Duration::from_secs(2);
const MAJORITY: Duration = Duration::from_secs(3);

/// Four lanes of appends, and reads beside them; a read takes about a millisecond.
const CONNECTIONS: u32 = 32;

/// `MongoDB` 6.0, the first whose `$lookup` reads a sharded collection without a flag.
const OLDEST_WIRE_VERSION: i32 = 17;

/// Of more messages, indexes may take longer than any other operation.
const MANY: u64 = 10_000;

/// How many duplicates are named.
const NAMED: i64 = 3;

/// The database, when the address names none.
pub(crate) const DATABASE: &str = "chat";

/// Why the store can't be used, and what to do.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConnectError {
    /// The address can't be read.
    #[error("the address of MongoDB can't be used: {reason}")]
    Address {
        /// The fault that was found.
        reason: String,
    },
    /// Nobody answers.
    #[error(
        "MongoDB does not answer at {hosts}{}; start it, or correct the address",
        last_words(source)
    )]
    Unreachable {
        /// Where it ought to be.
        hosts: String,
        /// What the driver said.
        source: Error,
    },
    /// It answers, and is no member of the replica set that the address names.
    #[error(
        "MongoDB at {hosts} is no member of a replica set of that name; correct replicaSet in the address"
    )]
    WrongSet {
        /// Where it is.
        hosts: String,
        /// What the driver said.
        source: Error,
    },
    /// It answers, and has no member that takes writes.
    #[error(
        "MongoDB at {hosts} has no primary; wait for the election, or initiate the replica set"
    )]
    NoPrimary {
        /// Where it is.
        hosts: String,
        /// What the driver said.
        source: Error,
    },
    /// The name or the password is wrong.
    #[error("MongoDB at {hosts} refused the name or the password; correct them in the address")]
    WrongPassword {
        /// Where it is.
        hosts: String,
        /// What the driver said.
        source: Error,
    },
    /// The address names no user, and the server wants one.
    #[error("MongoDB at {hosts} wants a name and a password; put them into the address")]
    NoLogin {
        /// Where it is.
        hosts: String,
    },
    /// It answers, and the indexes are not made in time.
    #[error(
        "MongoDB at {hosts} has not made the indexes in time; wait until a majority of its members is \
         up and at rest, and start again"
    )]
    Indexes {
        /// Where it is.
        hosts: String,
    },
    /// The user may not do what a store does.
    #[error("this user may not write to the database {database}; give it the role readWrite there")]
    NotAllowed {
        /// The database.
        database: String,
        /// What the server said.
        source: Error,
    },
    /// The user may not do what an import does.
    #[error("this user may not read the database {database}; give it the role read there")]
    MayNotRead {
        /// The database.
        database: String,
        /// What the server said.
        source: Error,
    },
    /// A later version of this crate wrote it.
    #[error(
        "the database {database} has version {found} of the schema, and this program knows \
         versions up to {VERSION}; run the newer program, or name another database"
    )]
    NewerSchema {
        /// The database.
        database: String,
        /// Its version.
        found: i32,
    },
    /// The server is too old.
    #[error("this MongoDB is older than version 6.0; install a newer one")]
    OldServer,
    /// MongoDB deletes documents of a collection by itself, so nothing there is durable.
    #[error(
        "MongoDB deletes documents from the collection {collection} of the database {database} by itself: \
         {reason}"
    )]
    Forgets {
        /// The database.
        database: String,
        /// The collection.
        collection: String,
        /// By what it does so, and what to do.
        reason: String,
    },
    /// Two documents have what only one may have.
    #[error(
        "the collection {collection} of the database {database} has several documents with \
         {key}, whose _id are {ids}; keep the one that belongs there, remove the others or restore a \
         backup, and start again"
    )]
    Duplicates {
        /// The database.
        database: String,
        /// The collection.
        collection: String,
        /// What they have in common, with control characters escaped.
        key: String,
        /// The ids of the first ones.
        ids: String,
    },
    /// There is no room for more.
    #[error("the disk of MongoDB at {hosts} is full; free some of it")]
    DiskFull {
        /// Where it is.
        hosts: String,
        /// What the server said.
        source: Error,
    },
    /// Anything else; the source says what.
    #[error("the database {database} can't be used: {}", source.kind)]
    Other {
        /// The database.
        database: String,
        /// What the driver said.
        source: Error,
    },
}

/// The database, ready for use, and the id of its logs.
pub(crate) async fn connect(uri: &str) -> Result<(Database, Uuid), ConnectError> {
    let (place, database) = find(uri, DATABASE).await?;
    let end = Instant::now() + LIMIT;
    let prepared = async {
        let hello = database.run_command(doc! { "hello": 1 }).await?;
        let wire_version = hello.get_i32("maxWireVersion").unwrap_or(0);
        if wire_version < OLDEST_WIRE_VERSION {
            return Ok(Err(ConnectError::OldServer));
        }
        if let Err(error) = place.known(version(&database).await?) {
            return Ok(Err(error));
        }
        if let Some(forgets) = forgets(&database).await? {
            return Ok(Err(forgets));
        }
        let messages = database.collection::<Document>(MESSAGES);
        let count = messages.estimated_document_count().await?;
        Ok(Ok((count, hello)))
    };
    let (count, hello) = place.in_time(prepared).await??;
    let set = hello.get_str("setName").ok();
    let made = indexes(&database, set.is_some());
    let made = if count > MANY {
        // Those of the old server have no index yet, and each is read.
        tracing::info!("making sure that {count} messages have their indexes");
        Ok(made.await)
    } else {
        timeout_at(end, made).await
    };
    match made {
        Ok(Ok(())) => {}
        Ok(Err(error)) => {
            let found = place.in_time(async { Ok(duplicates(&database, &error).await) });
            return Err(found.await?.unwrap_or_else(|| place.failed(error)));
        }
        Err(_) => return Err(ConnectError::Indexes { hosts: place.hosts }),
    }
    let id = place
        .in_time(id(&database, set.unwrap_or_default()))
        .await?;
    Ok((database, id))
}

/// Why MongoDB deletes documents by itself, if it does.
async fn forgets(database: &Database) -> mongodb::error::Result<Option<ConnectError>> {
    let ours = [MESSAGES, ROOMS, MEMBERS, META];
    let named = doc! { "name": { "$in": ours.as_slice() } };
    let found = database.list_collections().filter(named).await?;
    let found: Vec<CollectionSpecification> = found.try_collect().await?;
    let because = |collection: String, reason| ConnectError::Forgets {
        database: database.name().to_owned(),
        collection,
        reason,
    };
    for collection in found {
        if collection.options.capped == Some(true) {
            let reason = "it is capped; copy it into one that is not, such as with mongodump and \
                          mongorestore --noOptionsRestore, or name another database";
            return Ok(Some(because(collection.name, reason.to_owned())));
        }
        let documents = database.collection::<Document>(&collection.name);
        let indexes: Vec<IndexModel> = documents.list_indexes().await?.try_collect().await?;
        let options = indexes.into_iter().filter_map(|index| index.options);
        let mut expiring = options.filter(|it| it.expire_after.is_some());
        if let Some(name) = expiring.next().map(|it| it.name.unwrap_or_default()) {
            let reason = format!(
                "its index {name:?} has expireAfterSeconds; drop it with \
                 db.{}.dropIndex({name:?}), and look for what it has deleted already",
                collection.name
            );
            return Ok(Some(because(collection.name, reason)));
        }
    }
    Ok(None)
}

/// An id that a copy of the database doesn't have, though it has the same rooms with the same epochs.
async fn id(database: &Database, set: &str) -> mongodb::error::Result<Uuid> {
    // MongoDB gives a collection an id when it makes it, so a restored dump has another one.
    let named = doc! { "name": MESSAGES };
    let mut found = database.list_collections().filter(named).await?;
    let found = found.try_next().await?;
    let made = found.and_then(|it| it.info.uuid).map(|it| it.bytes);
    let parts = [made.unwrap_or_default(), database.name().into(), set.into()];
    Ok(Uuid::new_v5(&Uuid::NAMESPACE_OID, &parts.join(&0)))
}

/// What the failure to make a unique index is about, if two documents are the reason.
async fn duplicates(database: &Database, error: &Error) -> Option<ConnectError> {
    let failed = error
        .server_response()
        .filter(|_| error::code(error) == Some(DUPLICATE_KEY))?;
    let key = Document::try_from(failed.get_document("keyValue").ok()?).ok()?;
    let indexed = [MESSAGES, MEMBERS].into_iter();
    let mut found = (MESSAGES, Vec::new());
    for collection in indexed {
        let documents = database.collection::<Document>(collection);
        let same = documents
            .find(key.clone())
            .projection(doc! { "_id": 1 })
            .limit(NAMED);
        let same: Vec<Document> = same.await.ok()?.try_collect().await.ok()?;
        if same.len() > 1 {
            found = (collection, same);
            break;
        }
    }
    let (collection, same) = found;
    let shown = |value: &Bson| value.to_string().escape_debug().to_string();
    let fields = key
        .iter()
        .map(|(name, value)| format!("{name}: {}", shown(value)));
    let ids = same.iter().filter_map(|it| it.get("_id")).map(shown);
    Some(ConnectError::Duplicates {
        database: database.name().to_owned(),
        collection: collection.to_owned(),
        key: fields.collect::<Vec<_>>().join(", "),
        ids: ids.collect::<Vec<_>>().join(" and "),
    })
}

/// The database, or `otherwise` if the address names none; for reading, and as it is.
pub(crate) async fn look(uri: &str, otherwise: &str) -> Result<Database, ConnectError> {
    let (place, database) = find(uri, otherwise).await?;
    let meta = database.collection::<Document>(META);
    let read = async { meta.find_one(doc! { "_id": "schema" }).await };
    let found = place.in_time(read).await.map_err(|error| match error {
        ConnectError::NotAllowed { database, source } => {
            ConnectError::MayNotRead { database, source }
        }
        error => error,
    })?;
    place.known(found.map_or(VERSION, |schema| version_in(&schema)))?;
    Ok(database)
}

/// Where the address leads; nobody has been asked yet.
async fn find(uri: &str, otherwise: &str) -> Result<(Place, Database), ConnectError> {
    let options = options(uri).await?;
    let hosts = options.hosts.iter().map(ToString::to_string);
    let place = Place {
        login: options.credential.is_some(),
        hosts: hosts.collect::<Vec<_>>().join(", "),
        database: options
            .default_database
            .clone()
            .unwrap_or_else(|| otherwise.to_owned()),
    };
    let client = Client::with_options(options).map_err(|error| place.failed(error))?;
    let database = client.database(&place.database);
    Ok((place, database))
}

async fn options(uri: &str) -> Result<ClientOptions, ConnectError> {
    let wrong = |reason: String| ConnectError::Address { reason };
    let parsed = timeout(LIMIT, ClientOptions::parse(uri)).await;
    let mut options = parsed
        .map_err(|_| wrong("the name server does not answer".to_owned()))?
        .map_err(|error| match &*error.kind {
            ErrorKind::DnsResolve { .. } => wrong(format!(
                "the name server knows no MongoDB of this name; correct it, or name the hosts, as in \
                 mongodb://HOST1,HOST2/DATABASE?replicaSet=NAME&tls=true ({})",
                error.kind
            )),
            kind => wrong(unreadable(uri).unwrap_or_else(|| kind.to_string())),
        })?;
    options.app_name.get_or_insert_with(|| "chat".to_owned());
    options.server_selection_timeout.get_or_insert(SELECTION);
    options.connect_timeout.get_or_insert(CONNECT);
    options.max_pool_size.get_or_insert(CONNECTIONS);
    // The driver's heartbeat notices a member that is gone in this time, not in ten seconds.
    options.heartbeat_freq.get_or_insert(CONNECT);
    // What follows is the promise of the store and no matter of taste.
    options.write_concern = Some(
        WriteConcern::builder()
            .w(Acknowledgment::Majority)
            .journal(true)
            .w_timeout(MAJORITY)
            .build(),
    );
    options.read_concern = Some(ReadConcern::majority());
    options.selection_criteria = Some(SelectionCriteria::ReadPreference(ReadPreference::Primary));
    Ok(options)
}

/// Why an address can't be read. The driver may show a part of a password as what it is not, so it
/// is asked about the rest.
fn unreadable(uri: &str) -> Option<String> {
    let (scheme, rest) = uri.split_once("://")?;
    let (_login, hosts) = rest.rsplit_once('@')?;
    if ConnectionString::parse(uri).is_ok() {
        return None;
    }
    Some(match ConnectionString::parse(format!("{scheme}://{hosts}")) {
        Err(error) => error.kind.to_string(),
        Ok(_) => "its name or password can't be read; in them, write % ? / @ : as %25 %3F %2F %40 %3A"
            .to_owned(),
    })
}

/// The version of the schema, which is ours if there was none. This writes, or tries to, so that
/// whoever may only read is told so now.
async fn version(database: &Database) -> mongodb::error::Result<i32> {
    let meta = database.collection::<Document>(META);
    let found = meta
        .find_one_and_update(
            doc! { "_id": "schema" },
            doc! { "$setOnInsert": { "version": VERSION } },
        )
        .upsert(true)
        .return_document(ReturnDocument::After)
        .await?;
    Ok(found.map_or(i32::MAX, |schema| version_in(&schema)))
}

fn version_in(schema: &Document) -> i32 {
    schema.get_i32("version").unwrap_or(i32::MAX)
}

/// Every index begins with the room, which is the shard key, but for those of one user's rooms.
async fn indexes(database: &Database, replicated: bool) -> mongodb::error::Result<()> {
    // By default each member has to be there; a standalone server knows no quorum.
    let options = CreateIndexOptions::builder()
        .commit_quorum(replicated.then_some(CommitQuorum::Majority))
        .build();
    let index = |name: &str, keys: Document, unique: bool, only: Option<Document>| {
        let options = IndexOptions::builder()
            .name(name.to_owned())
            .unique(unique.then_some(true))
            .partial_filter_expression(only)
            .build();
        IndexModel::builder().keys(keys).options(options).build()
    };
    // The old server's messages have none of these fields, and may stand in the same collection.
    let having = |field: &str| Some(doc! { field: { "$exists": true } });
    database
        .collection::<Document>(MESSAGES)
        .create_indexes([
            index(
                "room_seq",
                doc! { "roomId": 1, "seq": 1 },
                true,
                having("seq"),
            ),
            index(
                "room_author_client",
                doc! { "roomId": 1, "from": 1, "clientId": 1 },
                true,
                having("clientId"),
            ),
            index(
                "room_target",
                doc! { "roomId": 1, "target": 1 },
                false,
                having("target"),
            ),
            index(
                "pending",
                doc! { "pending": 1, "roomId": 1 },
                false,
                Some(doc! { "pending": true }),
            ),
        ])
        .with_options(options.clone())
        .await?;
    database
        .collection::<Document>(ROOMS)
        .create_index(index(
            "entering",
            doc! { "entering": 1 },
            false,
            having("entering"),
        ))
        .with_options(options.clone())
        .await?;
    database
        .collection::<Document>(MEMBERS)
        .create_indexes([
            index("room_user", doc! { "roomId": 1, "user": 1 }, true, None),
            index(
                "user_member_room",
                doc! { "user": 1, "member": 1, "roomId": 1 },
                false,
                None,
            ),
        ])
        .with_options(options)
        .await?;
    Ok(())
}

/// What a server has answered that nobody understands; nothing where it has not answered.
fn last_words(source: &Error) -> String {
    // The driver gives its description of the servers as a text only.
    let words = source.kind.to_string();
    let words = words.split("Error: Kind: ").skip(1);
    let mut words = words.filter_map(|one| Some(one.split_once(", labels: ")?.0));
    let silent = ["refused", "timed out", "timeout"];
    words
        .find(|one| !silent.iter().any(|it| one.to_lowercase().contains(it)))
        .map(|one| format!(" as it should ({one})"))
        .unwrap_or_default()
}

/// What is being connected to, for people.
struct Place {
    hosts: String,
    database: String,
    /// Whether the address names a user.
    login: bool,
}

impl Place {
    /// The answer, if there is one in time.
    async fn in_time<T>(
        &self,
        question: impl Future<Output = mongodb::error::Result<T>>,
    ) -> Result<T, ConnectError> {
        let answer = timeout(LIMIT, question).await;
        let late = |_| Err(io::Error::from(io::ErrorKind::TimedOut).into());
        answer
            .unwrap_or_else(late)
            .map_err(|error| self.failed(error))
    }

    /// Refuses a schema that this program doesn't know.
    fn known(&self, found: i32) -> Result<(), ConnectError> {
        let database = self.database.clone();
        match found {
            ..=VERSION => Ok(()),
            _ => Err(ConnectError::NewerSchema { database, found }),
        }
    }

    fn failed(&self, source: Error) -> ConnectError {
        let (hosts, database) = (self.hosts.clone(), self.database.clone());
        match (&*source.kind, error::code(&source)) {
            (ErrorKind::Authentication { .. }, _) | (_, Some(18)) => {
                ConnectError::WrongPassword { hosts, source }
            }
            (_, Some(13)) if !self.login => ConnectError::NoLogin { hosts },
            (_, Some(13 | 8000)) => ConnectError::NotAllowed { database, source },
            (_, Some(14_031)) => ConnectError::DiskFull { hosts, source },
            // The server's own words for what the system told it.
            (ErrorKind::Command(failed), _) if failed.message.contains("No space left") => {
                ConnectError::DiskFull { hosts, source }
            }
            (_, Some(10_107 | 13_435 | 13_436)) => ConnectError::NoPrimary { hosts, source },
            // The driver's description of the members tells a set without a primary apart.
            (ErrorKind::ServerSelection { message, .. }, _)
                if message.contains("RsSecondary") || message.contains("RsGhost") =>
            {
                ConnectError::NoPrimary { hosts, source }
            }
            // Whoever belongs to another one is left out.
            (ErrorKind::ServerSelection { message, .. }, _) if !message.contains("Servers: [") => {
                ConnectError::WrongSet { hosts, source }
            }
            (
                ErrorKind::ServerSelection { .. }
                | ErrorKind::ConnectionPoolCleared { .. }
                | ErrorKind::Io(_)
                | ErrorKind::DnsResolve { .. },
                _,
            ) => ConnectError::Unreachable { hosts, source },
            (ErrorKind::InvalidArgument { .. } | ErrorKind::InvalidTlsConfig { .. }, _) => {
                ConnectError::Address {
                    reason: source.kind.to_string(),
                }
            }
            _ => ConnectError::Other { database, source },
        }
    }
}
