//! Takes the requests to `/socket.io`, and gives the library a stream for each WebSocket that writes
//! the shared list.

use std::{convert::Infallible, sync::Arc, time::Duration};

use axum::{
    Router,
    body::Body,
    extract::{Request, State},
    http::{HeaderMap, HeaderValue, Method, StatusCode, Uri, header},
    response::Response,
};
use hyper::upgrade::OnUpgrade;
use socketioxide::service::SocketIoService;
use tokio_util::sync::CancellationToken;
use tower::Service;

use super::shared_list::{SharedList, WithList};
use crate::http::stream;

/// The library, as a service beneath this server's own handling of connections.
#[derive(Clone)]
pub(super) struct Front {
    pub(super) service: SocketIoService<Router>,
    pub(super) list: Arc<SharedList>,
    pub(super) write_timeout: Duration,
}

/// Answers a request to `/socket.io`.
pub(super) async fn answer(State(front): State<Front>, request: Request) -> Response {
    front.answer(request).await
}

impl Front {
    async fn answer(mut self, request: Request) -> Response {
        let (mut head, body) = request.into_parts();
        let upgrade = head.extensions.remove::<OnUpgrade>();
        let mut request = Request::new(body);
        *request.method_mut() = head.method;
        *request.uri_mut() = copied(&head.uri);
        *request.headers_mut() = needed(&head.headers);
        let Ok::<_, Infallible>(response) = self.service.call(request).await;
        // The library would take the connection as it is. It finds none, for we have it.
        if response.status() == StatusCode::SWITCHING_PROTOCOLS
            && let Some(upgrade) = upgrade
        {
            tokio::spawn(self.carry(upgrade, copied(&head.uri)));
        }
        response.map(Body::new)
    }

    /// Gives the library its connection.
    async fn carry(mut self, upgrade: OnUpgrade, uri: Uri) {
        let Some((stream, early)) = stream::upgraded(upgrade, self.write_timeout).await else {
            return;
        };
        let of_session = uri.query().is_some_and(|query| query.contains("sid="));
        let gone = CancellationToken::new();
        let guard = of_session.then(|| gone.clone().drop_guard());
        let stream = WithList::new(stream, early, Arc::clone(&self.list), guard);
        let mut request = axum::http::Request::new(());
        *request.uri_mut() = uri.clone();
        if let Err(error) = self.service.call((stream, request)).await {
            return tracing::debug!(%error, "a WebSocket could not be opened");
        }
        if of_session {
            gone.cancelled().await;
            self.end_unless_upgraded(&uri).await;
        }
    }

    /// A session whose upgrade has failed would wait for ever, for it is not asked for signs of life
    /// meanwhile. It is closed in its client's name; one that is a WebSocket by now refuses that.
    async fn end_unless_upgraded(&mut self, uri: &Uri) {
        const CLOSE: &str = "1";
        let polling = uri
            .to_string()
            .replace("transport=websocket", "transport=polling");
        let mut close = Request::new(Body::from(CLOSE));
        *close.method_mut() = Method::POST;
        *close.uri_mut() = polling.parse().unwrap_or_default();
        let Ok::<_, Infallible>(_) = self.service.call(close).await;
    }
}

/// The library keeps a request for as long as its socket lives, and a part of it would hold hyper's
/// whole buffer: so it gets what it looks at, copied.
fn needed(headers: &HeaderMap) -> HeaderMap {
    let names = [header::CONTENT_TYPE, header::SEC_WEBSOCKET_KEY];
    let copied = names.into_iter().filter_map(|name| {
        let value = HeaderValue::from_bytes(headers.get(&name)?.as_bytes()).ok()?;
        Some((name, value))
    });
    copied.collect()
}

fn copied(uri: &Uri) -> Uri {
    uri.to_string().parse().unwrap_or_else(|_| uri.clone())
}
