//! The old server's Socket.IO protocol, on the engine.
//!
//! Each socket has one task that owns its state. Handlers do nothing but put the event into the
//! socket's bounded queue, before they return, so that events keep the order they came in.

mod context;
mod conversation;
mod front;
mod inbox;
mod incoming;
mod online;
mod outgoing;
mod receipts;
mod shared_list;

use std::{convert::Infallible, future::ready, sync::Arc, time::Duration};

use axum::{Router, routing::any};
use chat_core::Error;
use socketioxide::{
    ParserConfig, SocketIo,
    extract::SocketRef,
    handler::{ConnectHandler, Value},
};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use self::{
    context::Context,
    conversation::Conversation,
    front::Front,
    inbox::{Calls, Inbox},
    incoming::{Incoming, MAX_PACKET},
    outgoing::Client,
    shared_list::SharedList,
};
use crate::http::{app::App, metrics::Metrics};

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
/// What a client would be answered.
pub fn check_event(json: &str) -> Result<(), Error> {
    Incoming::read(&Value::Str(json.to_owned().into(), None)).map(drop)
}

/// Serves the old protocol under `/socket.io`, and sends its clients the list of who is online.
///
/// When the engine has been drained, all its connections are closed, after which clients come back by
/// themselves. Must be called inside a tokio runtime.
pub(crate) fn routes(app: &App) -> Router<App> {
    let (front, io) = attach(app);
    let drained = app.drained.clone();
    app.tasks.spawn(async move {
        drained.cancelled().await;
        io.close().await;
    });
    let answer = any(front::answer).with_state(front);
    Router::new()
        .route("/socket.io", answer.clone())
        .route("/socket.io/", answer.clone())
        .route("/socket.io/{*rest}", answer)
}

/// A socket's queue, from the moment it is made until its task takes it.
#[derive(Clone)]
struct Pending {
    calls: Arc<Calls>,
    kick: CancellationToken,
    gone: CancellationToken,
}

fn attach(app: &App) -> (Front, SocketIo) {
    let (service, io) = SocketIo::builder()
        .max_buffer_size(WRITE_QUEUE)
        .max_payload(MAX_PAYLOAD.into())
        .ws_max_message_size(MAX_PAYLOAD as usize)
        .ws_max_frame_size(MAX_PAYLOAD as usize)
        .ws_read_buffer_size(READ_BUFFER)
        .connect_timeout(OPENING_DEADLINE)
        .ping_interval(app.settings.ping_interval)
        .ping_timeout(app.settings.pong_timeout)
        .with_parser(
            // Attachments are refused, which takes reading them; so only a few, and small ones.
            ParserConfig::common()
                .max_incoming_binaries(16)
                .max_incoming_binary_buf_size(MAX_PACKET)
                .packet_completion_timeout(OPENING_DEADLINE),
        )
        .build_with_inner_svc(Router::new());
    let (newcomers, arriving) = mpsc::channel(1_024);
    let list = Arc::new(SharedList::new());
    let sending = online::run(io.clone(), app.engine.clone(), Arc::clone(&list), arriving);
    tokio::spawn(sending);
    let context = Arc::new(Context::new(app.clone(), newcomers));
    let connected = move |socket: SocketRef| {
        serve(&context, socket);
        ready(())
    };
    let metrics = Arc::clone(&app.metrics);
    let prepare = move |socket: SocketRef| {
        prepare(&socket, &metrics);
        ready(Ok::<_, Infallible>(()))
    };
    io.ns("/", connected.with(prepare));
    let front = Front {
        service,
        list,
        write_timeout: app.settings.write_timeout,
    };
    (front, io)
}

/// Makes the socket's queue. This runs before the client hears that it is connected: handlers that
/// are set only afterwards can miss its first event.
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

fn serve(context: &Arc<Context>, socket: SocketRef) {
    let Some(Pending { calls, kick, gone }) = socket.extensions.remove::<Pending>() else {
        return;
    };
    let client = Client::new(socket, kick, gone, Arc::clone(&context.app.metrics));
    tokio::spawn(Conversation::new(Arc::clone(context), client).run(calls));
}
