//! Tells all named sockets who is online.

use std::time::Duration;

use chat_core::ChatEngine;
use socketioxide::SocketIo;
use tokio::sync::mpsc;

use super::outgoing::Link;

const ONLINE_USERS: &str = "online-users";

/// The Socket.IO room of all sockets that have a name. Clients can't join one by name.
pub(super) const NAMED: &str = "named";

/// For how long changes are gathered.
const WINDOW: Duration = Duration::from_millis(100);

/// How soon it is tried again to read the list.
const AGAIN: Duration = Duration::from_secs(1);

/// Sends the list to all when it changes, and to newcomers in any case, from one place so that
/// nobody gets an older list after a newer one. Ends when the namespace is closed.
pub(super) async fn run(io: SocketIo, engine: ChatEngine, mut arriving: mpsc::Receiver<Link>) {
    let mut changes = engine.presence_changes();
    let mut newcomers = Vec::new();
    let mut told = Vec::new();
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
        match engine.online().await {
            Ok(users) if users == told => {
                for newcomer in newcomers.drain(..) {
                    newcomer.emit(ONLINE_USERS, &users);
                }
            }
            Ok(users) => {
                newcomers.clear();
                if let Some(all) = io.of("/") {
                    // A socket that has no room for it is soon found to be slow, or gets the next.
                    all.to(NAMED).emit(ONLINE_USERS, &users).await.ok();
                }
                told = users;
            }
            Err(error) => {
                tracing::debug!(%error, "who is online could not be read");
                // An old client waits for a list; this is the last one that was known.
                for newcomer in newcomers.drain(..) {
                    newcomer.emit(ONLINE_USERS, &told);
                }
                tokio::time::sleep(AGAIN).await;
                changes.mark_changed();
            }
        }
    }
}
