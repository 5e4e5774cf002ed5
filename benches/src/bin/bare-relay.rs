//! The least that carries a direct message: sockets and JSON, and nothing that makes a chat.
//!
//! It answers `hello`, `open`, `create`, `add` and `send` of the native protocol with frames of the same size as
//! `chat-server`'s, to the same sockets, but keeps nothing and checks nothing. What `chat-load`
//! measures with it is what the machine and the sockets allow. It has no HTTP server: axum's WebSocket is
//! the same library behind one.
//!
//! `bare-relay [IP:PORT]` listens there, or on a free port.

use std::{
    collections::HashMap,
    io::{self, Write},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
};

use futures_util::{SinkExt, StreamExt};
use serde::Deserialize;
use serde_json::value::RawValue;
use tokio::{
    net::{TcpListener, TcpStream},
    sync::mpsc,
};
use tokio_tungstenite::{
    accept_async_with_config,
    tungstenite::{Error, Message, Utf8Bytes, protocol::WebSocketConfig},
};

/// How many frames may wait for a client, and how many are written at once: as in `chat-server`.
const WAITING: usize = 1_024;
const BATCH: usize = 64;

const ID: &str = "01980000-0000-7000-8000-0000000000e0";
const AT: &str = "2025-11-13T02:13:27.000000Z";

#[derive(Deserialize)]
struct Command<'a> {
    id: u64,
    r#type: &'a str,
    token: Option<&'a str>,
    user: Option<&'a str>,
    room: Option<&'a str>,
    #[serde(borrow)]
    text: Option<&'a RawValue>,
    client_id: Option<&'a str>,
    #[serde(default)]
    members: Vec<&'a str>,
}

type Outbox = mpsc::Sender<Utf8Bytes>;

#[derive(Default)]
struct Relay {
    users: Mutex<HashMap<String, Vec<Outbox>>>,
    /// The members of each group.
    groups: Mutex<HashMap<String, Vec<String>>>,
    seq: AtomicU64,
}

#[tokio::main]
async fn main() -> io::Result<()> {
    let address = std::env::args().nth(1);
    let listener = TcpListener::bind(address.as_deref().unwrap_or("127.0.0.1:0")).await?;
    let address = listener.local_addr()?;
    writeln!(io::stdout(), "bare-relay\n  listening  http://{address}")?;
    let relay = Arc::new(Relay::default());
    loop {
        let (tcp, _) = listener.accept().await?;
        let relay = Arc::clone(&relay);
        tokio::spawn(async move {
            let (outbox, queue) = mpsc::channel(WAITING);
            let mut name = None;
            // Whoever measures notices what is missing.
            relay.serve(tcp, &outbox, queue, &mut name).await.ok();
            if let Some(name) = name {
                relay.leave(&name, &outbox);
            }
        });
    }
}

impl Relay {
    async fn serve(
        &self,
        tcp: TcpStream,
        outbox: &Outbox,
        mut queue: mpsc::Receiver<Utf8Bytes>,
        name: &mut Option<String>,
    ) -> Result<(), Error> {
        tcp.set_nodelay(true)?;
        let config = WebSocketConfig::default()
            .read_buffer_size(4 << 10)
            // A whole batch: one write for all that waits.
            .write_buffer_size(64 << 10);
        let mut socket = accept_async_with_config(tcp, Some(config)).await?;
        let mut batch = Vec::new();
        loop {
            tokio::select! {
                _ = queue.recv_many(&mut batch, BATCH) => {
                    for frame in batch.drain(..) {
                        socket.feed(Message::Text(frame)).await?;
                    }
                    socket.flush().await?;
                }
                message = socket.next() => match message {
                    Some(Ok(Message::Text(text))) => self.handle(&text, outbox, name),
                    Some(Ok(_)) => {}
                    Some(Err(error)) => return Err(error),
                    None => return Ok(()),
                }
            }
        }
    }

