//! Tells all named sockets who is online.

use std::time::Duration;

use chat_core::{Actor, UserId};
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
pub(super) async fn run(
    io: SocketIo,
    mut changes: watch::Receiver<u64>,
    mut arriving: mpsc::Receiver<Newcomer>,
) {
    let mut newcomers = Vec::new();
    let mut told = Vec::new();
    // Anybody may ask who is online; before there is a newcomer there is nobody to tell.
    let mut asker: Option<Actor> = None;
    loop {
        tokio::select! {
            news = changes.changed() => if news.is_err() { return },
            newcomer = arriving.recv() => match newcomer {
                Some(newcomer) => newcomers.push(newcomer),
                None => return,
            },
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
            Ok(users) => tell(&io, &mut told, users, newcomers.drain(..)).await,
            Err(error) => tracing::warn!(%error, "who is online could not be read"),
        }
    }
}

async fn tell(
    io: &SocketIo,
    told: &mut Vec<UserId>,
    users: Vec<UserId>,
    newcomers: impl Iterator<Item = Newcomer>,
) {
    if users == *told {
        for newcomer in newcomers {
            newcomer.link.emit(ONLINE_USERS, &users);
        }
        return;
    }
    drop(newcomers);
    if let Some(all) = io.of("/") {
        // A socket that has no room for the list is soon found to be slow, or gets the next one.
        all.to(NAMED).emit(ONLINE_USERS, &users).await.ok();
    }
    *told = users;
}
