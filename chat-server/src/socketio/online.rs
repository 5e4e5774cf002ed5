//! Tells all sockets that have a name who is online.

use std::{
    collections::VecDeque,
    sync::{Arc, Weak},
    time::Duration,
};

use chat_core::{ChatEngine, UserId};
use socketioxide::{SocketIo, TransportType};
use tokio::sync::mpsc;

use super::{
    outgoing::Link,
    stand_in::{NO_LIST, Newest, ONLINE_USERS},
};

/// For how long changes are gathered.
const WINDOW: Duration = Duration::from_millis(100);

/// How many bytes of lists are sent in a window, all sockets together: 200 MB a second. A list grows
/// with the number of its readers, so a change reaches 1,400 of them within a window, but 10,000, with
/// names of 7 letters, within 5 s.
const WINDOW_BYTES: usize = 20_000_000;

/// How soon it is tried again to read the list.
const AGAIN: Duration = Duration::from_secs(1);

/// The room of those who are told at the same time over long polling. Clients can't join one.
const POLLING: &str = "polling";

/// A socket with a name, and what it was told last.
pub(super) struct Listener {
    link: Link,
    /// Gone when the socket has given up its name.
    named: Weak<()>,
    /// The number of that list.
    told: u64,
}

impl Listener {
    pub(super) fn new(link: Link, named: Weak<()>) -> Self {
        Self {
            link,
            named,
            told: 0,
        }
    }

    fn is_there(&self) -> bool {
        self.named.strong_count() > 0 && !self.link.gone.is_cancelled()
    }
}

/// Sends the list to all when it changes, and to newcomers in any case, from one place so that
/// nobody gets an older list after a newer one. Ends when the namespace is closed.
///
/// Who has waited longest is next, newcomers first. Of several changes meanwhile one list comes.
pub(super) async fn run(
    io: SocketIo,
    engine: ChatEngine,
    newest: Arc<Newest>,
    mut arriving: mpsc::Receiver<Listener>,
) {
    let mut presence = engine.presence_changes();
    let mut newcomers = VecDeque::new();
    // Those told longest ago come first.
    let mut listeners = VecDeque::new();
    let mut list = List {
        io,
        newest,
        users: Vec::new(),
        size: 1,
        number: 1,
    };
    loop {
        let all_told = listeners.front().is_none_or(|next| list.was_told(next));
        if all_told && newcomers.is_empty() {
            tokio::select! {
                news = presence.changed() => match news {
                    Ok(()) => presence.mark_changed(),
                    Err(_) => return,
                },
                newcomer = arriving.recv() => match newcomer {
                    Some(newcomer) => newcomers.push_back(newcomer),
                    None => return,
                },
            }
        }
        tokio::time::sleep(WINDOW).await;
        while let Ok(newcomer) = arriving.try_recv() {
            newcomers.push_back(newcomer);
        }
        newcomers.retain(Listener::is_there);
        listeners.retain(Listener::is_there);
        let changed = presence.has_changed().unwrap_or(true);
        let mut failed = false;
        if changed || !newcomers.is_empty() {
            presence.mark_unchanged();
            match engine.online().await {
                Ok(users) => list.renew(users),
                Err(error) => {
                    tracing::debug!(%error, "who is online could not be read");
                    failed = true;
                }
            }
        }
        // Also after a failure: an old client waits for a list, and this is the last one that was known.
        list.tell(&mut newcomers, &mut listeners).await;
        if failed {
            tokio::time::sleep(AGAIN).await;
            presence.mark_changed();
        }
    }
}

/// The list as it was last read.
struct List {
    io: SocketIo,
    newest: Arc<Newest>,
    users: Vec<UserId>,
    /// Of its frame, in bytes.
    size: usize,
    number: u64,
}

impl List {
    fn was_told(&self, listener: &Listener) -> bool {
        listener.told == self.number
    }

    fn renew(&mut self, users: Vec<UserId>) {
        if users != self.users {
            self.size = self.newest.set(&users);
            self.users = users;
            self.number += 1;
        }
    }

    /// Tells as many as a window allows, and puts them behind the others.
    async fn tell(&self, newcomers: &mut VecDeque<Listener>, listeners: &mut VecDeque<Listener>) {
        let mut polling = false;
        for _ in 0..WINDOW_BYTES.div_ceil(self.size) {
            let next = newcomers
                .pop_front()
                .or_else(|| listeners.pop_front_if(|next| !self.was_told(next)));
            let Some(mut listener) = next else {
                break;
            };
            let socket = listener.link.socket();
            // Volatile: a list that still waits is replaced.
            match socket.transport_type() {
                // A socket that is closed is gone in a moment.
                TransportType::Websocket => drop(socket.volatile().emit(ONLINE_USERS, &NO_LIST)),
                TransportType::Polling => {
                    socket.join(POLLING);
                    polling = true;
                }
            }
            listener.told = self.number;
            listeners.push_back(listener);
        }
        if polling && let (Some(all), Some(same)) = (self.io.of("/"), self.io.of("/")) {
            // Encoded once.
            let told = all.to(POLLING).volatile().emit(ONLINE_USERS, &self.users);
            told.await.ok();
            same.to(POLLING).leave(POLLING).await.ok();
        }
    }
}
