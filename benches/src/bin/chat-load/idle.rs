//! What a connection costs that does nothing.

use std::io;

use benches::user;
use futures_util::{StreamExt, TryStreamExt, stream};
use tokio::{task::JoinSet, time::sleep};

use crate::{
    link::AT_ONCE,
    options::Options,
    protocol::{Client, Protocol},
    report::{Meter, Report, number},
    server::Server,
};

pub(crate) async fn run(options: &Options, server: &Server) -> io::Result<Report> {
    let before = server.usage();
    let meter = Meter::start(server);
    let mut listening = JoinSet::new();
    let connecting = stream::iter(0..options.count).map(|index| async move {
        let mut client = Client::login(options.protocol, server.node(index), &user(index)).await?;
        client.ask_for(&user(index ^ 1));
        if options.protocol == Protocol::Native {
            client.answer().await?;
        }
        io::Result::Ok(client)
    });
    let mut connecting = connecting.buffer_unordered(AT_ONCE);
    while let Some(client) = connecting.try_next().await? {
        listening.spawn(client.listen());
    }
    sleep(options.seconds).await;

    let mut report = Report::default();
    let each = || {
        let grown = server.usage()?.memory.saturating_sub(before?.memory);
        Some((number(grown) / 1_024.0 / number(options.count as u64)).round())
    };
    report.add("memory_kib_each", each());
    meter.stop(&mut report, options.count as u64);
    while listening.try_join_next().is_some() {}
    report.add("connected", listening.len());
    report.missing = (options.count - listening.len()) as u64;
    Ok(report)
}
