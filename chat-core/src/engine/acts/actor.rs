//! The actor: a user as the one who acts. Each use case of an actor has a file beside this one.

use std::sync::Arc;

use crate::{
    engine::parts::Parts,
    model::{Principal, SessionId, UserId, Via},
    wire::Error,
};

/// A user as the one who acts, with or without a connection.
///
/// A [`Session`](crate::Session) is an actor with a connection.
#[derive(Debug, Clone)]
pub struct Actor {
    pub(crate) parts: Arc<Parts>,
    pub(crate) principal: Arc<Principal>,
    pub(crate) via: Via,
    /// The session that acts, of an actor with a connection.
    pub(crate) session: Option<SessionId>,
}

impl Actor {
    /// The user who acts.
    pub fn user(&self) -> &UserId {
        &self.principal.user
    }

    /// The actor with the way by which the user comes, for the record of decisions. Default: this process.
    #[must_use]
    pub fn coming_by(self, via: Via) -> Self {
        Self { via, ..self }
    }

    /// The user with what the login allows, and until when.
    pub fn principal(&self) -> &Arc<Principal> {
        &self.principal
    }

    /// The host of the engine, for what no user does: `system` in the log.
    pub(super) fn system(parts: &Arc<Parts>) -> Result<Self, Error> {
        Ok(Self::host(parts, UserId::new("system")?, Via::Host))
    }

    /// Somebody for whom the host of the engine vouches.
    pub(super) fn host(parts: &Arc<Parts>, user: UserId, via: Via) -> Self {
        Self {
            parts: Arc::clone(parts),
            principal: Arc::new(Principal::trusted(user)),
            via,
            session: None,
        }
    }

    /// Carries out steps that belong together, also when the caller goes away after the first: a use of an
    /// invitation is taken and the user comes in, a user is banned and removed.
    pub(super) async fn to_the_end<T, S>(&self, steps: impl FnOnce(Self) -> S) -> Result<T, Error>
    where
        T: Send + 'static,
        S: Future<Output = Result<T, Error>> + Send + 'static,
    {
        match tokio::spawn(steps(self.clone())).await {
            Ok(done) => done,
            Err(stopped) => match stopped.try_into_panic() {
                Ok(panic) => std::panic::resume_unwind(panic),
                Err(_) => Err(Error::ShuttingDown),
            },
        }
    }
}
