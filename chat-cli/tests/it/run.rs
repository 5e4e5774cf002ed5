//! One run of the program from its start to its end, for tests.

use std::process::{Output, Stdio};

use chat_testkit::PATIENCE;
use tokio::{io::AsyncWriteExt as _, process::Command, time::timeout};

/// The program with these arguments.
pub(crate) fn program(args: &[&str]) -> Command {
    let mut program = Command::new(env!("CARGO_BIN_EXE_chat-cli"));
    program.args(args);
    program
}

/// Runs a program with this input to its end.
pub(crate) async fn to_the_end(mut program: Command, input: impl AsRef<[u8]>) -> Output {
    let mut process = program
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let mut stdin = process.stdin.take().unwrap();
    stdin.write_all(input.as_ref()).await.unwrap();
    drop(stdin);
    let output = timeout(4 * PATIENCE, process.wait_with_output()).await;
    output.expect("the program ends").unwrap()
}
