//! The reconnecting client: a handle, a task that owns the socket, and the state machine between.
//!
//! [`handle`] and [`questions`] take the program's requests and [`task`] carries them to the server.
//! [`connection`] decides everything in between, from `queue`, `rooms`, `marks` and `pace`, and
//! does no input or output: its tests need no socket and no clock.

mod builder;
mod connection;
mod dial;
mod end;
mod events;
mod handle;
mod marks;
mod pace;
mod questions;
mod queue;
mod request;
mod rooms;
mod task;
mod token;

pub use builder::ClientBuilder;
pub use events::{ClientEvent, Events};
pub use handle::{Client, Sending};
