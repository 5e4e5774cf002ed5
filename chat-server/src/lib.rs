#![doc = include_str!("../README.md")]
//! [`Server`] has it all: built from an engine, it gives a [`Router`](axum::Router) to nest in a service of your own, or
//! serves on a [`Listener`]. The program `chat-server` is that with [settings](config) from its command line, on a store
//! that [`start`] opens. [`legacy`] is what concerns the Node backend that it replaces.

pub mod config;
pub mod health;
pub mod legacy;
pub mod logging;
#[cfg(feature = "sqlite")]
pub mod maintenance;
#[cfg(target_os = "linux")]
pub mod service_manager;
pub mod start;
#[cfg(feature = "otel")]
pub mod traces;

mod admin;
pub mod admin_command;
mod auth;
mod files;
mod http;
mod native;
mod rest;
mod server;
mod shutdown;
mod web;
mod websocket;

pub use auth::command as tokens;
pub use files::FileError;
pub use http::{listener::Listener, peer::client_named_by, proxy_header::client_in_proxy_header};
pub use legacy::{check_event, recode_packet, recode_payload};
pub use server::{Builder, Server};
pub use shutdown::signal;
