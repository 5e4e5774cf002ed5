//! The HTTP requests of Engine.IO: handshakes, polls, posts, and the ones that become a `WebSocket`.

use std::{
    net::IpAddr,
    pin::Pin,
    sync::Arc,
    task::{Context as Waker, Poll},
    time::Duration,
    vec,
};

use axum::{
    Json,
    body::{Body, BodyDataStream},
    extract::{Request, State},
    http::{HeaderMap, HeaderValue, Method, StatusCode, header},
    response::{IntoResponse, Response},
};
use chat_core::{Error, Principal, port::Via};
use futures_util::StreamExt;
use hyper::body::{Bytes, Frame, SizeHint};
use serde_json::json;
use tokio::{
    sync::{mpsc, oneshot},
    time::timeout,
};

use super::{
    context::Context,
    engine_packet::{Encoded, MAX_PAYLOAD, Open, SEPARATOR},
    session::Refused,
    sessions::{self, Place, Post, new_sid},
    task::Task,
    upgrade::turn_away,
};
use crate::{
    http::{
        failure::Failure,
        peer::{Address, Peer},
    },
    websocket::handshake,
};

/// The most requests that may wait for a session's task.
const WAITING: usize = 4;

/// The reason why a request is refused, with the number that the protocol's clients know.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum Problem {
    #[error("Transport unknown")]
    UnknownTransport = 0,
    #[error("Session ID unknown")]
    UnknownSession = 1,
    #[error("Bad handshake method")]
    BadMethod = 2,
    #[error("Bad request")]
    BadRequest = 3,
    #[error("Unsupported protocol version")]
    UnsupportedVersion = 5,
}

impl Problem {
    fn with_status(self, status: StatusCode) -> Response {
        let body = json!({ "code": self as u8, "message": self.to_string() });
        (status, Json(body)).into_response()
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        self.with_status(StatusCode::BAD_REQUEST)
    }
}

/// The query of a request.
#[derive(Debug, Default, PartialEq, Eq)]
struct Query<'a> {
    version: Option<&'a str>,
    transport: Option<&'a str>,
    sid: Option<&'a str>,
}

impl<'a> Query<'a> {
    /// Other parameters, such as the `t` by which a client keeps its answers out of caches, don't matter.
    fn read(query: Option<&'a str>) -> Self {
        let mut read = Self::default();
        for pair in query.unwrap_or_default().split('&') {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let field = match name {
                "EIO" => &mut read.version,
                "transport" => &mut read.transport,
                "sid" => &mut read.sid,
                _ => continue,
            };
            field.get_or_insert(value);
        }
        read
    }
}

/// Answers a request to `/socket.io/`.
pub(super) async fn answer(
    State(context): State<Arc<Context>>,
    address: Address,
    request: Request,
) -> Response {
    let uri = request.uri().clone();
    let query = Query::read(uri.query());
    let refused = match (query.transport, query.version) {
        (Some("polling" | "websocket"), Some("4")) => None,
        (Some("polling" | "websocket"), _) => Some(Problem::UnsupportedVersion),
        _ => Some(Problem::UnknownTransport),
    };
    if let Some(problem) = refused {
        return problem.into_response();
    }
    let Address(from) = address;
    let known = match known(&context, request.headers(), from, query.sid).await {
        Ok(known) => known,
        Err(error) => return Failure::from(error).into_response(),
    };
    if query.transport == Some("websocket") {
        return websocket(&context, request, query.sid, address, known);
    }
    match (query.sid, request.method()) {
        (None, &Method::GET) => open(&context, &request, address, known),
        (None, _) => Problem::BadMethod.into_response(),
        (Some(sid), method) => match (context.sessions.find(sid), method) {
            (None, _) => Problem::UnknownSession.into_response(),
            (Some(Place::Polling(session)), &Method::GET) => poll(&session).await,
            (Some(Place::Polling(session)), &Method::POST) => {
                let within = context.app.settings.request_timeout;
                post(&session, request, within).await
            }
            _ => Problem::BadRequest.into_response(),
        },
    }
}

