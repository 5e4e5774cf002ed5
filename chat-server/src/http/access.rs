//! The access log, one line for each request if the setting `access-log` asks for it; and the span of a request.

use axum::{
    extract::{MatchedPath, Request, State},
    middleware::Next,
    response::Response,
};
use chat_core::UserId;
use tokio::time::Instant;
use tracing::{Instrument as _, field::Empty};

use super::{app::App, known, peer::Peer};

/// Logs a request when the head of its answer is there: the method, the route as it is documented, the status,
/// the time that it took, the client's address and the user. Whatever a client chooses beyond that, such as a
/// query, is not logged: it may hold a token.
pub(super) async fn log(State(app): State<App>, request: Request, next: Next) -> Response {
    let method = request.method().clone();
    let route = request.extensions().get::<MatchedPath>().cloned();
    let route = route.as_ref().map_or("none", MatchedPath::as_str);
    let span = tracing::debug_span!("request", %method, route, status = Empty, user = Empty);
    if !app.settings.access_log && span.is_disabled() {
        return next.run(request).await;
    }
    let since = Instant::now();
    let peer = request.extensions().get::<Peer>();
    let peer = peer.and_then(|peer| peer.address);
    let answered = known::collect(next.run(request), |known, response| {
        let client = known.client.get().copied().or(peer);
        let (status, user) = (
            response.status().as_u16(),
            known.user.get().map(UserId::as_str),
        );
        tracing::Span::current()
            .record("status", status)
            .record("user", user);
        if app.settings.access_log {
            tracing::info!(
                target: "access",
                method = method.as_str(),
                route,
                status,
                duration_ms = milliseconds(since),
                client = client.map(tracing::field::display),
                user,
                "request"
            );
        }
    });
    answered.instrument(span).await
}

/// With three digits after the point.
fn milliseconds(since: Instant) -> f64 {
    (since.elapsed().as_secs_f64() * 1e6).round() / 1e3
}
