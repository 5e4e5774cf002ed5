//! Moderation: what may be said.
