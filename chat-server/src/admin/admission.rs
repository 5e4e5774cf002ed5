//! Admission to the administration: by its own token, or by the login of a user of the rank admin.

use std::{net::IpAddr, sync::Arc};

use axum::{
    extract::{FromRequestParts as _, Request, State},
    http::{Method, StatusCode, header, request::Parts},
    middleware::Next,
    response::{IntoResponse as _, Response},
};
use chat_core::{
    Error, Rank, UserId,
    port::{AuthError, Via},
};

use super::token::{AdminToken, SHORTEST};
use crate::{
    auth::failures::Failures,
    http::{
        app::App,
        auth::{Login, bearer},
        connections::network,
        failure::Failure,
        known,
        peer::Address,
    },
};

/// The answer to users who have logged in.
const NOT_ENOUGH: Error = Error::Forbidden("this takes the rank of an administrator");

/// The name under which the token of the administration acts.
const NAME: &str = "admin";

/// An administrator, as the token of a request proves.
#[derive(Debug, Clone)]
pub(super) struct Administrator {
    /// The name on record.
    pub(super) user: UserId,
    /// The address of the request.
    pub(super) address: Option<IpAddr>,
}

/// The parts that decide on admission.
#[derive(Debug, Clone)]
pub(super) struct Admission {
    pub(super) app: App,
    pub(super) token: Option<Arc<AdminToken>>,
    pub(super) failures: Arc<Failures>,
}

/// Refuses requests that are not an administrator's, whatever their address.
pub(super) async fn admit(
    State(admission): State<Admission>,
    request: Request,
    next: Next,
) -> Response {
    let (mut parts, body) = request.into_parts();
    if parts.headers.contains_key(header::ORIGIN) {
        let why = "web pages may not use the administration";
        return Failure::new(StatusCode::FORBIDDEN, why).into_response();
    }
    let Ok(address) = Address::from_request_parts(&mut parts, &()).await;
    match admission.check(&parts, address).await {
        Ok(user) => {
            known::note_user(&user);
            let Address(address) = address;
            parts.extensions.insert(Administrator { user, address });
            next.run(Request::from_parts(parts, body)).await
        }
        Err(refusal) => Failure::from(refusal).into_response(),
    }
}

impl Admission {
    async fn check(&self, request: &Parts, Address(from): Address) -> Result<UserId, Error> {
        let headers = &request.headers;
        let presented = bearer(headers).map_err(|why| Error::Unauthenticated(why.to_owned()))?;
        // Before the limit on failed logins, or anybody at the same address could lock the administrators out.
        // A token of this length isn't guessed.
        if self.token.as_ref().is_some_and(|token| token.is(presented)) {
            return Ok(UserId::new(NAME)?);
        }
        let Login::Open = self.app.login else {
            let App { engine, login, .. } = &self.app;
            let principal = login.bearer(engine, headers, Via::Admin, from).await?;
            let scopes = principal.scopes;
            let allowed = if request.method == Method::GET {
                scopes.read
            } else {
                scopes.manage
            };
            return match principal.rank {
                Rank::Admin if allowed => Ok(principal.user.clone()),
                Rank::Admin => Err(Error::Forbidden("your token is not for this")),
                Rank::User | Rank::Moderator => Err(NOT_ENOUGH),
            };
        };
        // Where names are tokens, a text that is too short for a token of ours is the name of a user.
        if presented.len() < SHORTEST {
            return Err(NOT_ENOUGH);
        }
        let address = from.map(network);
        self.failures.count(address, 1);
        if let Some(address) = address {
            if let Some(retry_after) = self.failures.wait(address) {
                return Err(Error::RateLimited {
                    retry_after,
                    muted_for: None,
                });
            }
            self.failures.note(address);
        }
        Err(AuthError::Invalid.into())
    }
}
