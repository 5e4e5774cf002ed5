//! Connecting to a server of which nothing is known yet: checks that it answers, that it accepts
//! the login, and that this code knows the version of its schema.

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
    doc::{BLOCKS, DECISIONS, INVITES, LOOKS, MEMBERS, MESSAGES, META, ROOMS},
    error::{self, DUPLICATE_KEY},
};

/// The version of the schema that this code writes. [`upgrade`](crate::upgrade) has what each one brought.
pub(crate) const VERSION: i32 = 5;

/// The time limit of one operation, so that an error is reported in less than five seconds.
pub(crate) const LIMIT: Duration = Duration::from_secs(4);

/// The time limits of single stages; the stages that follow one another take less than [`LIMIT`].
const SELECTION: Duration = Duration::from_millis(2_500);
const CONNECT: Duration = Duration::from_secs(2);
const MAJORITY: Duration = Duration::from_secs(3);

/// The size of the connection pool: four lanes of appends, and reads beside them; a read takes
/// about a millisecond.
const CONNECTIONS: u32 = 32;

/// The wire version of `MongoDB` 6.0, the first whose `$lookup` reads a sharded collection without
/// a flag.
const OLDEST_WIRE_VERSION: i32 = 17;

/// With more messages than this, making the indexes may take longer than any other operation.
const MANY: u64 = 10_000;

/// The number of duplicates that an error names.
const NAMED: i64 = 3;

/// The name of the database when the address names none.
pub(crate) const DATABASE: &str = "chat";

/// The reason why the store can't be used, and the remedy.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConnectError {
    /// The address can't be read.
    #[error("the address of MongoDB can't be used: {reason}")]
    Address {
        /// The fault that was found.
        reason: String,
    },
    /// No server answers.
    #[error(
        "MongoDB does not answer at {hosts}{}; start it, or correct the address",
        last_words(source)
    )]
    Unreachable {
        /// The hosts of the address.
        hosts: String,
        /// The driver's error.
        source: Error,
    },
    /// A server answers, but is no member of the replica set that the address names.
    #[error(
        "MongoDB at {hosts} is no member of a replica set of that name; correct replicaSet in the address"
    )]
    WrongSet {
        /// The hosts of the address.
        hosts: String,
        /// The driver's error.
        source: Error,
    },
    /// A server answers, but the replica set has no member that takes writes.
    #[error(
        "MongoDB at {hosts} has no primary; wait for the election, or initiate the replica set"
    )]
    NoPrimary {
        /// The hosts of the address.
        hosts: String,
        /// The driver's error.
        source: Error,
    },
    /// The name or the password is wrong.
    #[error("MongoDB at {hosts} refused the name or the password; correct them in the address")]
    WrongPassword {
        /// The hosts of the address.
        hosts: String,
        /// The driver's error.
        source: Error,
    },
    /// The address names no user, and the server requires a login.
    #[error("MongoDB at {hosts} wants a name and a password; put them into the address")]
    NoLogin {
        /// The hosts of the address.
        hosts: String,
    },
    /// A server answers, but the indexes were not made in time.
    #[error(
        "MongoDB at {hosts} has not made the indexes in time; wait until a majority of its members is \
         up and at rest, and start again"
    )]
    Indexes {
        /// The hosts of the address.
        hosts: String,
    },
    /// The user has no permission to write, which a store needs.
    #[error("this user may not write to the database {database}; give it the role readWrite there")]
    NotAllowed {
        /// The database.
        database: String,
        /// The server's error.
        source: Error,
    },
    /// The user has no permission to read, which an import needs.
    #[error("this user may not read the database {database}; give it the role read there")]
    MayNotRead {
        /// The database.
        database: String,
        /// The server's error.
        source: Error,
    },
    /// A later version of this crate wrote the database.
    #[error(
        "the database {database} has version {found} of the schema, and this program knows \
         versions up to {VERSION}; run the newer program, or name another database"
    )]
    NewerSchema {
        /// The database.
        database: String,
        /// The version of its schema.
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
        /// The cause of the deletions, and the remedy.
        reason: String,
    },
    /// Several documents share a key that must be unique.
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
        /// The key that they share, with control characters escaped.
        key: String,
        /// The ids of the first ones.
        ids: String,
    },
    /// The disk of the server is full.
    #[error("the disk of MongoDB at {hosts} is full; free some of it")]
    DiskFull {
        /// The hosts of the address.
        hosts: String,
        /// The server's error.
        source: Error,
    },
    /// Any other failure; the source describes it.
    #[error("the database {database} can't be used: {}", source.kind)]
    Other {
        /// The database.
        database: String,
        /// The driver's error.
        source: Error,
    },
}

/// Connects, and returns the database, ready for use, and the id of its logs.
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
        // Messages of the old server are in no index yet, so the server reads every one of them.
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

