//! The terminal program.

mod args;
mod conversation;
mod input;
mod output;
mod peer;
mod receipts;
mod shown;
mod terminal;
mod view;

use std::{
    io::{self, BufRead as _, IsTerminal as _, Write as _},
    process::ExitCode,
    thread,
};

use chat_cli::{Client, clean};
use chat_core::RoomId;
use clap::{CommandFactory as _, Parser as _, error::ErrorKind};
use tokio::sync::mpsc;

use args::Args;
use conversation::Conversation;
use input::{Input, Syntax};
use output::Output;
use shown::Style;
use terminal::Terminal;
use view::{Outcome, Reader, Topic};

/// Lines of input that may wait.
const INPUTS: usize = 64;

/// Runs the program to its end.
pub(crate) fn run() -> ExitCode {
    let args = Args::parse();
    let Ok(room) = RoomId::direct(&args.me, &args.peer) else {
        let me = clean(args.me.as_str());
        let message = format!("you can't chat with yourself: {me} is named twice");
        Args::command()
            .error(ErrorKind::ValueValidation, message)
            .exit()
    };
    let runtime = match tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
    {
        Ok(runtime) => runtime,
        Err(error) => return failed(&error.to_string()),
    };
    let code = runtime.block_on(chat(args, room));
    // A thread may still wait for a key or a line.
    runtime.shutdown_background();
    code
}

async fn chat(args: Args, room: RoomId) -> ExitCode {
    let client = match Client::connect(&args.server, args.me.as_str()) {
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
        peer: args.peer,
        room,
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

/// Opens the output, and begins to read the input.
fn open(args: &Args, reader: Reader, inputs: mpsc::Sender<Input>) -> rustyline::Result<Output> {
    let style = Style::of_environment();
    let (syntax, output) = match reader {
        Reader::Person => {
            let about = format!(
                "{} and {} at {} (/help shows the commands)",
                args.me,
                args.peer,
                clean(&args.server)
            );
            let _ = writeln!(io::stdout(), "{}", style.dim(&about));
            let terminal = Terminal::open(&clean(args.peer.as_str()), style, inputs)?;
            return Ok(Output::Terminal(terminal, style));
        }
        Reader::Pipe => (Syntax::Plain, Output::Plain(style)),
        Reader::Script => (Syntax::Json, Output::Json),
    };
    thread::spawn(move || read_lines(&inputs, syntax));
    Ok(output)
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
            Err(error) => Some(Input::Wrong(format!("the input can't be read: {error}"))),
        };
        if let Some(input) = input
            && inputs.blocking_send(input).is_err()
        {
            return;
        }
    }
    let _ = inputs.blocking_send(Input::End);
}
