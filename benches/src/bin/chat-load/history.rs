//! Pages of history, at a fixed rate, from a store with many messages.

use std::io;

use benches::{Stock, drop_cached};

use crate::{
    options::Options,
    pages::{self, PAGE},
    protocol::{Client, Protocol},
    report::Report,
    server::Server,
};

pub(crate) async fn run(options: &Options, server: &Server) -> io::Result<Report> {
    if options.protocol != Protocol::Native {
        let why = "the old protocol has no pages of history; leave --protocol out";
        return Err(io::Error::new(io::ErrorKind::Unsupported, why));
    }
    let stock = options.stock();
    let file = options.cold.then(|| server.store()).transpose()?;
    // All of it, which takes a moment; later ones only what the last page brought back.
    file.as_deref().map(drop_cached).transpose()?;
    let mut clients = Vec::new();
    for speaker in 0..Stock::SPEAKERS {
        let [speaker, _] = Stock::members(speaker);
        clients.push(Client::login(Protocol::Native, server.node(0), &speaker).await?);
    }
    let mut report = Report::default();
    report.add("messages", stock.messages);
    report.add("cold", options.cold);
    let ask = move |at| {
        if let Some(file) = &file {
            drop_cached(file)?;
        }
        let (room, before) = stock.place(at, PAGE);
        let [speaker, listener] = Stock::members(room);
        let command = format!(
            r#"{{"id":{at},"type":"history","room":"{speaker},{listener}","page":{{"before":{before}}},"limit":{PAGE}}}"#
        );
        Ok((room % Stock::SPEAKERS, command))
    };
    report.append(pages::run(options, server, clients, ask).await?);
    Ok(report)
}