/// Returns the reason why MongoDB deletes documents by itself, if it does.
async fn forgets(database: &Database) -> mongodb::error::Result<Option<ConnectError>> {
    let ours = [
        MESSAGES, ROOMS, MEMBERS, DECISIONS, LOOKS, BLOCKS, INVITES, META,
    ];
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

/// Returns an id that a copy of the database doesn't share, though the copy has the same rooms with
/// the same epochs.
async fn id(database: &Database, set: &str) -> mongodb::error::Result<Uuid> {
    // MongoDB gives each collection an id when it makes it, so in a restored dump the id differs.
    let named = doc! { "name": MESSAGES };
    let mut found = database.list_collections().filter(named).await?;
    let found = found.try_next().await?;
    let made = found.and_then(|it| it.info.uuid).map(|it| it.bytes);
    let parts = [made.unwrap_or_default(), database.name().into(), set.into()];
    Ok(Uuid::new_v5(&Uuid::NAMESPACE_OID, &parts.join(&0)))
}

/// Describes the duplicates that kept a unique index from being made, if they are the reason.
async fn duplicates(database: &Database, error: &Error) -> Option<ConnectError> {
    let failed = error
        .server_response()
        .filter(|_| error::code(error) == Some(DUPLICATE_KEY))?;
    let key = Document::try_from(failed.get_document("keyValue").ok()?).ok()?;
    let indexed = [MESSAGES, MEMBERS, DECISIONS, BLOCKS, INVITES].into_iter();
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

/// Connects for reading, and changes nothing; the database is `otherwise` if the address names
/// none.
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

/// Reads the address; no server has been contacted yet.
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
    // With this interval the driver's heartbeat notices the loss of a member in two seconds, not in
    // ten.
    options.heartbeat_freq.get_or_insert(CONNECT);
    // The settings below are the store's promise of durability, so the address can't change them.
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

/// Returns the reason why an address can't be read. The driver's error may take a part of a
/// password for another part of the address and show it, so the driver parses the address without
/// the login.
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

/// Returns the version of the schema, and writes ours if there was none. The write is tried in any
/// case, so that a missing permission to write is reported at the start.
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

pub(crate) fn version_in(schema: &Document) -> i32 {
    schema.get_i32("version").unwrap_or(i32::MAX)
}

/// Makes the indexes. Each begins with the room, which is the shard key, except those that find the
/// rooms of one user, those that find open work in all rooms, that of channels, that of the tokens of
/// invitations, and those of decisions and blocks.
async fn indexes(database: &Database, replicated: bool) -> mongodb::error::Result<()> {
    // By default every member of the replica set has to be up; a standalone server knows no quorum.
    let options = CreateIndexOptions::builder()
        .commit_quorum(replicated.then_some(CommitQuorum::Majority))
        .build();
    database
        .collection::<Document>(MESSAGES)
        .create_indexes([
            index(
                "room_seq",
                doc! { "roomId": 1, "seq": 1 },
                true,
                Some(having("seq")),
            ),
            index(
                "room_author_client",
                doc! { "roomId": 1, "from": 1, "clientId": 1 },
                true,
                Some(having("clientId")),
            ),
            index(
                "room_target",
                doc! { "roomId": 1, "target": 1 },
                false,
                Some(having("target")),
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
        .create_indexes([
            index(
                "entering",
                doc! { "entering": 1 },
                false,
                Some(having("entering")),
            ),
            index(
                "channels",
                doc! { "kind": 1, "_id": 1 },
                false,
                Some(doc! { "kind": "channel" }),
            ),
        ])
        .with_options(options.clone())
        .await?;
    database
        .collection::<Document>(MEMBERS)
        .create_indexes([
            index("room_user", doc! { "roomId": 1, "user": 1 }, true, None),
            index(
                "room_owner",
                doc! { "roomId": 1, "role": 1 },
                false,
                Some(doc! { "role": "owner" }),
            ),
            index(
                "user_member_room",
                doc! { "user": 1, "member": 1, "roomId": 1 },
                false,
                None,
            ),
        ])
        .with_options(options.clone())
        .await?;
    indexes_beside_rooms(database, options).await
}

/// Makes the indexes of invitations and of decisions.
async fn indexes_beside_rooms(
    database: &Database,
    options: CreateIndexOptions,
) -> mongodb::error::Result<()> {
    database
        .collection::<Document>(INVITES)
        .create_indexes([
            index("token", doc! { "token": 1 }, true, None),
            index("room_id", doc! { "roomId": 1, "_id": 1 }, false, None),
        ])
        .with_options(options.clone())
        .await?;
    database
        .collection::<Document>(DECISIONS)
        .create_indexes([
            index("by_client", doc! { "by": 1, "clientId": 1 }, true, None),
            index(
                "until_version",
                doc! { "until": 1, "_id": 1 },
                false,
                Some(having("until")),
            ),
            index("lifts", doc! { "lifts": 1 }, false, Some(having("lifts"))),
        ])
        .with_options(options.clone())
        .await?;
    database
        .collection::<Document>(BLOCKS)
        .create_indexes([
            index("by_user", doc! { "by": 1, "user": 1 }, true, None),
            index("user_by", doc! { "user": 1, "by": 1 }, false, None),
        ])
        .with_options(options)
        .await?;
    Ok(())
}

fn index(name: &str, keys: Document, unique: bool, only: Option<Document>) -> IndexModel {
    let options = IndexOptions::builder()
        .name(name.to_owned())
        .unique(unique.then_some(true))
        .partial_filter_expression(only)
        .build();
    IndexModel::builder().keys(keys).options(options).build()
}

/// The filter of an index on documents that have this field: the old server's messages have none of ours, and
/// may be in the same collection.
fn having(field: &str) -> Document {
    doc! { field: { "$exists": true } }
}

/// Returns the answer of a server that the driver did not understand, or an empty text where no
/// server answered.
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

/// The server and the database to connect to, as an error shows them.
struct Place {
    hosts: String,
    database: String,
    /// `true` if the address names a user.
    login: bool,
}

impl Place {
    /// Waits for the answer, at most for [`LIMIT`].
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
            // The server's own wording of the operating system's error.
            (ErrorKind::Command(failed), _) if failed.message.contains("No space left") => {
                ConnectError::DiskFull { hosts, source }
            }
            (_, Some(10_107 | 13_435 | 13_436)) => ConnectError::NoPrimary { hosts, source },
            // The driver's description of the members shows that the set has no primary.
            (ErrorKind::ServerSelection { message, .. }, _)
                if message.contains("RsSecondary") || message.contains("RsGhost") =>
            {
                ConnectError::NoPrimary { hosts, source }
            }
            // The driver leaves members of any other replica set out of its description.
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
