//! The WebSocket of a session: from an HTTP connection to its close.

use std::sync::Arc;

use hyper::upgrade::OnUpgrade;

use super::{context::Context, session::End};
use crate::{
    http::stream::{self, Stream},
    websocket::socket::WebSocket,
};

/// The close code and reason of a WebSocket whose session has no fault.
pub(super) const NORMAL: (u16, &str) = (1000, "");

/// The close code and reason for a session that has ended. The npm client takes any code for the end of the
/// transport, after which it comes back.
pub(super) fn close_code(end: End) -> (u16, &'static str) {
    match end {
        End::Left | End::Closed => NORMAL,
        End::Broke => (1002, "this breaks the protocol"),
        End::Silent => (1000, "no pong"),
        End::Idle => (1000, "no namespace"),
    }
}

/// Waits until HTTP is done with a connection.
pub(super) async fn opening(
    context: Arc<Context>,
    upgrade: OnUpgrade,
) -> Option<WebSocket<Stream>> {
    let write_timeout = context.app.settings.write_timeout;
    let (stream, read) = stream::upgraded(upgrade, write_timeout).await?;
    Some(WebSocket::new(stream, read, context.limits()).await)
}

/// Closes a WebSocket for which there is no place.
pub(super) fn turn_away(context: &Arc<Context>, upgrade: OnUpgrade) {
    let opening = opening(Arc::clone(context), upgrade);
    context.app.tasks.spawn(async move {
        if let Some(mut socket) = opening.await {
            socket.close(NORMAL.0, "the session has a WebSocket").await;
        }
    });
}
