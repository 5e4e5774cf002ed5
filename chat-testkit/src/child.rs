//! A part of a test that needs a process of its own: to be killed, or to run under limits or faults
//! that the rest of the test must not have.
//!
//! It is written as a test that is otherwise ignored, and run again from the program of the tests.

use std::process::Command;

/// A command that runs one ignored test of this program, by its path such as
/// `faults::child_that_is_killed`.
pub fn command(test: &str) -> Command {
    within(&[], test)
}

/// The same, as the arguments of another command: `["unshare", "--mount"]`, say.
pub fn within(wrapper: &[&str], test: &str) -> Command {
    let this = std::env::current_exe().unwrap();
    let mut command = match wrapper {
        [] => Command::new(this),
        [program, arguments @ ..] => {
            let mut command = Command::new(program);
            command.args(arguments).arg(this);
            command
        }
    };
    command.args(["--exact", test, "--ignored", "--nocapture"]);
    command
}

/// Runs such a command to its end.
///
/// # Panics
///
/// When the test did not pass, or there is none of this name.
pub fn passes(mut command: Command) {
    let output = command.output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    let errors = String::from_utf8_lossy(&output.stderr);
    let passed = output.status.success() && said.contains("1 passed");
    assert!(passed, "{said}\n{errors}");
}
