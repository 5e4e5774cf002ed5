//! HTTP: connections, routes, and what all handlers share.

pub(crate) mod accept;
mod access;
pub(crate) mod app;
pub(crate) mod auth;
pub(crate) mod client;
pub(crate) mod connections;
pub(crate) mod failure;
mod head;
pub(crate) mod known;
pub(crate) mod listener;
pub(crate) mod metrics;
pub(crate) mod parameters;
mod patience;
pub(crate) mod peer;
pub(crate) mod proxy_header;
pub(crate) mod requests;
pub(crate) mod router;
pub(crate) mod sessions;
pub(crate) mod site;
#[cfg(unix)]
mod socket_file;
pub(crate) mod status;
pub(crate) mod stream;
pub(crate) mod tls;
mod write_timeout;
