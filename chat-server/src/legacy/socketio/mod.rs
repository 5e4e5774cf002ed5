//! The old server's protocol: Socket.IO 5 on Engine.IO 4, over polling and WebSocket.
//!
//! [`requests`] answers HTTP. A session has one [`task`], which does the I/O that the state machine in
//! [`session`] decides on, and hands events to the [`conversation`], which carries them out with the
//! engine. [`engine_packet`] and [`packet`] read and write the two layers of packets. The protocol
//! documents, engine.io-protocol 4 and socket.io-protocol 5, are the reference.
//!
//! ```text
//!   requests -> sessions -> task -> session        Engine.IO: transports, heartbeat, upgrade
//!                            |-> packet            Socket.IO: namespace, events, acks
//!                            +-> conversation      the old events, on the engine
//!                                   ^-- queue, shared_list, online
//! ```

mod context;
mod conversation;
mod engine_packet;
mod identity;
mod incoming;
mod login;
mod online;
mod outgoing;
mod pace;
mod packet;
mod queue;
mod receipts;
mod requests;
mod session;
mod sessions;
mod shared_list;
mod task;
mod upgrade;

use std::sync::Arc;

use axum::{
    Router,
    response::{IntoResponse, Response},
    routing::any,
};
use chat_core::Error;
use tokio::sync::mpsc;

use self::{context::Context, incoming::Incoming, shared_list::SharedList};
use crate::http::app::App;

/// Checks that this JSON array is an event of the old protocol: for fuzzing, and for checking clients.
///
/// # Errors
///
/// The error that a client would be answered.
pub fn check_event(json: &str) -> Result<(), Error> {
    Incoming::read(json).map(drop)
}

/// Reads the body of an Engine.IO request and writes what was read: for fuzzing, and for checking clients.
/// `None` when it is refused.
pub fn recode_payload(body: &str) -> Option<String> {
    let packets = engine_packet::read_payload(body).ok()?;
    Some(engine_packet::write_payload(&packets))
}

/// Reads a Socket.IO packet and writes what was read: for fuzzing, and for checking clients. `None` when
/// it is refused.
pub fn recode_packet(text: &str) -> Option<String> {
    let packet = packet::Packet::read(text).ok()?;
    // Without the digit by which Engine.IO knows a message.
    packet.encode().strip_prefix('4').map(str::to_owned)
}

/// The answer to a request that is refused before it is known whom it concerns.
pub(crate) fn bad_request() -> Response {
    requests::Problem::BadRequest.into_response()
}

/// Serves the old protocol under `/socket.io`, and sends its clients the list of users online.
///
/// All its connections are closed once the engine has been drained, after which clients come back by
/// themselves. Must be called inside a tokio runtime.
pub(crate) fn routes(app: &App) -> Router<App> {
    let (newcomers, arriving) = mpsc::channel(1_024);
    let list = Arc::new(SharedList::new());
    tokio::spawn(online::run(app.engine.clone(), Arc::clone(&list), arriving));
    let context = Arc::new(Context::new(app.clone(), newcomers, list));
    let answer = any(requests::answer).with_state(context);
    Router::new()
        .route("/socket.io", answer.clone())
        .route("/socket.io/", answer)
}
