//! The handle of a client, whose methods send commands.

use std::{
    fmt,
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use chat_core::{
    Ask, ClientMessageId, Command, ErrorBody, ErrorCode, IdGen, Mark, Reply, RoomId, Sent, Seq,
    command,
};
use tokio::{
    sync::{Semaphore, mpsc, oneshot, watch},
    time::Instant,
};

use super::{
    marks::Marks,
    request::{Message, Op, Question},
};
use crate::error::{ClientError, RequestError};

/// Commands that may wait for an answer.
const QUEUE: u32 = 1_000;

/// Typing notices and the like that may wait for the client's task.
const SPARE: usize = 64;

/// The time that a question waits for its answer, through reconnects.
const ANSWER: Duration = Duration::from_secs(15);

/// Bytes of a frame that a server takes; it closes the connection for good over a larger one.
const FRAME: usize = 64 << 10;

/// The reason why the client has ended, once it has.
pub(super) type Ended = watch::Receiver<Option<ClientError>>;

/// The outcome of a command that reached no task any more.
fn ended(end: &Ended) -> RequestError {
    let error = end.borrow().clone();
    RequestError::Ended(error.unwrap_or(ClientError::Finished))
}

/// A user's connection to a chat server, which keeps itself alive.
///
/// A task behind it holds one connection. When it is lost, the task waits (full-jitter exponential
/// back-off, at most 30 s), connects again, resumes every room where it was, and sends again what
/// was not answered. What that means:
///
/// - Every entry of every room of the user, from the time the client first connects, comes out of
///   [`Events`](crate::Events) once and in order, or [`ClientEvent::Skipped`](crate::ClientEvent::Skipped) or [`Reset`](crate::ClientEvent::Reset)
///   says why not.
/// - Every message is stored once, in the order of the calls, however often the connection breaks;
///   one is on its way at a time.
/// - A command whose frame would have more than 64 KiB, which a server closes the connection for,
///   is [refused](RequestError::Refused) here and now: a text with code 104, anything else with
///   code 100.
/// - At most 1,000 commands wait for an answer, connected or not; one more is
///   [`RequestError::QueueFull`].
/// - A connection on which nothing came for 45 s (a ping is sent after 30 s), or no answer for 30 s,
///   counts as lost.
///
/// Clones are handles to the same connection. It ends when the last is dropped, or by
/// [`close`](Self::close), or when the server closes it with a code that is final.
///
/// ```no_run
/// use chat_cli::{Client, ClientEvent};
/// use chat_core::UserId;
///
/// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
/// let (client, mut events) = Client::connect("http://127.0.0.1:5000", "alice")?;
/// let view = client.open(&UserId::new("bob")?).await?;
/// let sent = client.send(&view.room.id, "hello").await?;
/// while let Some(event) = events.next().await {
///     if matches!(event, ClientEvent::Entry(entry) if entry.seq == sent.seq) {
///         break;
///     }
/// }
/// client.close().await;
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct Client {
    ops: mpsc::Sender<Op>,
    permits: Arc<Semaphore>,
    marks: Arc<Marks>,
    ids: Arc<dyn IdGen>,
    end: Ended,
}

impl Client {
    /// A handle, and the other end of its queue.
    pub(super) fn new(
        marks: Arc<Marks>,
        ids: Arc<dyn IdGen>,
        end: Ended,
    ) -> (Self, mpsc::Receiver<Op>) {
        let (ops, incoming) = mpsc::channel(QUEUE as usize + SPARE);
        let client = Self {
            ops,
            permits: Arc::new(Semaphore::new(QUEUE as usize)),
            marks,
            ids,
            end,
        };
        (client, incoming)
    }

    /// Queues a message; it is sent as soon as there is a connection, in the order of the calls.
    ///
    /// The result resolves when the message is stored or refused, however long that takes. Dropping
    /// the result does not take the message back.
    pub fn send(&self, room: &RoomId, text: impl Into<String>) -> Sending {
        let (room, text) = (room.clone(), text.into());
        self.queue(|client_id| command::Send {
            room,
            text,
            client_id,
        })
    }

    /// Queues a new text for one of the user's own messages, as [`send`](Self::send) does.
    pub fn edit(&self, room: &RoomId, target: Seq, text: impl Into<String>) -> Sending {
        let (room, text) = (room.clone(), text.into());
        self.queue(|client_id| command::Edit {
            room,
            target,
            text,
            client_id,
        })
    }

    /// Queues the removal of one of the user's own messages, as [`send`](Self::send) does.
    pub fn delete(&self, room: &RoomId, target: Seq) -> Sending {
        let room = room.clone();
        self.queue(|client_id| command::Delete {
            room,
            target,
            client_id,
        })
    }

    /// Queues any command that stores an entry, as [`send`](Self::send) does.
    ///
    /// `command` gets the client message id under which a server stores the entry once, however often
    /// the command is sent again. A command without it may be stored twice.
    pub fn queue<C: Ask<Reply = Sent>>(
        &self,
        command: impl FnOnce(Option<ClientMessageId>) -> C,
    ) -> Sending {
        let (done, answer) = oneshot::channel();
        let client_id = self.client_id();
        let command = command(client_id.clone()).into();
        if let Some(error) = too_large(&command, ErrorCode::TextTooLong) {
            let _ = done.send(Err(error));
        } else if let Ok(permit) = Arc::clone(&self.permits).try_acquire_owned() {
            // The queue holds more than there are permits, so it has room, unless the task ended;
            // then `done` is dropped and the answer says so.
            let _ = self.ops.try_send(Op::Send(Message {
                command,
                done,
                tries: 0,
                _permit: permit,
            }));
        } else {
            let _ = done.send(Err(RequestError::QueueFull));
        }
        Sending {
            client_id,
            answer,
            end: self.end.clone(),
        }
    }

    /// Sends any command, and waits for the reply that it has.
    ///
    /// It is sent again when the connection is lost before the reply, so it should be one that may
    /// be carried out twice; [`queue`](Self::queue) is for those that store a message. `create` and `update` get a
    /// client id, under which they are carried out once; `invite` would make a second one, and is not sent again. The client itself says `hello`, pages
    /// what was missed, and sends receipts and typing notices.
    ///
    /// # Errors
    ///
    /// [`RequestError`]; [`TimedOut`](RequestError::TimedOut) after 15 s, connected or not, and
    /// [`Unanswered`](RequestError::Unanswered) where the connection was lost and nothing is sent again.
    ///
    /// # Cancel safety
    ///
    /// Dropped, it throws the reply away; the command may have been carried out.
    pub async fn ask<C: Ask>(&self, command: C) -> Result<C::Reply, RequestError> {
        let reply = self.request(command).await?;
        C::reply(reply).ok_or(RequestError::Mismatch)
    }

    /// Sends a command that is not known before the program runs, as [`ask`](Self::ask) does.
    ///
    /// # Errors
    ///
    /// As [`ask`](Self::ask).
    pub async fn request(&self, command: impl Into<Command>) -> Result<Reply, RequestError> {
        let mut command = command.into();
        let client_id = match &mut command {
            Command::Update(update) => Some(&mut update.client_id),
            Command::Create(create) => Some(&mut create.client_id),
            _ => None,
        };
        if let Some(client_id @ None) = client_id {
            *client_id = self.client_id();
        }
        if let Some(error) = too_large(&command, ErrorCode::BadRequest) {
            return Err(error);
        }
        let permit = Arc::clone(&self.permits)
            .try_acquire_owned()
            .map_err(|_| RequestError::QueueFull)?;
        let (done, answer) = oneshot::channel();
        let _ = self.ops.try_send(Op::Ask(Question {
            command,
            done,
            deadline: Instant::now() + ANSWER,
            _permit: permit,
        }));
        answer.await.unwrap_or_else(|_| Err(ended(&self.end)))
    }

    /// A new id, which makes the retry of a command safe.
    fn client_id(&self) -> Option<ClientMessageId> {
        ClientMessageId::new(self.ids.next().to_string()).ok()
    }

    /// States that everything in a room up to `seq` has been received, or read.
    ///
    /// The highest statement is sent as soon as there is a connection, and again until answered.
    pub fn mark(&self, room: &RoomId, mark: Mark, seq: Seq) {
        self.marks.raise(room, mark, seq);
    }

    /// Notifies the room that the user is typing, at most once in 3 s. Without a connection nothing
    /// is sent.
    pub fn typing(&self, room: &RoomId) {
        let _ = self.ops.try_send(Op::Typing(room.clone()));
    }

    /// Waits until every command so far has its answer. Cancel safe.
    pub async fn flush(&self) {
        let _ = self.permits.acquire_many(QUEUE).await;
    }

    /// Closes the connection at once and ends the client; what waits is not sent any more.
    ///
    /// [`flush`](Self::flush) first, with a time limit of your own, to send what waits. Receipts
    /// are sent if there is a connection. Cancel safe: the client ends all the same.
    pub async fn close(&self) {
        if self.ops.send(Op::Close).await.is_ok() {
            self.ops.closed().await;
        }
    }
}

/// The refusal of a command that fits into no frame.
fn too_large(command: &Command, code: ErrorCode) -> Option<RequestError> {
    /// With the largest number of a command that there can be.
    #[derive(serde::Serialize)]
    struct Largest<'a> {
        id: u64,
        #[serde(flatten)]
        command: &'a Command,
    }
    let id = u64::MAX;
    let length = serde_json::to_vec(&Largest { id, command }).map_or(usize::MAX, |json| json.len());
    (length > FRAME).then(|| {
        RequestError::Refused(ErrorBody {
            code: code.code(),
            name: code.name().to_owned(),
            message: format!("too long: a frame has at most {FRAME} bytes, and this has {length}"),
            retry_after_ms: None,
        })
    })
}

/// The answer to a message, to be awaited, or dropped if it doesn't matter.
///
/// Cancel safe: it can be polled in a `select!` by reference, and dropping it takes nothing back.
///
/// # Errors
///
/// [`RequestError::Refused`] with [`retry_after`](RequestError::retry_after) when the server
/// does not take it; [`QueueFull`](RequestError::QueueFull) when 1,000 commands wait.
pub struct Sending {
    client_id: Option<ClientMessageId>,
    answer: oneshot::Receiver<Result<Sent, RequestError>>,
    end: Ended,
}

impl Sending {
    /// The id that marks the message's [`Entry`](chat_core::Entry) as this one.
    pub fn client_id(&self) -> Option<&ClientMessageId> {
        self.client_id.as_ref()
    }
}

impl Future for Sending {
    type Output = Result<Sent, RequestError>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        Pin::new(&mut self.answer)
            .poll(context)
            .map(|answer| answer.unwrap_or_else(|_| Err(ended(&self.end))))
    }
}

impl fmt::Debug for Sending {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sending")
            .field("client_id", &self.client_id)
            .finish_non_exhaustive()
    }
}
