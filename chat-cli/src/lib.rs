#![doc = include_str!("../README.md")]

mod backoff;
mod clean;
mod client;
mod error;
mod url;

pub use clean::clean;
pub use client::{Client, ClientBuilder, ClientEvent, Events, Sending};
pub use error::{ClientError, RequestError};
