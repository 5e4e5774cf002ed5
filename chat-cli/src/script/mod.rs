//! Scripts with expectations: `chat-cli script FILE` types lines for several users, and checks what they see.
//!
//! [`step`] reads a line, and [`play`] carries it out with the conversations of line mode.

mod play;
mod step;

use std::{
    fs,
    io::{self, Read as _, Write as _},
    path::Path,
    process::ExitCode,
};

use chat_cli::clean;

use crate::program::target::Target;
use play::Play;
use step::Step;

/// The part of `chat-cli script --help` after the options.
pub(crate) const HELP: &str = "\
A line is typed as in line mode: a message, or a command such as /open bob. These are not typed:
  .as NAME [PEER]   goes on as this user, in a conversation with PEER if one is named
  .expect TEXT      waits for a line that holds TEXT, after the last one that was expected
  .never TEXT       no line so far holds TEXT
  .within TIME      how long what follows waits; 5s at first. On a line with another: for this one
  .wait TIME        waits so long
  .type TEXT        types TEXT, whatever it begins with
  .leave            the user leaves once all is answered
  # ...             is for people, and so is an empty line
A time is a number with ms, s or m. At the end all users leave. Of the users, the token is the name, or
comes from --token-command, which finds the name in CHAT_USER.

Exit codes: 0 all was as expected; 1 something was not, and the report says in which line; 2 the script
can't be read.";

/// Plays the script in a file; `-` is the standard input.
pub(crate) async fn run(file: &Path, target: &Target) -> ExitCode {
    let name = file.display();
    let text = match read(file) {
        Ok(text) => text,
        Err(error) => return report(2, &format!("{name} can't be read: {error}")),
    };
    let mut play = Play::new(target);
    let (mut line, mut expected) = (0, 0);
    for source in text.lines() {
        line += 1;
        let step = match Step::read(source) {
            Ok(Some(step)) => step,
            Ok(None) => continue,
            Err(why) => return report(2, &format!("{name}:{line}: {why}\n  {source}")),
        };
        expected += usize::from(step.is_expectation());
        if let Err(why) = play.step(step).await {
            return report(1, &format!("{name}:{line}: {why}"));
        }
    }
    if let Err(why) = play.end().await {
        return report(1, &format!("{name}, at its end: {why}"));
    }
    let _ = writeln!(io::stdout(), "{name}: all {expected} expectations were met");
    ExitCode::SUCCESS
}

fn read(file: &Path) -> io::Result<String> {
    if file.as_os_str() != "-" {
        return fs::read_to_string(file);
    }
    let mut text = String::new();
    io::stdin().lock().read_to_string(&mut text)?;
    Ok(text)
}

fn report(code: u8, why: &str) -> ExitCode {
    let lines: Vec<_> = why.lines().map(clean).collect();
    let _ = writeln!(io::stderr(), "chat-cli: {}", lines.join("\n"));
    ExitCode::from(code)
}
