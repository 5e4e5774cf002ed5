//! Opens the store and the cache that the settings name, builds the engine on them, and listens.

use std::{
    fmt::{self, Display},
    io,
    sync::Arc,
};

#[cfg(feature = "redis")]
use chat_cache_redis::{RedisBroker, RedisCache};
use chat_core::{
    BuildError, ChatEngine, IdGen as _, RandomIds,
    moderation::{DEFAULT_WORDS, Matching, WordList, WordListError},
    port::{BackendError, BackendErrorKind},
};
#[cfg(feature = "mongo")]
use chat_store_mongo::{ConnectError, MongoStore};
#[cfg(feature = "sqlite")]
use chat_store_sqlite::{OpenError, SqliteStore};

use crate::{
    Listener, Server,
    admin::{Admin, audit_file::AuditFile, token::AdminToken},
    auth::{self, keyring::Keyring},
    config::{Address, Auth, CacheUrl, Match, Settings, StoreUrl, without_password},
    files::{FileError, reload::Hangup},
    http::{auth::Login, tls::Tls},
};

/// Why the server can't start, in one line.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// The word list can't be used.
    #[error("moderation-words: {0}")]
    Words(#[from] WordListError),
    /// The program was built without what a setting names.
    #[error(
        "{setting}: this chat-server was built without the feature {feature}; build it with --features {feature}"
    )]
    Missing {
        /// The setting, or the command.
        setting: &'static str,
        /// The feature of the crate.
        feature: &'static str,
    },
    /// The store can't be opened.
    #[cfg(feature = "sqlite")]
    #[error("store: {0}{cause}", cause = cause(.0))]
    Open(#[from] OpenError),
    /// The store can't be reached, or doesn't let us in.
    #[cfg(feature = "mongo")]
    #[error("store: {0}")]
    Connect(#[from] ConnectError),
    /// The store can't be read.
    #[error("store: {0}{cause}", cause = cause(.0))]
    Store(#[from] BackendError),
    /// The cache can't be used.
    #[error("cache: {source}{cause}{remedy}", cause = cause(.source), remedy = remedy(.source, .url))]
    Cache {
        /// Where it is, without a password.
        url: String,
        /// The fault that was found.
        source: BackendError,
    },
    /// A file that a setting names can't be used.
    #[error(transparent)]
    File(#[from] FileError),
    /// The settings of the engine make no sense together.
    #[error(transparent)]
    Build(#[from] BuildError),
    /// The address can't be listened on.
    #[error("{setting}: {address} can't be used: {reason}", reason = reason(.setting, .address, .source))]
    Listen {
        /// The setting that names it.
        setting: &'static str,
        /// The address.
        address: Address,
        /// What the system said.
        source: io::Error,
    },
}

impl StartError {
    /// What the process should exit with: 2 for a wrong setting, 1 for anything else.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Words(_) | Self::Missing { .. } | Self::File(_) | Self::Build(_) => 2,
            _ => 1,
        }
    }
}

pub(crate) fn cause(error: &dyn std::error::Error) -> String {
    error
        .source()
        .map(|source| format!(": {source}"))
        .unwrap_or_default()
}

/// What to do about a failure, where the cause doesn't say so itself.
fn remedy(error: &BackendError, url: &str) -> String {
    match error.kind {
        BackendErrorKind::Unavailable | BackendErrorKind::Timeout => {
            format!("; start it, or correct {url}")
        }
        BackendErrorKind::Unauthorized => {
            format!("; correct the login in {url}, or what this user may do")
        }
        BackendErrorKind::Misconfigured if cause(error).contains("InvalidCertificate") => {
            "; the file that SSL_CERT_FILE names has the authorities to trust".to_owned()
        }
        BackendErrorKind::Full => format!("; give {url} more memory, or let it evict keys"),
        _ => String::new(),
    }
}

fn reason(setting: &str, address: &Address, error: &io::Error) -> String {
    match (address, error.kind()) {
        (Address::Tcp(_), io::ErrorKind::AddrInUse) => {
            format!(
                "another program listens there; stop it, or choose another port with --{setting}"
            )
        }
        (Address::Unix(_), io::ErrorKind::AddrInUse) => {
            format!(
                "another program listens there; stop it, or choose another path with --{setting}"
            )
        }
        (Address::Unix(_), io::ErrorKind::AlreadyExists) => format!(
            "there is a file that is no socket; remove it, or choose another path with --{setting}"
        ),
        _ => error.to_string(),
    }
}

/// The parts that a server needs to run.
#[derive(Debug)]
pub struct Started {
    /// Where it listens.
    pub listener: Listener,
    /// The engine on its store.
    pub engine: ChatEngine,
    /// How many rooms the store has.
    pub rooms: u64,
    /// How users log in.
    login: Login,
    /// The keys of the tokens, when users log in by token.
    keys: Option<Arc<Keyring>>,
    /// The administration, when the settings name a place for it.
    admin: Option<Admin>,
    /// The file of the record, when the settings name one.
    audit: Option<AuditFile>,
}

/// Listens, opens the store and the cache, and builds the engine.
///
/// # Errors
///
/// [`StartError`] names the setting and says what to do.
pub async fn start(settings: &Settings) -> Result<Started, StartError> {
    #[cfg(not(feature = "jwks"))]
    if settings.jwt_keys_url.is_some() {
        return Err(StartError::Missing {
            setting: "jwt-keys-url",
            feature: "jwks",
        });
    }
    #[cfg(not(feature = "otel"))]
    if settings.otlp_endpoint.is_some() {
        return Err(StartError::Missing {
            setting: "otlp-endpoint",
            feature: "otel",
        });
    }
    // First the address: a second server should not even look at the file of the first.
    let (listener, admin) = listeners(settings).await?;
    let words = match &settings.moderation_words {
        Some(path) => WordList::open(path)?,
        None => WordList::new(DEFAULT_WORDS)?,
    };
    let builder = ChatEngine::builder()
        .config(settings.engine())
        .moderator(words.matching(match settings.moderation_match {
            Match::Word => Matching::Word,
            Match::Substring => Matching::Substring,
        }));
    #[cfg(feature = "redis")]
    let mut shared = None;
    match &settings.cache {
        // The builder's own.
        CacheUrl::Memory => {}
        #[cfg(not(feature = "redis"))]
        CacheUrl::Redis(_) => {
            return Err(StartError::Missing {
                setting: "cache",
                feature: "redis",
            });
        }
        #[cfg(feature = "redis")]
        CacheUrl::Redis(url) => {
            let failed = |source| {
                let url = without_password(url);
                StartError::Cache { url, source }
            };
            let cache = Box::pin(RedisCache::connect(url)).await.map_err(failed)?;
            let broker = Box::pin(RedisBroker::connect(url)).await.map_err(failed)?;
            shared = Some((cache, broker));
        }
    }
    // A store that serves one process has its windows for itself, and begins them anew with each start.
    let (builder, rooms, id) = match &settings.store {
        StoreUrl::Memory => (builder, 0, RandomIds.next()),
        #[cfg(not(feature = "sqlite"))]
        StoreUrl::Sqlite(_) => {
            return Err(StartError::Missing {
                setting: "store",
                feature: "sqlite",
            });
        }
        #[cfg(feature = "sqlite")]
        StoreUrl::Sqlite(path) => {
            let store = SqliteStore::open(path).await?;
            let rooms = store.room_count().await?;
            (builder.store(store), rooms, RandomIds.next())
        }
        #[cfg(not(feature = "mongo"))]
        StoreUrl::Mongo(_) => {
            return Err(StartError::Missing {
                setting: "store",
                feature: "mongo",
            });
        }
        #[cfg(feature = "mongo")]
        StoreUrl::Mongo(address) => {
            let store = Box::pin(MongoStore::connect(address)).await?;
            let (rooms, id) = (store.room_count().await?, store.id());
            (builder.store(store), rooms, id)
        }
    };
    #[cfg(feature = "redis")]
    let builder = match shared {
        Some((cache, broker)) => builder.cache(cache.of_store(id)).broker(broker),
        None => builder,
    };
    #[cfg(not(feature = "redis"))]
    let _ = id;
    let engine = builder.build()?;
    // A node that doesn't know who is banned lets nobody in.
    engine.ready().await?;
    let (login, keys) = login(settings, &engine).await?;
    if listener.tls().is_some() || keys.is_some() || admin.is_some() {
        // The tasks that read files again listen for SIGHUP soon; until then it must not end the process.
        drop(Hangup::new());
    }
    Ok(Started {
        listener,
        engine,
        rooms,
        login,
        keys,
        admin,
        audit: audit(settings)?,
    })
}

/// Listens for users and, if the settings say so, for administrators.
async fn listeners(settings: &Settings) -> Result<(Listener, Option<Admin>), StartError> {
    let listener = listen("listen", &settings.listen).await?;
    let admin = match &settings.admin_listen {
        Some(address) => Some(listen("admin-listen", address).await?),
        None => None,
    };
    let listener = match (&settings.tls_cert_file, &settings.tls_key_file) {
        (Some(certificates), Some(key)) => {
            listener.with_tls(Arc::new(Tls::open(certificates, key)?))
        }
        _ => listener,
    };
    let admin = admin.map(|admin| administration(settings, admin, listener.tls()));
    Ok((listener, admin.transpose()?))
}

/// The file of the record, if the settings name one.
fn audit(settings: &Settings) -> Result<Option<AuditFile>, FileError> {
    let path = settings.audit_file.as_deref();
    path.map(AuditFile::open).transpose()
}

async fn listen(setting: &'static str, address: &Address) -> Result<Listener, StartError> {
    let listening = Listener::bind(address).await;
    listening.map_err(|source| StartError::Listen {
        setting,
        address: address.clone(),
        source,
    })
}

/// The administration on this listener. Beyond this machine it speaks TLS with the server's certificate.
fn administration(
    settings: &Settings,
    listener: Listener,
    tls: Option<&Arc<Tls>>,
) -> Result<Admin, FileError> {
    let local = settings.admin_listen.as_ref().is_none_or(Address::is_local);
    let listener = match tls {
        Some(tls) if !local => listener.with_tls(Arc::clone(tls)),
        _ => listener,
    };
    let token = settings.admin_token_file.clone().map(AdminToken::open);
    Ok(Admin {
        listener: Arc::new(listener),
        token: token.transpose()?.map(Arc::new),
    })
}

/// The login that the settings describe, and the keys of its tokens.
async fn login(
    settings: &Settings,
    engine: &ChatEngine,
) -> Result<(Login, Option<Arc<Keyring>>), FileError> {
    match settings.auth {
        Auth::Open => Ok((Login::Open, None)),
        Auth::Jwt => {
            let jwt = auth::login_by_token(settings, Arc::clone(engine.clock()))?;
            jwt.keys.prepare().await;
            let keys = Arc::clone(&jwt.keys);
            Ok((Login::checked(jwt), Some(keys)))
        }
    }
}

impl Started {
    /// The server of the engine, with the login that the settings describe, and where it listens.
    pub fn server(self, settings: Settings) -> (Server, Listener) {
        let builder = Server::builder(self.engine).settings(settings);
        let builder = builder.login(self.login, self.keys);
        let server = builder.administration(self.admin, self.audit).build();
        (server, self.listener)
    }

    /// The lines that a person reads at start: the address, the store, how to log in, how to stop.
    pub fn greeting(&self, settings: &Settings) -> impl Display {
        let place = place(&self.listener, &settings.listen);
        let admin = self.admin.as_ref().zip(settings.admin_listen.as_ref());
        let admin = admin.map(|(admin, address)| self::place(&admin.listener, address));
        let store = match &settings.store {
            StoreUrl::Memory => "memory: everything is gone when the server stops".to_owned(),
            StoreUrl::Sqlite(path) => self.with_rooms(&path.display()),
            StoreUrl::Mongo(address) => self.with_rooms(&without_password(address)),
        };
        let login = match settings.auth {
            Auth::Open => "open: a name is enough".to_owned(),
            Auth::Jwt => {
                let name = |name: &Option<String>| name.clone().unwrap_or_default();
                let (issuer, audience) = (name(&settings.jwt_issuer), name(&settings.jwt_audience));
                format!("jwt: signed tokens of {issuer} for {audience}")
            }
        };
        let version = env!("CARGO_PKG_VERSION");
        fmt::from_fn(move |f| {
            writeln!(f, "chat-server {version}")?;
            writeln!(
                f,
                "  listening  {place} (REST /v1, WebSocket /v1/ws, Socket.IO)"
            )?;
            if let Some(admin) = &admin {
                writeln!(f, "  admin      {admin} (/admin/v1)")?;
            }
            writeln!(f, "  store      {store}")?;
            writeln!(f, "  login      {login}")?;
            write!(f, "  stop       Ctrl+C")
        })
    }

    fn with_rooms(&self, store: &dyn Display) -> String {
        let s = if self.rooms == 1 { "" } else { "s" };
        format!("{store}, {} room{s}", self.rooms)
    }
}

/// Where a listener can be reached, in the form of a URL if it is a port.
fn place(listener: &Listener, wanted: &Address) -> String {
    match listener.address() {
        Ok(Address::Tcp(address)) => match listener.tls() {
            Some(_) => format!("https://{address}"),
            None => format!("http://{address}"),
        },
        Ok(socket) => socket.to_string(),
        Err(_) => wanted.to_string(),
    }
}
