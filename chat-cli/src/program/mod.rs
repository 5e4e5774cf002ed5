//! The terminal program.

mod answers;
mod args;
mod arrivals;
mod chats;
mod command;
mod conversation;
mod happened;
mod input;
mod keys;
mod line;
mod messages;
mod outbox;
mod output;
mod past;
mod peer;
mod readers;
mod screen;
mod sentences;
mod shown;
mod terminal;
#[cfg(test)]
mod tty;
mod view;

use std::{
    io::{self, BufRead as _, IsTerminal as _, Write as _},
    process::{ExitCode, Stdio},
    thread,
};

use chat_cli::{Client, ClientError, Events, clean};
use chat_core::RoomId;
use clap::{CommandFactory as _, Parser as _, error::ErrorKind};
use tokio::sync::mpsc;

use args::Args;
use conversation::Conversation;
use happened::{Outcome, Reader, Spot, Topic};
use input::{Input, Syntax};
use output::Output;
use shown::Style;
use terminal::Terminal;

/// Lines of input that may wait.
const INPUTS: usize = 64;

/// Runs the program to its end.
pub(crate) fn run() -> ExitCode {
    let args = Args::parse();
    let start = match &args.peer {
        None => None,
        Some(peer) => {
            let Ok(room) = RoomId::direct(&args.me, peer) else {
                let me = clean(args.me.as_str());
                let message = format!("you can't chat with yourself: {me} is named twice");
                Args::command()
                    .error(ErrorKind::ValueValidation, message)
                    .exit()
            };
            Some(Spot::of(room, &args.me))
        }
    };
    let runtime = match tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
    {
        Ok(runtime) => runtime,
        Err(error) => return failed(&error.to_string()),
    };
    let code = runtime.block_on(chat(args, start));
    // A thread may still wait for a key or a line.
    runtime.shutdown_background();
    code
}

async fn chat(args: Args, start: Option<Spot>) -> ExitCode {
    let client = match connect(&args) {
        Ok(client) => client,
        Err(error) => {
            let _ = writeln!(io::stderr(), "chat-cli: {error}");
            return ExitCode::from(2);
        }
    };
    let reader = if args.json {
        Reader::Script
    } else if io::stdin().is_terminal() && io::stdout().is_terminal() {
        Reader::Person
    } else {
        Reader::Pipe
    };
    let (sender, inputs) = mpsc::channel(INPUTS);
    let output = match open(&args, reader, sender) {
        Ok(output) => output,
        Err(error) => return failed(&format!("the terminal can't be used: {error}")),
    };
    let topic = Topic {
        patience: (reader != Reader::Person).then(|| args.patience()),
        me: args.me,
        start,
        reader,
        last: usize::from(args.last),
        follow: args.follow,
    };
    match Conversation::new(topic, client, inputs, output).run().await {
        Ok(Outcome::Left) => ExitCode::SUCCESS,
        Ok(Outcome::Unsent(1)) => failed("one message was not sent"),
        Ok(Outcome::Unsent(count)) => failed(&format!("{count} messages were not sent")),
        Ok(Outcome::Lost(reason)) => failed(&reason),
        // The program that read the output has gone.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => ExitCode::SUCCESS,
        Err(error) => failed(&error.to_string()),
    }
}

/// Starts the client as the command line says.
fn connect(args: &Args) -> Result<(Client, Events), ClientError> {
    let mut client = Client::builder(&args.server, args.me.as_str());
    if let Some(file) = &args.ca {
        client = client.ca_file(file);
    }
    if let Some(command) = &args.token_command {
        let command = command.clone();
        client = client.token_source(move || token_of(command.clone()));
    }
    client.connect()
}

/// The first line that a command of the user's shell prints.
async fn token_of(command: String) -> io::Result<String> {
    let output = tokio::process::Command::new("sh")
        .args(["-c", &command])
        .stdin(Stdio::null())
        .stderr(Stdio::inherit())
        .kill_on_drop(true)
        .output()
        .await?;
    if !output.status.success() {
        let status = output.status;
        return Err(io::Error::other(format!("the command ended with {status}")));
    }
    let printed = String::from_utf8_lossy(&output.stdout);
    match printed.lines().next().map(str::trim) {
        Some(token) if !token.is_empty() => Ok(token.to_owned()),
        _ => Err(io::Error::other("the command printed no token")),
    }
}

/// Opens the output, and begins to read the input.
fn open(args: &Args, reader: Reader, inputs: mpsc::Sender<Input>) -> io::Result<Output> {
    let style = Style::of_environment();
    let (syntax, output) = match reader {
        // A terminal that can't move its cursor shows plain lines.
        Reader::Person if is_dumb() => (Syntax::Slash, Output::Plain(style)),
        Reader::Person => {
            let peer = args.peer.as_ref();
            let about = format!(
                "{}{} at {} (/help shows the commands)",
                args.me,
                peer.map_or_else(String::new, |peer| format!(" and {peer}")),
                clean(&args.server)
            );
            let _ = writeln!(io::stdout(), "{}", style.dim(&about));
            let terminal = Terminal::open(style, inputs)?;
            return Ok(Output::Terminal(terminal, style));
        }
        // Without commands no room could be opened.
        Reader::Pipe if args.peer.is_none() => (Syntax::Slash, Output::Plain(style)),
        Reader::Pipe => (Syntax::Plain, Output::Plain(style)),
        Reader::Script => (Syntax::Json, Output::Json),
    };
    thread::spawn(move || read_lines(&inputs, syntax));
    Ok(output)
}

fn is_dumb() -> bool {
    std::env::var_os("TERM").is_some_and(|term| term == "dumb")
}

fn failed(why: &str) -> ExitCode {
    let _ = writeln!(io::stderr(), "chat-cli: {}", clean(why));
    ExitCode::FAILURE
}

/// Reads the standard input to its end.
fn read_lines(inputs: &mpsc::Sender<Input>, syntax: Syntax) {
    for line in io::stdin().lock().lines() {
        let input = match line {
            Ok(line) => input::read(&line, syntax),
            Err(error) if error.kind() == io::ErrorKind::InvalidData => {
                let why = "a line of the input is not UTF-8, and was not sent";
                Some(Input::Wrong(why.to_owned()))
            }
            Err(error) => {
                let why = format!("the input can't be read any further: {error}");
                let _ = inputs.blocking_send(Input::Wrong(why));
                break;
            }
        };
        if let Some(input) = input
            && inputs.blocking_send(input).is_err()
        {
            return;
        }
    }
    let _ = inputs.blocking_send(Input::End);
}
