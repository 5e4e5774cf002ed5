//! The access log: one line for each request, if the setting `access-log` asks for it.

use axum::{
    extract::{MatchedPath, Request, State},
    middleware::Next,
    response::Response,
};
use chat_core::UserId;
use tokio::time::Instant;

use super::{app::App, known, peer::Peer};

/// Logs a request when the head of its answer is there: the method, the route as it is documented, the status,
/// the time that it took, the client's address and the user. Whatever a client chooses beyond that, such as a
/// query, is not logged: it may hold a token.
pub(super) async fn log(State(app): State<App>, request: Request, next: Next) -> Response {
    if !app.settings.access_log {
        return next.run(request).await;
    }
    let since = Instant::now();
    let method = request.method().clone();
    let route = request.extensions().get::<MatchedPath>().cloned();
    let peer = request.extensions().get::<Peer>();
    let peer = peer.and_then(|peer| peer.address);
    known::collect(next.run(request), |known, response| {
        let client = known.client.get().copied().or(peer);
        tracing::info!(
            target: "access",
            method = method.as_str(),
            route = route.as_ref().map_or("none", MatchedPath::as_str),
            status = response.status().as_u16(),
            duration_ms = milliseconds(since),
            client = client.map(tracing::field::display),
            user = known.user.get().map(UserId::as_str),
            "request"
        );
    })
    .await
}

/// With three digits after the point.
fn milliseconds(since: Instant) -> f64 {
    (since.elapsed().as_secs_f64() * 1e6).round() / 1e3
}
