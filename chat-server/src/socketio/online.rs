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

/// A socket with a name.
pub(super) struct Listener {
    link: Link,
    /// Gone when the socket has given up its name.
    named: Weak<()>,
}

impl Listener {
    pub(super) fn new(link: Link, named: Weak<()>) -> Self {
        Self { link, named }
    }

    fn is_there(&self) -> bool {
        self.named.strong_count() > 0 && !self.link.gone.is_cancelled()
    }
}

/// Whose turn it is to be told: a newcomer, or who has waited longest.
struct Turns<T> {
    newcomers: VecDeque<T>,
    /// Those who have been told, with the number of the list, the oldest first.
    told: VecDeque<(u64, T)>,
    /// By turns, so that newcomers without end don't keep the others waiting.
    newcomer_next: bool,
}

impl<T> Turns<T> {
    /// Whether somebody has not been told this list.
    fn waits_for(&self, list: u64) -> bool {
        !self.newcomers.is_empty() || self.told.front().is_some_and(|(told, _)| *told != list)
    }

    /// The next one who has not been told this list, and counts as told from now on.
    fn next(&mut self, list: u64) -> Option<&T> {
        let mut waiting = || {
            let waiting = self.told.pop_front_if(|(told, _)| *told != list);
            waiting.map(|(_, next)| next)
        };
        let next = if self.newcomer_next {
            self.newcomers.pop_front().or_else(waiting)
        } else {
            waiting().or_else(|| self.newcomers.pop_front())
        }?;
        self.newcomer_next = !self.newcomer_next;
        self.told.push_back((list, next));
        self.told.back().map(|(_, next)| next)
    }

    fn retain(&mut self, keep: impl Fn(&T) -> bool) {
        self.newcomers.retain(&keep);
        self.told.retain(|(_, one)| keep(one));
    }
}

/// Sends the list to all when it changes, and to newcomers in any case, from one place so that
/// nobody gets an older list after a newer one. Ends when the namespace is closed.
///
/// Of several changes before somebody's turn one list comes.
pub(super) async fn run(
    io: SocketIo,
    engine: ChatEngine,
    newest: Arc<Newest>,
    mut arriving: mpsc::Receiver<Listener>,
) {
    let mut presence = engine.presence_changes();
    let mut turns = Turns {
        newcomers: VecDeque::new(),
        told: VecDeque::new(),
        newcomer_next: true,
    };
    let mut list = List {
        io,
        newest,
        users: Vec::new(),
        size: 1,
        number: 1,
    };
    loop {
        if !turns.waits_for(list.number) {
            tokio::select! {
                news = presence.changed() => match news {
                    Ok(()) => presence.mark_changed(),
                    Err(_) => return,
                },
                newcomer = arriving.recv() => match newcomer {
                    Some(newcomer) => turns.newcomers.push_back(newcomer),
                    None => return,
                },
            }
        }
        tokio::time::sleep(WINDOW).await;
        while let Ok(newcomer) = arriving.try_recv() {
            turns.newcomers.push_back(newcomer);
        }
        turns.retain(Listener::is_there);
        let changed = presence.has_changed().unwrap_or(true);
        let mut failed = false;
        if changed || !turns.newcomers.is_empty() {
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
        list.tell(&mut turns).await;
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
    fn renew(&mut self, users: Vec<UserId>) {
        if users != self.users {
            self.size = self.newest.set(&users);
            self.users = users;
            self.number += 1;
        }
    }

    /// Tells as many as a window allows.
    async fn tell(&self, turns: &mut Turns<Listener>) {
        let mut polling = false;
        for _ in 0..WINDOW_BYTES.div_ceil(self.size) {
            let Some(listener) = turns.next(self.number) else {
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
        }
        if polling && let (Some(all), Some(same)) = (self.io.of("/"), self.io.of("/")) {
            // Encoded once.
            let told = all.to(POLLING).volatile().emit(ONLINE_USERS, &self.users);
            told.await.ok();
            same.to(POLLING).leave(POLLING).await.ok();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn newcomers_and_who_has_waited_longest_take_turns_and_nobody_is_told_twice() {
        let mut turns = Turns {
            newcomers: VecDeque::from(["a", "b", "c"]),
            told: VecDeque::new(),
            newcomer_next: true,
        };
        let told = |turns: &mut Turns<&'static str>, list, most| -> Vec<_> {
            std::iter::from_fn(|| turns.next(list).copied())
                .take(most)
                .collect()
        };
        assert_eq!(told(&mut turns, 1, 2), ["a", "b"]);
        turns.newcomers.push_back("d");
        // Meanwhile there is another list.
        assert_eq!(told(&mut turns, 2, 3), ["c", "a", "d"]);
        turns.newcomers.push_back("e");
        assert_eq!(told(&mut turns, 3, 2), ["b", "e"]);
        turns.retain(|one| *one != "d");
        assert!(turns.waits_for(3));
        assert_eq!(told(&mut turns, 3, 9), ["c", "a"]);
        assert!(!turns.waits_for(3));
        turns.newcomers.push_back("f");
        assert!(turns.waits_for(3));
        assert_eq!(told(&mut turns, 3, 9), ["f"]);
    }
}