/// Who the client is, if a token came with its handshake. Open logins ignore it, as the old server did.
async fn known(
    context: &Context,
    headers: &HeaderMap,
    from: Option<IpAddr>,
    sid: Option<&str>,
) -> Result<Option<Arc<Principal>>, Error> {
    let (engine, login) = (&context.app.engine, &context.app.login);
    if sid.is_some() || login.is_open() || !headers.contains_key(header::AUTHORIZATION) {
        return Ok(None);
    }
    login
        .bearer(engine, headers, Via::SocketIo, from)
        .await
        .map(Some)
}

/// Opens a session on polling.
fn open(
    context: &Arc<Context>,
    request: &Request,
    address: Address,
    known: Option<Arc<Principal>>,
) -> Response {
    let Some(slot) = context.app.sessions.admit(address) else {
        return too_many();
    };
    // It counts as one more connection of the same address.
    let connection = match request.extensions().get().map(Peer::admit_another) {
        Some(Some(connection)) => Some(connection),
        Some(None) => return too_many(),
        None => None,
    };
    let (requests, taken) = mpsc::channel(WAITING);
    let Some(entry) = context.sessions.add(requests, connection) else {
        return too_many();
    };
    let open = open_packet(context, &entry.sid(), &["websocket"]);
    let task = Task::polling(context, entry, taken, slot, known);
    context.app.tasks.spawn(task.run());
    payload(vec![open])
}

fn too_many() -> Response {
    let mut response = Problem::BadRequest.with_status(StatusCode::SERVICE_UNAVAILABLE);
    response
        .headers_mut()
        .insert(header::RETRY_AFTER, HeaderValue::from(1));
    response
}

fn open_packet(context: &Context, sid: &str, upgrades: &'static [&'static str]) -> Encoded {
    let timing = context.timing();
    let open = Open {
        sid,
        upgrades,
        ping_interval: timing.ping_interval.as_millis(),
        ping_timeout: timing.ping_timeout.as_millis(),
        max_payload: MAX_PAYLOAD,
    };
    open.encode()
}

/// Waits until there is something for the client. That the client breaks it off, the session sees by
/// the receiver that is dropped with this future.
async fn poll(session: &mpsc::Sender<sessions::Request>) -> Response {
    let (answer, answered) = oneshot::channel();
    if session.send(sessions::Request::Poll(answer)).await.is_err() {
        return Problem::UnknownSession.into_response();
    }
    match answered.await {
        Ok(Ok(packets)) => payload(packets),
        Ok(Err(Refused::Ended)) | Err(_) => Problem::UnknownSession.into_response(),
        Ok(Err(_)) => Problem::BadRequest.into_response(),
    }
}

/// Reads what the client sends. The session waits for it, and ends when it doesn't come.
async fn post(
    session: &mpsc::Sender<sessions::Request>,
    request: Request,
    within: Duration,
) -> Response {
    let (send_body, body) = oneshot::channel();
    let (answer, mut answered) = oneshot::channel();
    let post = Post { body, answer };
    if session.send(sessions::Request::Post(post)).await.is_err() {
        return Problem::UnknownSession.into_response();
    }
    let reading = timeout(within, read_body(request.into_body().into_data_stream()));
    tokio::select! {
        body = reading => match body {
            Ok(Ok(body)) => drop(send_body.send(body)),
            Ok(Err(status)) => return Problem::BadRequest.with_status(status),
            Err(_) => return Problem::BadRequest.with_status(StatusCode::REQUEST_TIMEOUT),
        },
        // The session refuses it, or has ended.
        done = &mut answered => return posted(done.ok()),
    }
    posted(answered.await.ok())
}

/// `None` when the session has ended.
fn posted(done: Option<Result<(), Refused>>) -> Response {
    match done {
        Some(Ok(())) => plain(Body::from("ok")),
        Some(Err(Refused::Ended)) | None => Problem::UnknownSession.into_response(),
        Some(Err(_)) => Problem::BadRequest.into_response(),
    }
}