    fn handle(&self, text: &str, outbox: &Outbox, name: &mut Option<String>) {
        let Ok(command) = serde_json::from_str::<Command<'_>>(text) else {
            return;
        };
        let Command { id, token, .. } = command;
        let reply = match (command.r#type, name.as_deref()) {
            ("hello", None) => {
                let token = token.unwrap_or_default();
                *name = Some(token.to_owned());
                self.lock()
                    .entry(token.to_owned())
                    .or_default()
                    .push(outbox.clone());
                format!(r#"{{"kind":"welcome","user":"{token}","session":"{ID}"}}"#)
            }
            ("open", Some(me)) => {
                let (peer, head) = (command.user.unwrap_or_default(), self.seq.load(Relaxed));
                let room = format!(
                    r#"{{"id":"{me},{peer}","epoch":"{ID}","head":{head},"created_at":"{AT}"}}"#
                );
                let member = format!(r#"{{"user":"{peer}","online":true,"delivered":0,"read":0}}"#);
                format!(r#"{{"kind":"room","room":{room},"members":[{member}]}}"#)
            }
            ("create", Some(me)) => {
                let mut groups = self.groups();
                let id = format!("group-{}", groups.len());
                let members = command.members.iter().copied().chain([me]);
                groups.insert(id.clone(), members.map(str::to_owned).collect());
                let room = format!(
                    r#"{{"id":"{id}","kind":"group","epoch":"{ID}","head":0,"created_at":"{AT}"}}"#
                );
                format!(r#"{{"kind":"room","room":{room},"members":[]}}"#)
            }
            ("add", Some(_)) => {
                let (room, user) = (command.room, command.user.unwrap_or_default());
                if let Some(members) = self.groups().get_mut(room.unwrap_or_default()) {
                    members.push(user.to_owned());
                }
                format!(r#"{{"kind":"member","user":"{user}","role":"member"}}"#)
            }
            ("send", Some(me)) => return self.send(&command, me, outbox),
            _ => return,
        };
        tell(outbox, reply_to(id, &reply));
    }

    fn send(&self, command: &Command<'_>, me: &str, outbox: &Outbox) {
        let (Some(room), Some(text)) = (command.room, command.text) else {
            return;
        };
        let (id, client) = (command.id, command.client_id.unwrap_or_default());
        let seq = self.seq.fetch_add(1, Relaxed) + 1;
        let sent = format!(
            r#"{{"kind":"sent","room":"{room}","id":"{ID}","seq":{seq},"at":"{AT}","duplicate":false}}"#
        );
        tell(outbox, reply_to(id, &sent));
        let entry = format!(
            r#"{{"type":"entry","room":"{room}","seq":{seq},"id":"{ID}","author":"{me}","client_id":"{client}","at":"{AT}","body":{{"kind":"message","text":{text}}}}}"#
        );
        let entry = Utf8Bytes::from(entry);
        let (users, groups) = (self.lock(), self.groups());
        let tell_all = |member: &str| {
            for other in users.get(member).into_iter().flatten() {
                tell(other, entry.clone());
            }
        };
        match groups.get(room) {
            Some(members) => members.iter().map(String::as_str).for_each(tell_all),
            None => room.split(',').for_each(tell_all),
        }
    }

    fn leave(&self, name: &str, outbox: &Outbox) {
        if let Some(outboxes) = self.lock().get_mut(name) {
            outboxes.retain(|other| !other.same_channel(outbox));
        }
    }

    fn groups(&self) -> std::sync::MutexGuard<'_, HashMap<String, Vec<String>>> {
        self.groups.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<String, Vec<Outbox>>> {
        self.users.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn reply_to(id: u64, result: &str) -> Utf8Bytes {
    format!(r#"{{"type":"reply","id":{id},"result":{result}}}"#).into()
}

/// A client that has no room for it goes without.
fn tell(outbox: &Outbox, frame: Utf8Bytes) {
    outbox.try_send(frame).ok();
}
