//! The server's end of a WebSocket (RFC 6455), for every protocol that is spoken on one.
//!
//! [`handshake::accept`] answers the request, [`upgraded`](crate::http::stream::upgraded) waits for the
//! connection, and a [`WebSocket`] on it reads messages within [`Limits`] and writes texts. tungstenite
//! puts messages together; the [`guard`] beneath it sees each frame as it arrives, and [`frames`]
//! writes beside it.

pub(crate) mod frames;
pub(crate) mod guard;
pub(crate) mod handshake;
pub(crate) mod header;
pub(crate) mod socket;
