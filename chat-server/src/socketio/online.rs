//! Tells all named sockets who is online.

use std::time::Duration;

use chat_core::Actor;
use socketioxide::SocketIo;
use tokio::sync::{mpsc, watch};

use super::outgoing::Link;

const ONLINE_USERS: &str = "online-users";

/// The Socket.IO room of all sockets that have a name. Clients can't join one by name.
pub(super) const NAMED: &str = "named";

/// For how long changes are gathered.
const WINDOW: Duration = Duration::from_millis(100);

/// A socket that has just got its name, and is to be told even if nothing changed.
pub(super) struct Newcomer {
    pub(super) link: Link,
    pub(super) actor: Actor,
}

/// Sends the list to all when it changes, and to newcomers in any case, from one place so that
/// nobody gets an older list after a newer one. Ends when the namespace is closed.
///
/// The engine doesn't count it as a change when somebody comes and goes within its `presence_window`,
/// but a newcomer's list may have shown them; so a new list is checked once more after that time.
pub(super) async fn run(
    io: SocketIo,
    mut changes: watch::Receiver<u64>,
    presence_window: Duration,
    mut arriving: mpsc::Receiver<Newcomer>,
) {
    let mut newcomers = Vec::new();
    let mut told = Vec::new();
    let mut unchecked = false;
    // Anybody may ask who is online; before there is a newcomer there is nobody to tell.
    let mut asker: Option<Actor> = None;
    loop {
        tokio::select! {
            news = changes.changed() => if news.is_err() { return },
            newcomer = arriving.recv() => match newcomer {
                Some(newcomer) => newcomers.push(newcomer),
                None => return,
            },
            () = tokio::time::sleep(presence_window), if unchecked => {}
        }
        tokio::time::sleep(WINDOW).await;
        while let Ok(newcomer) = arriving.try_recv() {
            newcomers.push(newcomer);
        }
        changes.mark_unchanged();
        asker = newcomers
            .last()
            .map(|newcomer| newcomer.actor.clone())
            .or(asker);
        let Some(actor) = &asker else { continue };
        match actor.online().await {
            Ok(users) if users == told => {
                for Newcomer { link, .. } in newcomers.drain(..) {
                    link.emit(ONLINE_USERS, &users);
                }
                unchecked = false;
            }
            Ok(users) => {
                newcomers.clear();
                if let Some(all) = io.of("/") {
                    // A socket that has no room for it is soon found to be slow, or gets the next.
                    all.to(NAMED).emit(ONLINE_USERS, &users).await.ok();
                }
                told = users;
                unchecked = true;
            }
            Err(error) => tracing::warn!(%error, "who is online could not be read"),
        }
    }
}
