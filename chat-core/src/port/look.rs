//! The looks of names, each of which belongs to one user.

use std::fmt;

use async_trait::async_trait;

use super::BackendError;
use crate::model::{Look, UserId};

/// The users to whom the looks of names belong.
#[async_trait]
pub trait LookStore: fmt::Debug + Send + Sync + 'static {
    /// Gives a look to a user unless it belongs to one already, and answers with the user to whom it belongs.
    ///
    /// - Of several calls at once with one look, it belongs to one of their users, and all are answered so.
    /// - A look belongs to its first user for good.
    async fn claim_look(&self, look: &Look, user: &UserId) -> Result<UserId, BackendError>;
}
