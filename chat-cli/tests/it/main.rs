//! The tests of the client library over connections that break and over TLS, of the program from
//! outside and under a terminal, and of the decoders with damaged bytes.
#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test fails by panicking, and so do its helpers"
)]

mod breaking;
mod decoders;
mod groups;
mod person;
mod pipes;
mod profiles;
mod program;
mod pty;
mod reconnect;
mod renewal;
mod run;
mod scenarios;
mod screen;
mod script;
mod scripts;
mod terminal;
mod tls;
mod window;
