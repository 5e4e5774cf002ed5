//! What several nodes share, on Redis: presence, rate limits, recent history, and hints
//! from node to node.
//!
//! [`RedisCache`] and [`RedisBroker`] take a URL such as `redis://user:password@host:6379`, or
//! `redis-cluster://host:7000?node=other:7000` for a cluster, with any of its nodes. Redis 7.0 or
//! newer; there is no TLS yet.
//!
//! Nothing here is the truth: all of it may be flushed at any time, and comes back by itself. A
//! command never waits longer than [`PATIENCE`], unless told to, and while Redis is away it fails at once.

mod broker;
mod cache;
mod client;
mod error;
mod history;
mod inbox;
mod keys;
mod presence;
mod rate;
mod servers;

pub use broker::RedisBroker;
pub use cache::RedisCache;
pub use client::PATIENCE;
