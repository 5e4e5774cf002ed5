//! The one task of a session: carries out what [`Session`] decides, between the requests, the WebSocket
//! and the [`Conversation`].

use std::{future::Future, pin::Pin, sync::Arc};

use chat_core::{CloseReason, Error, Principal, port::AuthError};
use hyper::{body::Bytes, upgrade::OnUpgrade};
use tokio::{
    sync::{mpsc, oneshot},
    time::{Instant, sleep_until},
};

use super::{
    context::Context,
    conversation::Conversation,
    engine_packet::{Encoded, PROBED, read_payload},
    incoming::Incoming,
    login,
    outgoing::DM_ERROR,
    pace::Pace,
    packet::{Attachments, MAIN, MAX_DATA, Packet},
    queue::Queue,
    session::{End, Received, Refused, Session},
    sessions::{Entry, Post, Request, new_sid},
    upgrade::{NORMAL, close_code, opening, turn_away},
};
use crate::{
    http::{sessions::SessionSlot, stream::Stream},
    websocket::socket::{self, Broken, WebSocket},
};

type Opening = Pin<Box<dyn Future<Output = Option<WebSocket<Stream>>> + Send>>;

/// The task.
pub(super) struct Task {
    context: Arc<Context>,
    session: Session,
    conversation: Conversation,
    queue: Arc<Queue>,
    /// Of the Socket.IO connection, once there is one.
    socket_id: Option<String>,
    attachments: Attachments,
    pace: Pace,
    /// While the session can be named by requests.
    entry: Option<Entry>,
    requests: Option<mpsc::Receiver<Request>>,
    poll: Option<oneshot::Sender<Result<Vec<Encoded>, Refused>>>,
    post: Option<Post>,
    /// A WebSocket for which HTTP is not done with the connection yet.
    opening: Option<Opening>,
    /// Boxed, for a session on polling has none.
    socket: Option<Box<WebSocket<Stream>>>,
    /// Set when nothing that the client sends is carried out any more.
    deaf: bool,
}

impl Task {
    /// A session on polling, and where its requests go.
    pub(super) fn polling(
        context: &Arc<Context>,
        entry: Entry,
        requests: mpsc::Receiver<Request>,
        slot: SessionSlot,
        known: Option<Arc<Principal>>,
    ) -> Self {
        let session = Session::polling(context.timing(), Instant::now());
        Self {
            entry: Some(entry),
            requests: Some(requests),
            ..Self::new(context, session, slot, known)
        }
    }

    /// A session on a WebSocket.
    pub(super) async fn websocket(
        context: Arc<Context>,
        upgrade: OnUpgrade,
        slot: SessionSlot,
        known: Option<Arc<Principal>>,
        open: Encoded,
    ) {
        let Some(socket) = Box::pin(opening(Arc::clone(&context), upgrade)).await else {
            return;
        };
        let session = Session::websocket(context.timing(), Instant::now());
        let task = Self {
            socket: Some(Box::new(socket)),
            ..Self::new(&context, session, slot, known)
        };
        task.queue.push(open);
        task.run().await;
    }

    fn new(
        context: &Arc<Context>,
        session: Session,
        slot: SessionSlot,
        known: Option<Arc<Principal>>,
    ) -> Self {
        let queue = Arc::new(Queue::new(context.app.engine.config().outbox));
        Self {
            context: Arc::clone(context),
            session,
            conversation: Conversation::new(Arc::clone(context), Arc::clone(&queue), slot, known),
            queue,
            socket_id: None,
            attachments: Attachments::default(),
            pace: Pace::new(context.pace()),
            entry: None,
            requests: None,
            poll: None,
            post: None,
            opening: None,
            socket: None,
            deaf: false,
        }
    }

