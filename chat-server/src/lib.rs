//! chat-server

mod legacy_time;
pub mod socketio;

pub use legacy_time::legacy_time;
