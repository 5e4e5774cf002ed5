//! Sends every client that has a name the list of users online, when it changes.

use std::{
    collections::{HashMap, HashSet, VecDeque},
    sync::{Arc, Mutex, PoisonError, Weak},
    time::Duration,
};

use chat_core::{ChatEngine, Error, OnlineList, UserId};
use tokio::sync::mpsc;

use super::{
    queue::Queue,
    shared_list::{ONLINE_USERS, SharedList},
};

/// The time for which changes are gathered.
const WINDOW: Duration = Duration::from_millis(100);

/// The bytes of lists that are sent in a window, to all clients together: 200 MB a second. A list grows
/// with the number of its readers, so a change reaches 1,400 of them within a window, but 10,000, with
/// names of 7 letters, within 5 s.
const WINDOW_BYTES: usize = 20_000_000;

/// The time after which the list is read again after a failure.
const AGAIN: Duration = Duration::from_secs(1);

/// The number of readers that get a list of their own in a window, where each user sees others.
const OWN_LISTS: usize = 50;

/// The queue of a client that has a name, for as long as it has it.
#[derive(Debug)]
pub(super) struct Named {
    queue: Arc<Queue>,
    user: UserId,
    /// The last list that was made for this client alone.
    own: Mutex<Option<Vec<UserId>>>,
}

impl Named {
    pub(super) fn new(queue: Arc<Queue>, user: UserId) -> Self {
        Self {
            queue,
            user,
            own: Mutex::default(),
        }
    }

    /// Sends the list of those whom this user sees, unless it is the one that was sent last.
    async fn send_own(&self, engine: &ChatEngine) -> Result<(), Error> {
        let users = engine.actor(self.user.clone()).online().await?;
        let mut own = self.own.lock().unwrap_or_else(PoisonError::into_inner);
        if own.as_ref() != Some(&users) {
            self.queue.emit(ONLINE_USERS, &users);
            *own = Some(users);
        }
        Ok(())
    }
}

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

    /// The readers that have got a list.
    fn served(&self) -> impl Iterator<Item = &T> {
        self.served.iter().map(|(_, one)| one)
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
        own: engine.config().online_list != OnlineList::All,
        shared,
        users: Vec::new(),
        hidden: HashMap::new(),
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
        if list.own {
            presence.mark_unchanged();
            list.number += u64::from(changed);
        } else if changed || !turns.newcomers.is_empty() {
            presence.mark_unchanged();
            match engine.online().await {
                Ok(users) => list.renew(users),
                Err(error) => {
                    tracing::debug!(%error, "the list of users online could not be read");
                    failed = true;
                }
            }
            if let Err(error) = list.look_for_blocks(&turns, &engine).await {
                tracing::debug!(%error, "it could not be looked for users who have blocked others");
                failed = true;
            }
        }
        // Also after a failure: an old client waits for a list, and this is the last one known.
        if list.own {
            list.send_own(&mut turns, &engine).await;
        } else {
            list.send(&mut turns);
        }
        if failed {
            tokio::time::sleep(AGAIN).await;
            presence.mark_changed();
        }
    }
}

/// The list as it was last read.
struct List {
    /// Each reader gets a list of its own; then only the number counts.
    own: bool,
    shared: Arc<SharedList>,
    users: Vec<UserId>,
    /// By reader, the users on the list who have blocked the reader.
    hidden: HashMap<UserId, HashSet<UserId>>,
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

    /// Looks who on the list has blocked whom, and sends those readers for whom that has changed another list.
    async fn look_for_blocks(
        &mut self,
        turns: &Turns<Reader>,
        engine: &ChatEngine,
    ) -> Result<(), Error> {
        let mut hidden: HashMap<UserId, HashSet<UserId>> = HashMap::new();
        for block in engine.blocks_among(&self.users).await? {
            hidden.entry(block.user).or_default().insert(block.by);
        }
        let before = std::mem::replace(&mut self.hidden, hidden);
        if before != self.hidden {
            for named in turns.served().filter_map(Weak::upgrade) {
                if before.get(&named.user) != self.hidden.get(&named.user) {
                    self.send_to(&named);
                }
            }
        }
        Ok(())
    }

    /// Sends one reader the list without those who have blocked this reader.
    fn send_to(&self, named: &Named) {
        match self.hidden.get(&named.user) {
            None => named.queue.push_list(),
            Some(hidden) => {
                let users = self.users.iter().filter(|user| !hidden.contains(user));
                let users: Vec<UserId> = users.cloned().collect();
                named.queue.push_own_list(SharedList::encode(&users));
            }
        }
    }

    /// Sends some readers a list of their own.
    async fn send_own(&self, turns: &mut Turns<Reader>, engine: &ChatEngine) {
        for _ in 0..OWN_LISTS {
            match turns.next(self.number).map(Weak::upgrade) {
                Some(Some(named)) => {
                    if let Err(error) = named.send_own(engine).await {
                        tracing::debug!(%error, "a list of users online could not be read");
                    }
                }
                Some(None) => {}
                None => break,
            }
        }
    }

    /// Sends the list to as many readers as a window allows. A list that still waits for its reader is
    /// replaced: the reader gets the newest one when it can take it.
    fn send(&self, turns: &mut Turns<Reader>) {
        for _ in 0..WINDOW_BYTES.div_ceil(self.size) {
            match turns.next(self.number).map(Weak::upgrade) {
                Some(Some(named)) => self.send_to(&named),
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