    /// Runs until the session has ended, and what the client had sent has been carried out.
    pub(super) async fn run(mut self) {
        let drained = self.context.app.drained.clone();
        let end = loop {
            self.send().await;
            if self.is_in() && self.conversation.may_stay() {
                self.session.connected();
            }
            if let Some(end) = self.session.ended() {
                break end;
            }
            let wanted = self.session.wants();
            tokio::select! {
                request = request(&mut self.requests) => self.request(request),
                () = broken_off(&mut self.poll) => self.session.request_broken(),
                body = body(&mut self.post) => self.body(body).await,
                socket = open(&mut self.opening) => self.opened(socket),
                received = receive(&mut self.socket) => self.received(received).await,
                () = self.queue.changed() => {}
                closed = self.conversation.step(wanted) => self.closed(closed),
                () = sleep_until(self.session.deadline()) => self.tick(),
                () = drained.cancelled(), if !self.session.is_closing() => {
                    self.session.close_now(Instant::now());
                }
            }
        };
        Box::pin(self.end(end)).await;
    }

    /// Answers what waits, and carries out what the client had sent.
    async fn end(mut self, end: End) {
        // From now on no request finds the session.
        self.entry = None;
        self.requests = None;
        self.post = None;
        if let Some(poll) = self.poll.take() {
            poll.send(Ok(vec![end.last_packet()])).ok();
        }
        if end == End::Silent {
            self.context.app.metrics.closed.count(CloseReason::Idle);
        }
        let close = async {
            if let Some(socket) = &mut self.socket {
                let (code, reason) = close_code(end);
                socket.close(code, reason).await;
            }
        };
        let finish = async {
            if end == End::Closed {
                self.conversation.stop();
            } else {
                self.conversation.finish().await;
            }
        };
        tokio::join!(close, finish);
    }

    /// Sends what can be sent now.
    async fn send(&mut self) {
        self.look_for_slowness();
        while self.session.wants() {
            let now = Instant::now();
            let mut packets = self.queue.take(&self.context.list);
            packets.extend(self.conversation.packets());
            if packets.is_empty() && !self.session.owes(now) {
                return;
            }
            let packets = self.session.flush(packets, now);
            if let Some(poll) = self.poll.take() {
                if poll.send(Ok(packets)).is_err() {
                    self.session.request_broken();
                }
            } else if !self.write(&packets).await {
                self.session.socket_ended();
            }
        }
    }

    /// Writes on the WebSocket; false when it has ended.
    async fn write(&mut self, packets: &[Encoded]) -> bool {
        match &mut self.socket {
            Some(socket) => socket
                .write(packets.iter().map(Encoded::as_str))
                .await
                .is_ok(),
            None => false,
        }
    }

    /// Whether the client is in the namespace.
    fn is_in(&self) -> bool {
        self.socket_id.is_some()
    }

    /// A client that takes nothing is noticed by what piles up for it.
    fn look_for_slowness(&mut self) {
        if self.session.is_closing() || self.session.ended().is_some() {
            return;
        }
        if self.queue.is_full() {
            self.closed(Some(CloseReason::Slow));
        }
    }

    /// The engine has closed the client's session, or does so now.
    fn closed(&mut self, reason: Option<CloseReason>) {
        let Some(reason) = reason else { return };
        self.context.app.metrics.closed.count(reason);
        self.conversation.stop();
        self.deaf = true;
        if reason == CloseReason::Shutdown {
            // The connection stays until the engine has been drained.
            return self.queue.emit(DM_ERROR, "The server is shutting down");
        }
        self.queue
            .emit(DM_ERROR, &format!("Disconnected: {}", reason.name()));
        if !reason.reconnect() {
            // A client whose server leaves the namespace doesn't come back by itself.
            self.queue
                .push(Packet::Disconnect { namespace: MAIN }.encode().into());
        }
        self.session.close(Instant::now());
    }