async fn read_body(mut stream: BodyDataStream) -> Result<Bytes, StatusCode> {
    // Before any of it is read, so that a client that waits for `100 Continue` doesn't send it.
    if hyper::body::Body::size_hint(&stream).lower() > MAX_PAYLOAD as u64 {
        return Err(StatusCode::PAYLOAD_TOO_LARGE);
    }
    let mut body = Vec::new();
    while let Some(chunk) = stream.next().await {
        let chunk = chunk.map_err(|_| StatusCode::BAD_REQUEST)?;
        if body.len() + chunk.len() > MAX_PAYLOAD {
            return Err(StatusCode::PAYLOAD_TOO_LARGE);
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body.into())
}

/// Makes a WebSocket of the request: a session of its own, or one that a session on polling may move to.
fn websocket(
    context: &Arc<Context>,
    request: Request,
    sid: Option<&str>,
    address: Address,
    known: Option<Arc<Principal>>,
) -> Response {
    let response = match handshake::accept(&request) {
        Ok(response) => response,
        Err(refused) => {
            let problem = Problem::BadRequest.with_status(refused.status());
            return refused.complete(problem);
        }
    };
    let place = match sid.map(|sid| context.sessions.find(sid)) {
        None => None,
        Some(Some(place)) => Some(place),
        Some(None) => return Problem::UnknownSession.into_response(),
    };
    match place {
        None => {
            let Some(slot) = context.app.sessions.admit(address) else {
                return too_many();
            };
            let upgrade = hyper::upgrade::on(request);
            let open = open_packet(context, &new_sid(), &[]);
            let task = Task::websocket(Arc::clone(context), upgrade, slot, known, open);
            context.app.tasks.spawn(task);
        }
        Some(Place::Polling(session)) => {
            let upgrade = sessions::Request::Upgrade(hyper::upgrade::on(request));
            if session.try_send(upgrade).is_err() {
                return Problem::UnknownSession.into_response();
            }
        }
        Some(Place::WebSocket) => turn_away(context, hyper::upgrade::on(request)),
    }
    response
}

fn payload(packets: Vec<Encoded>) -> Response {
    plain(Body::new(Payload::new(packets)))
}

fn plain(body: Body) -> Response {
    let headers = [
        (header::CONTENT_TYPE, "text/plain; charset=UTF-8"),
        (header::CACHE_CONTROL, "no-store"),
    ];
    (headers, body).into_response()
}

/// Packets with separators between them, none of them copied.
struct Payload {
    packets: vec::IntoIter<Encoded>,
    /// Set when a separator comes before the next packet.
    separate: bool,
    left: u64,
}

impl Payload {
    fn new(packets: Vec<Encoded>) -> Self {
        let texts: usize = packets.iter().map(|packet| packet.len()).sum();
        let separators = packets.len().saturating_sub(1);
        Self {
            packets: packets.into_iter(),
            separate: false,
            left: (texts + separators) as u64,
        }
    }
}

impl hyper::body::Body for Payload {
    type Data = Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Waker<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        const BETWEEN: [u8; 1] = [SEPARATOR as u8];
        let part = if std::mem::take(&mut self.separate) && !self.packets.as_slice().is_empty() {
            Bytes::from_static(&BETWEEN)
        } else {
            self.separate = true;
            match self.packets.next() {
                Some(packet) => packet.into(),
                None => return Poll::Ready(None),
            }
        };
        self.left -= part.len() as u64;
        Poll::Ready(Some(Ok(Frame::data(part))))
    }

    fn is_end_stream(&self) -> bool {
        self.left == 0
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_is_read_in_any_order() {
        let read = Query::read(Some("t=N8hyd6w&sid=abc&transport=polling&EIO=4&sid=other"));
        let expected = Query {
            version: Some("4"),
            transport: Some("polling"),
            sid: Some("abc"),
        };
        assert_eq!(read, expected);
        assert_eq!(Query::read(None), Query::default());
    }

    #[tokio::test]
    async fn a_payload_is_its_packets_with_separators() {
        for (packets, expected) in [
            (vec!["6"], "6"),
            (vec!["4a", "2", "4b"], "4a\x1e2\x1e4b"),
            (vec![], ""),
        ] {
            let packets = packets.into_iter().map(Encoded::from_static).collect();
            let payload = Payload::new(packets);
            assert_eq!(payload.left, expected.len() as u64);
            let body = axum::body::to_bytes(Body::new(payload), 99).await.unwrap();
            assert_eq!(body, expected);
        }
    }
}
