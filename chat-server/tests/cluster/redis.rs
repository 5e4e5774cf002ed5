//! A Redis of a test's own.

use std::{
    io::{BufRead as _, BufReader, Write as _},
    net::TcpStream,
};

use super::{Daemon, service, until};

pub(crate) struct Redis(pub(crate) Daemon);

impl Redis {
    /// `None` when tests with Redis are to be left out.
    pub(crate) async fn start() -> Option<Self> {
        let program = service("REDIS_SERVER")?;
        let redis = Self(Daemon::start(program, |port, _| {
            let port = port.to_string();
            [
                "--bind",
                "127.0.0.1",
                "--port",
                &port,
                "--save",
                "",
                "--appendonly",
                "no",
            ]
            .map(str::to_owned)
            .to_vec()
        }));
        redis.ready().await;
        Some(redis)
    }

    pub(crate) fn url(&self) -> String {
        format!("redis://{}", self.0.address())
    }

    pub(crate) async fn ready(&self) {
        let ping = async || self.ask("PING").as_deref() == Some("+PONG");
        until("redis-server answers", ping).await;
    }

    /// Runs a command without spaces in its arguments, and gives the first line of the answer.
    pub(crate) fn command(&self, command: &str) -> String {
        self.ask(command).expect("redis answers")
    }

    fn ask(&self, command: &str) -> Option<String> {
        let mut stream = TcpStream::connect(self.0.address()).ok()?;
        writeln!(stream, "{command}\r").ok()?;
        let mut line = String::new();
        BufReader::new(stream).read_line(&mut line).ok()?;
        Some(line.trim().to_owned())
    }
}
