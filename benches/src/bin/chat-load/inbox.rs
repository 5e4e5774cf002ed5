//! Pages of an inbox with many rooms, at a fixed rate.

use std::io;

use benches::{TEXT, user};

use crate::{
    options::Options,
    pages::{self, PAGE},
    protocol::{Client, Protocol},
    report::Report,
    server::Server,
};

/// The rooms that one user makes: a server lets a user make 30 at once.
const ROOMS_EACH: usize = 25;

pub(crate) async fn run(options: &Options, server: &Server) -> io::Result<Report> {
    if options.protocol != Protocol::Native {
        let why = "the old protocol has no inbox; leave --protocol out";
        return Err(io::Error::new(io::ErrorKind::Unsupported, why));
    }
    let reader = user(0);
    let members = [reader.clone()];
    for made in (0..options.count).step_by(ROOMS_EACH) {
        let name = user(1 + made / ROOMS_EACH);
        let mut maker = Client::login(Protocol::Native, server.node(0), &name).await?;
        for _ in 0..ROOMS_EACH.min(options.count - made) {
            let room = maker.group(&members).await?;
            maker.say(&format!(
                r#"{{"id":0,"type":"send","room":"{room}","text":"{TEXT}"}}"#
            ));
            maker.answer().await?;
        }
        maker.leave().await;
    }
    let client = Client::login(Protocol::Native, server.node(0), &reader).await?;
    let ask = |at| Ok((0, format!(r#"{{"id":{at},"type":"inbox","limit":{PAGE}}}"#)));
    pages::run(options, server, vec![client], ask).await
}
