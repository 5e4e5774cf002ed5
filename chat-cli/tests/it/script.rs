//! The program under a script, for tests.

use std::time::Duration;

use serde_json::Value;
use tokio::{
    io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, Lines},
    process::{Child, ChildStdin, ChildStdout, Command},
    time::timeout,
};

const LONG: Duration = Duration::from_mins(1);

/// The program under a script that reads and writes line by line.
pub(crate) struct Script {
    process: Child,
    input: Option<ChildStdin>,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Script {
    pub(crate) fn start(mut command: Command) -> Self {
        let mut process = command.spawn().unwrap();
        let input = process.stdin.take();
        let lines = BufReader::new(process.stdout.take().unwrap()).lines();
        Self {
            process,
            input,
            lines,
        }
    }

    pub(crate) async fn say(&mut self, line: &str) {
        let line = format!("{line}\n");
        self.input
            .as_mut()
            .unwrap()
            .write_all(line.as_bytes())
            .await
            .unwrap();
    }

    /// The next line of this type.
    pub(crate) async fn next(&mut self, kind: &str) -> Value {
        loop {
            let line = timeout(LONG, self.lines.next_line()).await;
            let line = line.unwrap_or_else(|_| panic!("no {kind}")).unwrap();
            let value: Value = serde_json::from_str(&line.unwrap()).unwrap();
            if value["type"] == kind {
                return value;
            }
        }
    }

    pub(crate) async fn finish(mut self) -> i32 {
        self.input = None;
        while let Ok(Some(_)) = timeout(LONG, self.lines.next_line()).await.unwrap() {}
        timeout(LONG, self.process.wait())
            .await
            .unwrap()
            .unwrap()
            .code()
            .unwrap()
    }
}
