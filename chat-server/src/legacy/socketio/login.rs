//! How a client says who it is: by a token with the handshake or when it connects, or by `set-username`.
//!
//! The stock clients know only `set-username`. Unless logins are open, its string is the token. If the client
//! has sent a token already, it is the user's name instead, and has to be that of the token.

use std::{
    future::{Future, ready},
    net::IpAddr,
    sync::Arc,
};

use chat_core::{
    Error, ErrorBody, Principal, SessionOrigin, UserId,
    port::{Secret, Via},
};
use futures_util::future::Either;
use serde::Deserialize;
use serde_json::json;

use super::{
    engine_packet::Encoded,
    packet::{MAIN, Packet},
};
use crate::{
    auth::{
        expiry::{Due, Expiry},
        renewals::Renewals,
    },
    http::app::App,
};

/// What a client has proved, and until when.
pub(super) struct Login {
    app: App,
    from: Option<IpAddr>,
    /// Proved by the handshake, for as long as the session lives.
    of_handshake: Option<Arc<Principal>>,
    /// Proved when the client connected to the namespace, until it leaves.
    of_connect: Option<Arc<Principal>>,
    expiry: Expiry,
    renewals: Renewals,
}

impl Login {
    pub(super) fn new(
        app: App,
        of_handshake: Option<Arc<Principal>>,
        from: Option<IpAddr>,
    ) -> Self {
        Self {
            app,
            from,
            of_handshake,
            of_connect: None,
            expiry: Expiry::default(),
            renewals: Renewals::default(),
        }
    }

    pub(super) fn is_open(&self) -> bool {
        self.app.login.is_open()
    }

    /// Whether connecting with this token, or with none, proves the client's user.
    pub(super) fn is_proved_by(&self, token: Option<&Secret>) -> bool {
        !self.is_open() && (token.is_some() || self.of_handshake.is_some())
    }

    /// Who the client is, if it has proved that when it connected. Open logins ignore a token, as the old
    /// server did.
    pub(super) fn enter(
        &mut self,
        token: Option<Secret>,
    ) -> impl Future<Output = Result<Option<Arc<Principal>>, Error>> + Send + use<> {
        let known = self.of_handshake.clone();
        let token = token.filter(|_| !self.is_open());
        let proved = token.map(|token| self.proved(token));
        let engine = self.app.engine.clone();
        async move {
            let Some(proved) = proved else {
                if let Some(known) = &known {
                    engine.admit(known).await?;
                }
                return Ok(known);
            };
            let principal = proved.await?;
            if known.is_some_and(|known| known.user != principal.user) {
                return Err(Error::Forbidden("the two tokens are of different users"));
            }
            Ok(Some(principal))
        }
    }

    /// The client has entered the namespace as this user.
    pub(super) fn entered(&mut self, principal: &Arc<Principal>) {
        self.of_connect = Some(Arc::clone(principal));
    }

    /// Forgets the login of the namespace, which the client has left.
    pub(super) fn left(&mut self) {
        self.of_connect = None;
        self.expiry = Expiry::default();
    }

    /// Identifies the client by the string of `set-username`.
    ///
    /// # Errors
    ///
    /// A name other than that of the earlier token.
    pub(super) fn name(
        &self,
        name: String,
    ) -> Result<impl Future<Output = Result<Arc<Principal>, Error>> + Send + use<>, Error> {
        let Some(known) = self.of_connect.as_ref().or(self.of_handshake.as_ref()) else {
            return Ok(Either::Right(self.proved(Secret::from(name.into_bytes()))));
        };
        if UserId::new(&name)? != known.user {
            return Err(Error::Forbidden("your token belongs to another user"));
        }
        Ok(Either::Left(ready(Ok(Arc::clone(known)))))
    }

    /// The newer login that `renew` asks for.
    ///
    /// # Errors
    ///
    /// [`Error::RateLimited`] less than 10 s after the previous renewal.
    pub(super) fn renew(
        &mut self,
        token: String,
    ) -> Result<impl Future<Output = Result<Arc<Principal>, Error>> + Send + use<>, Error> {
        self.renewals.begin()?;
        let token = Secret::from(token.into_bytes());
        let (login, engine, from) = (self.app.login.clone(), self.app.engine.clone(), self.from);
        Ok(async move { login.renewed(&engine, &token, Via::SocketIo, from).await })
    }

    fn proved(
        &self,
        token: Secret,
    ) -> impl Future<Output = Result<Arc<Principal>, Error>> + Send + use<> {
        let (login, engine, from) = (self.app.login.clone(), self.app.engine.clone(), self.from);
        async move { login.principal(&engine, &token, Via::SocketIo, from).await }
    }

    /// The way by which the client came.
    pub(super) fn origin(&self) -> SessionOrigin {
        SessionOrigin {
            via: Via::SocketIo,
            address: self.from,
        }
    }

    /// The client acts by this login from now on.
    pub(super) fn begin(&mut self, principal: &Principal) {
        self.expiry = Expiry::new(principal, self.app.engine.clock().now());
    }

    /// Whether the login has ended.
    pub(super) fn is_over(&self) -> bool {
        self.expiry.is_over(&**self.app.engine.clock())
    }

    /// Waits for the end of the login, or the moment to warn of it.
    ///
    /// # Cancel safety
    ///
    /// A dropped call has lost nothing.
    pub(super) async fn due(&mut self) -> Due {
        self.expiry.due(&**self.app.engine.clock()).await
    }
}

/// The token in the data of a packet that connects: `{"token":"..."}`.
pub(super) fn token(data: Option<&str>) -> Option<Secret> {
    #[derive(Deserialize)]
    struct Auth {
        token: String,
    }
    let Auth { token } = serde_json::from_str(data?).ok()?;
    Some(Secret::from(token.into_bytes()))
}

/// The packet that keeps a client out of the namespace.
pub(super) fn refusal(error: &Error) -> Encoded {
    let body = ErrorBody::from(error);
    let data = json!({ "message": body.name, "data": body }).to_string();
    let refused = Packet::ConnectError {
        namespace: MAIN,
        data: &data,
    };
    refused.encode().into()
}
