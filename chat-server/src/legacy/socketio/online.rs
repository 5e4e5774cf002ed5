//! Sends every client that has a name the list of users online, when it changes.

use std::{
    collections::VecDeque,
    sync::{Arc, Weak},
    time::Duration,
};

use chat_core::{ChatEngine, UserId};
use tokio::sync::mpsc;

use super::{queue::Queue, shared_list::SharedList};

/// The time for which changes are gathered.
const WINDOW: Duration = Duration::from_millis(100);

/// The bytes of lists that are sent in a window, to all clients together: 200 MB a second. A list grows
/// with the number of its readers, so a change reaches 1,400 of them within a window, but 10,000, with
/// names of 7 letters, within 5 s.
const WINDOW_BYTES: usize = 20_000_000;

/// The time after which the list is read again after a failure.
const AGAIN: Duration = Duration::from_secs(1);

/// The queue of a client that has a name, for as long as it has it.
#[derive(Debug)]
pub(super) struct Named(pub(super) Arc<Queue>);

/// A client that reads the list until it gives up its name.
pub(super) type Reader = Weak<Named>;

/// The order in which readers get the list: in turn a newcomer and the reader that has waited longest.
struct Turns<T> {
    newcomers: VecDeque<T>,
    /// The readers that have got a list, with its number, the one served longest ago first.
    served: VecDeque<(u64, T)>,
    /// Newcomers and others take turns, so that newcomers without end don't keep the others waiting.
    newcomer_next: bool,
}

impl<T> Turns<T> {
    /// True while a reader has not got this list.
    fn waits_for(&self, list: u64) -> bool {
        !self.newcomers.is_empty() || self.served.front().is_some_and(|(got, _)| *got != list)
    }

    /// The next reader that has not got this list, which counts as served from now on.
    fn next(&mut self, list: u64) -> Option<&T> {
        let mut waiting = || {
            let waiting = self.served.pop_front_if(|(got, _)| *got != list);
            waiting.map(|(_, next)| next)
        };
        let next = if self.newcomer_next {
            self.newcomers.pop_front().or_else(waiting)
        } else {
            waiting().or_else(|| self.newcomers.pop_front())
        }?;
        self.newcomer_next = !self.newcomer_next;
        self.served.push_back((list, next));
        self.served.back().map(|(_, next)| next)
    }

    fn retain(&mut self, keep: impl Fn(&T) -> bool) {
        self.newcomers.retain(&keep);
        self.served.retain(|(_, one)| keep(one));
    }
}

/// Sends the list to all readers when it changes, and to newcomers in any case, from one place so that
/// no reader gets an older list after a newer one. Ends when no client can come any more.
///
/// Several changes before a reader's turn are one list.
pub(super) async fn run(
    engine: ChatEngine,
    shared: Arc<SharedList>,
    mut arriving: mpsc::Receiver<Reader>,
) {
    let mut presence = engine.presence_changes();
    let mut turns = Turns {
        newcomers: VecDeque::new(),
        served: VecDeque::new(),
        newcomer_next: true,
    };
    let mut list = List {
        shared,
        users: Vec::new(),
        size: 1,
        number: 1,
    };
    loop {
        if !turns.waits_for(list.number) {
            tokio::select! {
                change = presence.changed() => match change {
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
        turns.retain(|reader| reader.strong_count() > 0);
        let changed = presence.has_changed().unwrap_or(true);
        let mut failed = false;
        if changed || !turns.newcomers.is_empty() {
            presence.mark_unchanged();
            match engine.online().await {
                Ok(users) => list.renew(users),
                Err(error) => {
                    tracing::debug!(%error, "the list of users online could not be read");
                    failed = true;
                }
            }
        }
        // Also after a failure: an old client waits for a list, and this is the last one known.
        list.send(&mut turns);
        if failed {
            tokio::time::sleep(AGAIN).await;
            presence.mark_changed();
        }
    }
}

/// The list as it was last read.
struct List {
    shared: Arc<SharedList>,
    users: Vec<UserId>,
    /// Its length in bytes.
    size: usize,
    number: u64,
}

impl List {
    fn renew(&mut self, users: Vec<UserId>) {
        if users != self.users {
            self.size = self.shared.set(&users);
            self.users = users;
            self.number += 1;
        }
    }

    /// Sends the list to as many readers as a window allows. A list that still waits for its reader is
    /// replaced: the reader gets the newest one when it can take it.
    fn send(&self, turns: &mut Turns<Reader>) {
        for _ in 0..WINDOW_BYTES.div_ceil(self.size) {
            match turns.next(self.number).map(Weak::upgrade) {
                Some(Some(named)) => named.0.push_list(),
                // The client is gone, or has given up its name.
                Some(None) => {}
                None => break,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn newcomers_and_others_take_turns_and_no_reader_gets_a_list_twice() {
        let mut turns = Turns {
            newcomers: VecDeque::from(["a", "b", "c"]),
            served: VecDeque::new(),
            newcomer_next: true,
        };
        let served = |turns: &mut Turns<&'static str>, list, most| -> Vec<_> {
            std::iter::from_fn(|| turns.next(list).copied())
                .take(most)
                .collect()
        };
        assert_eq!(served(&mut turns, 1, 2), ["a", "b"]);
        turns.newcomers.push_back("d");
        // Meanwhile the list has changed.
        assert_eq!(served(&mut turns, 2, 3), ["c", "a", "d"]);
        turns.newcomers.push_back("e");
        assert_eq!(served(&mut turns, 3, 2), ["b", "e"]);
        turns.retain(|one| *one != "d");
        assert!(turns.waits_for(3));
        assert_eq!(served(&mut turns, 3, 9), ["c", "a"]);
        assert!(!turns.waits_for(3));
        turns.newcomers.push_back("f");
        assert!(turns.waits_for(3));
        assert_eq!(served(&mut turns, 3, 9), ["f"]);
    }
}
