//! The terminal program.

pub(crate) mod answers;
mod args;
mod arrivals;
pub(crate) mod chats;
pub(crate) mod command;
pub(crate) mod conversation;
mod exit;
pub(crate) mod happened;
pub(crate) mod input;
pub(crate) mod keys;
pub(crate) mod line;
mod messages;
mod outbox;
pub(crate) mod output;
mod past;
mod peer;
mod readers;
mod screen;
pub(crate) mod sentences;
mod shown;
pub(crate) mod target;
mod tasks;
mod terminal;
#[cfg(test)]
mod tty;
mod view;

use std::{
    io::{self, BufRead as _, IsTerminal as _, Write as _},
    process::ExitCode,
    thread,
};

use chat_cli::clean;
use chat_core::{Clock as _, RoomId, SystemClock, UserId};
use clap::{CommandFactory as _, error::ErrorKind};
use tokio::sync::mpsc;

use crate::screen::{self as full, Theme};
use args::{Args, Asked};
use conversation::Conversation;
use exit::{failed, wrong};
use happened::{Outcome, Reader, Spot, Topic};
use input::{Input, Syntax};
use output::Output;
use shown::Style;
use target::Target;
use terminal::Terminal;

/// Lines of input that may wait.
const INPUTS: usize = 64;

/// Runs the program to its end.
pub(crate) fn run() -> ExitCode {
    let asked = Asked::read();
    let runtime = match tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
    {
        Ok(runtime) => runtime,
        Err(error) => return failed(&error.to_string()),
    };
    let code = runtime.block_on(async {
        match asked {
            Asked::Task(task) => tasks::run(task).await,
            Asked::Chat(mut args) => match args.me.take() {
                Some(me) => line_mode(args, me).await,
                None => full_screen(args).await,
            },
        }
    });
    // A thread may still wait for a key or a line.
    runtime.shutdown_background();
    code
}

/// `chat-cli` with one name or two.
async fn line_mode(args: Args, me: UserId) -> ExitCode {
    let start = match &args.peer {
        None => None,
        Some(peer) => {
            let Ok(room) = RoomId::direct(&me, peer) else {
                let me = clean(me.as_str());
                let message = format!("you can't chat with yourself: {me} is named twice");
                Args::command()
                    .error(ErrorKind::ValueValidation, message)
                    .exit()
            };
            Some(Spot::of(room, &me))
        }
    };
    let target = match Target::named(args.server.clone()) {
        Ok(target) => target,
        Err(error) => return wrong(&error.to_string()),
    };
    let client = match target.connect(me.as_str()) {
        Ok(client) => client,
        Err(error) => return wrong(&error.to_string()),
    };
    let reader = if args.json {
        Reader::Script
    } else if io::stdin().is_terminal() && io::stdout().is_terminal() {
        Reader::Person
    } else {
        Reader::Pipe
    };
    let (sender, inputs) = mpsc::channel(INPUTS);
    let output = match open((&args, &me, &target.url), reader, sender) {
        Ok(output) => output,
        Err(error) => return failed(&format!("the terminal can't be used: {error}")),
    };
    let topic = Topic {
        patience: (reader != Reader::Person).then(|| args.patience()),
        me,
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

/// Opens the output, and begins to read the input.
fn open(
    (args, me, url): (&Args, &UserId, &str),
    reader: Reader,
    inputs: mpsc::Sender<Input>,
) -> io::Result<Output> {
    let style = Style::of_environment();
    let (syntax, output) = match reader {
        // A terminal that can't move its cursor shows plain lines.
        Reader::Person if is_dumb() => (Syntax::Slash, Output::Plain(style)),
        Reader::Person => {
            let peer = args.peer.as_ref();
            let about = format!(
                "{}{} at {} (/help shows the commands)",
                me,
                peer.map_or_else(String::new, |peer| format!(" and {peer}")),
                clean(url)
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

/// `chat-cli` without a name.
async fn full_screen(args: Args) -> ExitCode {
    if !io::stdin().is_terminal() || !io::stdout().is_terminal() || is_dumb() || args.json {
        let message = "the full screen needs a terminal; name a user for plain lines";
        Args::command()
            .error(ErrorKind::MissingRequiredArgument, message)
            .exit()
    }
    let target = match Target::preferred(args.server) {
        Ok(target) => target,
        Err(error) => return wrong(&error.to_string()),
    };
    let me = match target.user.clone() {
        None if !target.has_token() => match tasks::name(&target.url).await {
            Ok(me) => Some(me),
            Err(why) => return wrong(&why),
        },
        me => me,
    };
    let name = me.as_ref().map_or("", UserId::as_str);
    let client = match target.connect(name) {
        Ok(client) => client,
        Err(error) => return wrong(&error.to_string()),
    };
    let settings = full::Settings {
        me,
        server: target.url,
        theme: Theme::of_environment(args.theme.or(target.theme)),
        links: std::env::var_os("TERM").is_none_or(|term| term != "linux"),
        clock: full::local,
        now: || SystemClock::default().now(),
    };
    match full::run(client, settings).await {
        Ok(full::Outcome::Left) => ExitCode::SUCCESS,
        Ok(full::Outcome::Unsent(1)) => failed("one message was not sent"),
        Ok(full::Outcome::Unsent(count)) => failed(&format!("{count} messages were not sent")),
        Ok(full::Outcome::Lost(reason)) => failed(&reason),
        Err(error) => failed(&format!("the terminal can't be used: {error}")),
    }
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
