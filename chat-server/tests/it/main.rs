//! The server as its users meet it: over each protocol, as a program, and as one of several nodes.
#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test fails by panicking, and so do its helpers"
)]

#[cfg(unix)]
mod access;
#[cfg(unix)]
mod admin;
#[cfg(unix)]
mod admin_nodes;
mod blocks;
mod broken_proxy;
mod browser;
mod config;
mod conversation;
mod decisions;
#[cfg(unix)]
mod deploy;
mod embedding;
mod engineio;
#[cfg(unix)]
mod entry_points;
mod exposure;
mod faults;
mod golden;
#[cfg(unix)]
mod health;
mod http;
#[cfg(unix)]
mod import;
#[cfg(unix)]
mod issuers;
mod logins;
#[cfg(unix)]
mod maintenance;
mod metrics;
mod nodes;
mod old_clients;
mod openapi;
mod permissions;
#[cfg(unix)]
mod process;
#[cfg(unix)]
mod proxies;
mod rest;
#[cfg(unix)]
mod secrets;
mod site;
mod socketio;
#[cfg(unix)]
mod start_errors;
#[cfg(unix)]
mod tls;
#[cfg(unix)]
mod tokens;
#[cfg(all(unix, feature = "otel"))]
mod traces;
mod typescript;
mod web;
