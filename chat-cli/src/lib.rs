//! A chat client that keeps itself connected, as a library; the terminal program is built on it.
//!
//! [`Client::connect`] is where to begin.

mod backoff;
mod clean;
mod client;
mod error;
mod url;

pub use clean::clean;
pub use client::{Client, ClientBuilder, ClientEvent, Events, Sending};
pub use error::{ClientError, RequestError};
