//! How long a server takes to start on a store with many messages.

use std::io;

use benches::drop_cached;

use crate::{options::Options, report::Report, server::Server};

/// Written before each end, so that there is something in the log of the file.
#[cfg(unix)]
const WRITTEN: u64 = 5_000;

/// From the start of the process until somebody has logged in.
#[cfg(unix)]
pub(crate) async fn run(options: &Options, mut server: Server) -> io::Result<Report> {
    use crate::{
        protocol::{Client, Protocol},
        report::{Clock, Times},
        rooms::Speaker,
    };
    use benches::user;
    use rustix::process::Signal;
    use tokio::time::timeout;

    let stock = options.stock();
    let (clock, file) = (Clock::start(), server.store()?);
    let (stopped, killed, written) = (Times::new()?, Times::new()?, Times::new()?);
    for _ in 0..options.count {
        for (times, signal) in [(&stopped, Signal::TERM), (&killed, Signal::KILL)] {
            let mut speaker = Speaker::login(options, &server, stock, 0).await?;
            let more = |sent| sent < WRITTEN;
            speaker.speak(clock, 100, &written, more).await?;
            drop(speaker);
            server.end(signal).await?;
            if options.cold {
                drop_cached(&file)?;
            }
            let start = clock.now();
            server.start(options).await?;
            let name = user(0);
            let login = Client::login(Protocol::Native, server.node(0), &name);
            timeout(options.patience, login).await??;
            times.note(start, clock.now());
        }
    }
    let mut report = Report::default();
    report.add("messages", stock.messages);
    report.add("cold", options.cold);
    report.add_times("after_a_stop_ms", &stopped);
    report.add_times("after_a_kill_ms", &killed);
    Ok(report)
}

#[cfg(not(unix))]
pub(crate) async fn run(_: &Options, _: Server) -> io::Result<Report> {
    Err(io::ErrorKind::Unsupported.into())
}