    /// The client has sent too much. It may come back.
    fn flooded(&mut self) {
        if self.deaf {
            return self.session.close(Instant::now());
        }
        tracing::info!("closing a connection that sends too much at once");
        self.context.app.metrics.closed.count(CloseReason::Flood);
        self.conversation.stop();
        self.deaf = true;
        self.queue.emit(DM_ERROR, "Too many events at once");
        self.session.close(Instant::now());
    }

    fn tick(&mut self) {
        if self.is_in() && !self.conversation.may_stay() && self.session.is_late(Instant::now()) {
            // It connected, and did not say who it is in time.
            self.conversation.stop();
            self.deaf = true;
            let refusal = login::refusal(&Error::from(AuthError::Invalid));
            self.queue.push(refusal);
            return self.session.close(Instant::now());
        }
        if self.session.tick(Instant::now()) == Received::Drop {
            self.drop_socket();
        }
    }

    /// Closes a WebSocket that the session does without.
    fn drop_socket(&mut self) {
        self.opening = None;
        if let Some(mut socket) = self.socket.take() {
            let closing = async move { socket.close(NORMAL.0, NORMAL.1).await };
            self.context.app.tasks.spawn(closing);
        }
    }

    fn request(&mut self, request: Request) {
        let now = Instant::now();
        match request {
            Request::Poll(answer) => match self.session.poll(now) {
                Ok(()) => self.poll = Some(answer),
                Err(refused) => drop(answer.send(Err(refused))),
            },
            Request::Post(post) => match self.session.post(now) {
                Ok(()) => self.post = Some(post),
                Err(refused) => drop(post.answer.send(Err(refused))),
            },
            Request::Upgrade(upgrade) => match self.session.upgrade(now) {
                Ok(()) => {
                    self.opening = Some(Box::pin(opening(Arc::clone(&self.context), upgrade)));
                }
                Err(_) => turn_away(&self.context, upgrade),
            },
        }
    }

    /// HTTP is done with the connection of a WebSocket.
    fn opened(&mut self, socket: Option<WebSocket<Stream>>) {
        match socket {
            Some(socket) => self.socket = Some(Box::new(socket)),
            None => self.session.socket_ended(),
        }
    }

    async fn body(&mut self, body: Option<Bytes>) {
        let Some(Post { answer, .. }) = self.post.take() else {
            return;
        };
        let Some(body) = body else {
            return self.session.request_broken();
        };
        self.session.posted();
        let now = Instant::now();
        let text = std::str::from_utf8(&body).ok();
        let packets = text.and_then(|text| read_payload(text).ok());
        if packets.is_none() {
            self.session.break_off();
        }
        for packet in packets.unwrap_or_default() {
            if self.session.ended().is_some() || self.session.is_closing() {
                break;
            }
            let size = packet.data().len();
            if self.pace.spend(size, now) {
                let received = self.session.packet(packet, now);
                self.act(received).await;
            } else {
                self.flooded();
            }
        }
        let refused = self.session.ended() == Some(End::Broke);
        let done = if refused {
            Err(Refused::OtherTransport)
        } else {
            Ok(())
        };
        answer.send(done).ok();
    }

    async fn received(&mut self, received: Result<socket::Received, Broken>) {
        let now = Instant::now();
        match received {
            Ok(socket::Received::Text(text)) => {
                if self.pace.spend(text.len(), now) {
                    let received = self.session.frame(&text, now);
                    self.act(received).await;
                } else {
                    self.flooded();
                }
            }
            Ok(socket::Received::Binary(bytes)) => {
                if self.pace.spend(bytes.len(), now) {
                    let received = self.session.binary_frame();
                    self.act(received).await;
                } else {
                    self.flooded();
                }
            }
            Ok(socket::Received::Control) => {}
            Err(broken) => self.broken(&broken),
        }
    }

