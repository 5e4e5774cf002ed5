//! Everything that can be set.
//!
//! One table, in `settings.rs`, makes the flag `--rate-limit`, the variable `CHAT_RATE_LIMIT`, the key
//! `rate-limit` of the file and the line of `--print-config`.

mod address;
mod command;
mod exposure;
mod hosts;
mod load;
mod login;
mod origins;
mod proxies;
mod settings;
mod source;
mod value;

pub use self::{
    address::Address,
    command::{Task, TokenTask},
    exposure::{Row, Standing},
    hosts::{Allowed, Hosts, PublicUrl},
    load::{Loaded, Problem, Request, load},
    login::{Algorithm, Auth, HttpsUrl, LoginUrl, Names},
    origins::Origins,
    proxies::{Proxies, ProxyProtocol},
    settings::{Setting, Settings, TABLE},
    source::Origin,
    value::{Bytes, CacheUrl, CollectorUrl, LogFilter, LogFormat, Match, Rate, StoreUrl},
};
pub(crate) use self::{hosts::Host, origins::read as read_origin, value::without_password};
