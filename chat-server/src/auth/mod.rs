//! Logins that prove who somebody is, and their end.

pub(crate) mod expiry;
