//! The Node backend that this server replaces: its clients' protocols, and its stored messages.
//!
//! `requests` and `socketio` are mounted by the router, `import` is a command of the program, and
//! nothing else knows of this folder: when the last old client is gone, it can be removed as a whole.

#[cfg(feature = "mongo")]
pub mod import;

mod last_messages;
mod socketio;

use axum::response::Response;
use utoipa_axum::{router::OpenApiRouter, routes};

pub(crate) use self::socketio::routes as socketio;
pub use self::socketio::{check_event, recode_packet, recode_payload};
use crate::http::app::App;

/// True for a path of the old server, whose pages may send credentials.
pub(crate) fn serves(path: &str) -> bool {
    ["/lastmessages", "/socket.io", "/socket.io/"].contains(&path)
}

/// The answer to a bad request to Socket.IO, which has errors of its own; `None` for any other path.
pub(crate) fn bad_request(path: &str) -> Option<Response> {
    ["/socket.io", "/socket.io/"]
        .contains(&path)
        .then(socketio::bad_request)
}

/// `GET /lastmessages`, the one HTTP request of the old clients.
pub(crate) fn requests() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(last_messages::last_messages))
}
