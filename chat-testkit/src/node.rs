//! A `chat-server` as people start it: a process, which can be killed and started again.

use std::{
    ops::{Deref, DerefMut},
    time::Duration,
};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::{sleep, timeout},
};

use crate::{Daemon, PATIENCE, program};

/// A `chat-server` in a process of its own; [`program::path`] says which.
#[derive(Debug)]
pub struct Node(Daemon);

impl Node {
    /// Starts it with these arguments; doesn't wait until it serves. It listens on a port of its own and
    /// logs warnings; requests have no limit.
    pub fn start(arguments: &[&str]) -> Self {
        Self(Daemon::start(program::path(), |port, _| {
            let listen = format!("127.0.0.1:{port}");
            let own = [
                "--log",
                "warn",
                "--listen",
                &listen,
                "--requests-per-ip",
                "off",
            ];
            own.iter().chain(arguments).map(Into::into).collect()
        }))
    }

    /// Waits until it says that it can serve.
    ///
    /// # Panics
    ///
    /// When it gives up starting, or takes longer than [`PATIENCE`].
    pub async fn ready(&self) {
        let ready = async || {
            let mut tcp = TcpStream::connect(self.address()).await.ok()?;
            let ask = b"GET /ready HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n";
            tcp.write_all(ask).await.ok()?;
            let mut answer = String::new();
            tcp.read_to_string(&mut answer).await.ok()?;
            answer.starts_with("HTTP/1.1 200").then_some(())
        };
        let waiting = timeout(PATIENCE, async {
            while ready().await.is_none() {
                // Then another program may be the one that answers.
                let said = self.said();
                let gave_up = said.lines().any(|line| line.starts_with("error: "));
                assert!(!gave_up, "{said}");
                sleep(Duration::from_millis(10)).await;
            }
        });
        let ready = waiting.await;
        assert!(ready.is_ok(), "not ready in time: {}", self.said());
    }

    /// How many warnings it has logged.
    ///
    /// # Panics
    ///
    /// When it has panicked.
    pub fn warnings(&self) -> usize {
        let said = self.said();
        assert!(!said.contains("panicked"), "{said}");
        said.lines().filter(|line| line.contains(" WARN ")).count()
    }
}

impl Deref for Node {
    type Target = Daemon;

    fn deref(&self) -> &Daemon {
        &self.0
    }
}

impl DerefMut for Node {
    fn deref_mut(&mut self) -> &mut Daemon {
        &mut self.0
    }
}
