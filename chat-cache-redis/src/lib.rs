#![doc = include_str!("../README.md")]

mod broker;
mod cache;
mod client;
mod error;
mod history;
mod keys;
mod presence;
mod rate;
mod servers;
mod url;

pub use broker::RedisBroker;
pub use cache::RedisCache;
pub use client::PATIENCE;
