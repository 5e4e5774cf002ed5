//! The old server's Socket.IO protocol, on the engine.
//!
//! Each socket has one task that owns its state. Handlers do nothing but put the event into the
//! socket's bounded queue, before they return, so that events keep the order they came in.

mod conversation;
mod front;
mod inbox;
mod incoming;
mod online;
mod outgoing;
mod receipts;
mod stand_in;

use std::{convert::Infallible, fmt, future::ready, sync::Arc, time::Duration};

use axum::Router;
use chat_core::{ChatEngine, Clock, Error, IdGen, RandomIds, SystemClock, port::Authenticator};
use socketioxide::{
    ParserConfig, SocketIo,
    extract::SocketRef,
    handler::{ConnectHandler, Value},
};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

pub(crate) use self::front::{Front, answer};

use self::{
    conversation::Conversation,
    inbox::{Inbox, Waiting},
    incoming::Incoming,
    online::Listener,
    outgoing::Link,
    stand_in::Newest,
};
use crate::metrics::Metrics;

/// What the Socket.IO side needs beside the engine.
#[derive(Clone)]
pub(crate) struct SocketIoSettings {
    /// Tells whom the string of `set-username` stands for.
    pub authenticator: Arc<dyn Authenticator>,
    /// The clock that refused messages are dated by. Default: the machine's.
    pub clock: Arc<dyn Clock>,
    /// Where refused messages get their ids. Default: `UUIDv7`.
    pub ids: Arc<dyn IdGen>,
    /// How often a client is asked for a sign of life. Default 25 s.
    pub ping_interval: Duration,
    /// How long it may take to give one. Default 20 s.
    pub ping_timeout: Duration,
}

impl SocketIoSettings {
    /// The defaults, and who tells whom a name stands for.
    pub(crate) fn new(authenticator: Arc<dyn Authenticator>) -> Self {
        Self {
            authenticator,
            clock: Arc::new(SystemClock::default()),
            ids: Arc::new(RandomIds),
            ping_interval: Duration::from_secs(25),
            ping_timeout: Duration::from_secs(20),
        }
    }
}

impl fmt::Debug for SocketIoSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SocketIoSettings")
            .field("authenticator", &self.authenticator)
            .field("ping_interval", &self.ping_interval)
            .field("ping_timeout", &self.ping_timeout)
            .finish_non_exhaustive()
    }
}

/// The largest packet that is read from or written to the network, as the old server had it.
const MAX_PAYLOAD: u32 = 1_000_000;

/// How many packets may wait to be written to a socket; then it is too slow and is closed.
const WRITE_QUEUE: usize = 1_024;

/// What an idle socket holds to read into; it is made larger for a larger packet.
const READ_BUFFER: usize = 1 << 10;

/// Until when a connection has to open the protocol.
const OPENING_DEADLINE: Duration = Duration::from_secs(5);

/// Whether this JSON array is an event of the old protocol: for fuzzing, and for checking clients.
///
/// # Errors
///
/// What a client would be told.
pub fn check_event(json: &str) -> Result<(), Error> {
    Incoming::read(&Value::Str(json.to_owned().into(), None)).map(drop)
}

/// What all sockets share.
struct Shared {
    engine: ChatEngine,
    settings: SocketIoSettings,
    newcomers: mpsc::Sender<Listener>,
    metrics: Arc<Metrics>,
}

/// A socket's queue, from the moment it is made until its task takes it.
#[derive(Clone)]
struct Pending {
    calls: Arc<Waiting>,
    kick: CancellationToken,
    gone: CancellationToken,
}

/// Serves the old protocol under `/socket.io`, and keeps its clients told who is online.
///
/// [`answer`] takes the requests to `/socket.io` and passes on all others. [`SocketIo::close`] ends
/// all connections, after which clients come back by themselves; call it when the engine has been
/// drained. Must be called inside a tokio runtime.
pub(crate) fn attach(
    engine: ChatEngine,
    settings: SocketIoSettings,
    metrics: Arc<Metrics>,
) -> (Front, SocketIo) {
    let (service, io) = SocketIo::builder()
        .max_buffer_size(WRITE_QUEUE)
        .max_payload(MAX_PAYLOAD.into())
        .ws_max_message_size(MAX_PAYLOAD as usize)
        .ws_max_frame_size(MAX_PAYLOAD as usize)
        .ws_read_buffer_size(READ_BUFFER)
        .connect_timeout(OPENING_DEADLINE)
        .ping_interval(settings.ping_interval)
        .ping_timeout(settings.ping_timeout)
        .with_parser(
            // Attachments are refused, which takes reading them; so only a few, and small ones.
            ParserConfig::common()
                .max_incoming_binaries(16)
                .max_incoming_binary_buf_size(inbox::MAX_PACKET)
                .packet_completion_timeout(OPENING_DEADLINE),
        )
        .build_with_inner_svc(Router::new());
    let (newcomers, arriving) = mpsc::channel(1_024);
    let newest = Arc::new(Newest::new());
    let telling = online::run(io.clone(), engine.clone(), Arc::clone(&newest), arriving);
    tokio::spawn(telling);
    let shared = Arc::new(Shared {
        engine,
        settings,
        newcomers,
        metrics: Arc::clone(&metrics),
    });
    let connected = move |socket: SocketRef| {
        serve(&shared, socket);
        ready(())
    };
    let prepare = move |socket: SocketRef| {
        prepare(&socket, &metrics);
        ready(Ok::<_, Infallible>(()))
    };
    io.ns("/", connected.with(prepare));
    (Front { service, newest }, io)
}

/// Makes the socket's queue. This runs before the client is told that it is connected: handlers
/// that are set only afterwards can miss its first event.
fn prepare(socket: &SocketRef, metrics: &Arc<Metrics>) {
    let (kick, gone) = (CancellationToken::new(), CancellationToken::new());
    let (inbox, calls) = Inbox::new(kick.clone(), Arc::clone(metrics));
    socket.on_fallback(inbox);
    socket.on_disconnect({
        let gone = gone.clone();
        move || {
            gone.cancel();
            ready(())
        }
    });
    socket.extensions.insert(Pending { calls, kick, gone });
}

fn serve(shared: &Arc<Shared>, socket: SocketRef) {
    let Some(Pending { calls, kick, gone }) = socket.extensions.remove::<Pending>() else {
        return;
    };
    let link = Link::new(socket, kick, gone, Arc::clone(&shared.metrics));
    tokio::spawn(Conversation::new(Arc::clone(shared), link).run(calls));
}
