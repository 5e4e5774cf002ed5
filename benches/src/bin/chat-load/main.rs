//! `chat-load`: see `chat-load --help`, and `docs/PERFORMANCE.md` for what came of it.

mod frames;
mod history;
mod idle;
mod inbox;
mod link;
mod messages;
mod options;
mod pages;
mod protocol;
mod report;
mod resume;
mod rooms;
mod server;
mod start;
mod storm;

use std::{
    io::{self, Write},
    process::ExitCode,
};

use clap::{Parser, ValueEnum};

use crate::{
    options::{Mode, Options},
    report::Report,
    server::Server,
};

/// On one thread, for the server needs the other processors.
#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let options = Options::parse();
    raise_open_files();
    match run(&options).await {
        Ok(report) => {
            let mut out = io::stdout();
            drop(writeln!(out, "{}", report.line()));
            drop(write!(io::stderr(), "{report}"));
            ExitCode::from(u8::from(report.missing > 0))
        }
        Err(error) => {
            drop(writeln!(io::stderr(), "chat-load: {error}"));
            ExitCode::FAILURE
        }
    }
}

async fn run(options: &Options) -> io::Result<Report> {
    let server = Server::new(options).await?;
    let mut report = Report::default();
    let name = |value: Option<clap::builder::PossibleValue>| {
        value.map(|value| value.get_name().to_owned())
    };
    report.add("mode", name(options.mode.to_possible_value()));
    report.add("protocol", name(options.protocol.to_possible_value()));
    let urls = options
        .urls
        .iter()
        .map(|address| format!("http://{address}"));
    let server_name = options.server.as_ref().map_or_else(
        || urls.collect::<Vec<_>>().join(" "),
        |program| program.display().to_string(),
    );
    report.add("server", server_name);
    report.add("count", options.count);
    report.append(match options.mode {
        Mode::Pairs => messages::run(options, &server, options.count, 1).await?,
        Mode::Room => messages::run(options, &server, 1, options.count).await?,
        Mode::Idle => idle::run(options, &server).await?,
        Mode::Storm => storm::run(options, &server).await?,
        Mode::Resume => resume::run(options, &server).await?,
        Mode::History => history::run(options, &server).await?,
        Mode::Inbox => inbox::run(options, &server).await?,
        Mode::Rooms => rooms::run(options, &server).await?,
        Mode::Start => start::run(options, server).await?,
    });
    Ok(report)
}

/// A server that is started here inherits it.
#[cfg(unix)]
fn raise_open_files() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit {
        current: limit.maximum,
        maximum: limit.maximum,
    };
    // Then there are fewer connections, which is said when one fails.
    setrlimit(Resource::Nofile, raised).ok();
}

#[cfg(not(unix))]
fn raise_open_files() {}
