//! The terminal program.

mod args;
mod conversation;
mod input;
mod output;
mod shown;
mod terminal;

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
use conversation::{Conversation, Outcome};
use input::{Input, Syntax};
use output::Output;
use shown::Style;
use terminal::Terminal;

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
    let token = args.me.as_str();
    let (client, events) = match Client::connect(&args.server, token) {
        Ok(client) => client,
        Err(error) => {
            let _ = writeln!(io::stderr(), "chat-cli: {error}");
            return ExitCode::from(2);
        }
    };
    let (sender, inputs) = mpsc::channel(INPUTS);
    let is_terminal = !args.json && io::stdin().is_terminal() && io::stdout().is_terminal();
    let colours = io::stdout().is_terminal()
        && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
        && std::env::var_os("TERM").is_none_or(|term| term != "dumb");
    let style = Style { colours };
    let output = if is_terminal {
        let about = format!(
            "{} and {} at {} (/help shows the commands)",
            args.me,
            args.peer,
            clean(&args.server)
        );
        let _ = writeln!(io::stdout(), "{}", style.dim(&about));
        match Terminal::open(&clean(args.peer.as_str()), style, sender) {
            Ok(terminal) => Output::Terminal(terminal, style),
            Err(error) => return failed(&format!("the terminal can't be used: {error}")),
        }
    } else {
        let (syntax, output) = if args.json {
            (Syntax::Json, Output::Json)
        } else {
            (Syntax::Plain, Output::Plain(style))
        };
        thread::spawn(move || read_lines(&sender, syntax));
        output
    };
    let patience = (!is_terminal).then(|| args.patience());
    let conversation = Conversation {
        client,
        events,
        inputs,
        output,
        me: args.me,
        peer: args.peer,
        room,
        last: usize::from(args.last),
        patience,
        follow: args.follow,
    };
    match conversation.run().await {
        Ok(Outcome::Left) => ExitCode::SUCCESS,
        Ok(Outcome::Unsent(1)) => failed("one message was not sent"),
        Ok(Outcome::Unsent(count)) => failed(&format!("{count} messages were not sent")),
        Ok(Outcome::Lost(reason)) => failed(&reason),
        // Whoever read the output has gone.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => ExitCode::SUCCESS,
        Err(error) => failed(&error.to_string()),
    }
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