    /// Nothing more can be read on the WebSocket.
    fn broken(&mut self, broken: &Broken) {
        if !self.session.is_on_websocket() {
            self.session.socket_ended();
            return self.drop_socket();
        }
        match broken {
            Broken::Flood => self.flooded(),
            Broken::Gone => self.session.socket_ended(),
            Broken::Unfinished(_) | Broken::TooLarge(_) | Broken::NotUtf8 | Broken::Invalid(_) => {
                self.session.break_off();
            }
        }
    }

    async fn act(&mut self, received: Received<'_>) {
        match received {
            Received::Nothing => {}
            Received::Message(text) => self.message(text),
            Received::Binary => {
                if self.attachments.attachment().is_err() {
                    self.session.break_off();
                }
            }
            Received::Probe => {
                if !self.write(&[PROBED]).await {
                    self.session.socket_ended();
                    self.drop_socket();
                }
            }
            Received::Upgraded => {
                self.requests = None;
                if let Some(entry) = &mut self.entry {
                    entry.moved();
                }
                if self.session.ends_poll()
                    && let Some(poll) = self.poll.take()
                {
                    // Its client is on the WebSocket already.
                    poll.send(Err(Refused::OtherTransport)).ok();
                }
            }
            Received::Drop => self.drop_socket(),
            Received::Left => self.conversation.leave(),
        }
    }

    /// A message of Engine.IO is a packet of Socket.IO.
    fn message(&mut self, text: &str) {
        let packet = match Packet::read(text) {
            Ok(packet) if self.attachments.packet(&packet).is_ok() => packet,
            _ => return self.session.break_off(),
        };
        if self.deaf {
            return;
        }
        match packet {
            Packet::Connect {
                namespace: MAIN,
                data,
            } => {
                let token = login::token(data);
                let sid = self.socket_id.get_or_insert_with(new_sid);
                let data = format!(r#"{{"sid":"{sid}"}}"#);
                let answer = Packet::Connect {
                    namespace: MAIN,
                    data: Some(&data),
                };
                self.conversation.enter(token, answer.encode().into());
            }
            Packet::Connect { namespace, .. } => {
                let data = r#"{"message":"Invalid namespace"}"#;
                let answer = Packet::ConnectError { namespace, data };
                self.queue.push(answer.encode().into());
            }
            Packet::Disconnect { namespace: MAIN } if self.socket_id.is_some() => {
                self.socket_id = None;
                self.session.disconnected(Instant::now());
                self.conversation.leave();
            }
            Packet::Event(content) if content.namespace == MAIN && self.socket_id.is_some() => {
                let size = content.data.len().min(MAX_DATA);
                let event = Incoming::of(&content);
                if self.conversation.take(event, content.id, size).is_err() {
                    self.flooded();
                }
            }
            // No event of this server asks for an answer.
            Packet::Ack(content) if content.namespace == MAIN && self.socket_id.is_some() => {}
            _ => self.session.break_off(),
        }
    }
}

async fn request(requests: &mut Option<mpsc::Receiver<Request>>) -> Request {
    if let Some(requests) = requests
        && let Some(request) = requests.recv().await
    {
        return request;
    }
    std::future::pending().await
}

async fn broken_off(poll: &mut Option<oneshot::Sender<Result<Vec<Encoded>, Refused>>>) {
    match poll {
        Some(poll) => poll.closed().await,
        None => std::future::pending().await,
    }
}

/// Waits for the body of a POST; `None` when the client has broken it off.
async fn body(post: &mut Option<Post>) -> Option<Bytes> {
    match post {
        Some(post) => (&mut post.body).await.ok(),
        None => std::future::pending().await,
    }
}

async fn open(opening: &mut Option<Opening>) -> Option<WebSocket<Stream>> {
    let Some(future) = opening else {
        return std::future::pending().await;
    };
    let socket = future.await;
    *opening = None;
    socket
}

async fn receive(socket: &mut Option<Box<WebSocket<Stream>>>) -> Result<socket::Received, Broken> {
    match socket {
        Some(socket) => socket.next().await,
        None => std::future::pending().await,
    }
}
