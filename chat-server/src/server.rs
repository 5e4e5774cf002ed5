//! The server: an engine and its protocols, as routes for another service or on a listener of its own.

use std::{future::Future, io, sync::Arc, time::Duration};

use axum::{Router, middleware};
use chat_core::{ChatEngine, port::Authenticator};
use tokio::time::{Instant, timeout_at};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{
    admin::{self, Admin, audit_file::AuditFile, failed_logins},
    auth::failures::Failures,
    auth::keyring::Keyring,
    config::Settings,
    http::{
        accept::accept, app::App, auth::Login, connections::Connections, listener::Listener,
        requests::Requests, router, sessions::Sessions, tls,
    },
};

/// An engine that is served by the native WebSocket protocol, REST and Socket.IO.
///
/// Either [`serve`](Self::serve) it on a [`Listener`], or nest its [`router`](Self::router) in a service of
/// your own and [`stop`](Self::stop) it when that one stops. A clone is the same server.
#[derive(Debug, Clone)]
pub struct Server {
    app: App,
    admin: Option<Admin>,
    /// The file of the record, if there is to be one.
    audit: Option<Arc<AuditFile>>,
}

/// Collects what a [`Server`] is made of.
#[derive(Debug)]
#[must_use]
pub struct Builder {
    engine: ChatEngine,
    login: Login,
    keys: Option<Arc<Keyring>>,
    admin: Option<Admin>,
    audit: Option<Arc<AuditFile>>,
    settings: Settings,
}

impl Builder {
    /// How users log in, on every protocol: by the token of the native `hello`, by the bearer token of a
    /// request, and by the string of Socket.IO's `set-username`. Default: an open login, in which the token is
    /// the user's name.
    ///
    /// With an authenticator, `GET /lastmessages` wants a bearer token too, which has to be one of the two
    /// users. An authenticator that panics, or gives no answer within 2 s, costs the login that asked.
    pub fn authenticator(mut self, authenticator: impl Authenticator) -> Self {
        self.login = Login::checked(authenticator);
        self
    }

    /// How users log in, and the keys that this needs.
    pub(crate) fn login(mut self, login: Login, keys: Option<Arc<Keyring>>) -> Self {
        self.login = login;
        self.keys = keys;
        self
    }

    /// A listener for administration, which [`serve`](Server::serve) serves beside the one for users: an HTTP
    /// API with its OpenAPI document at `/openapi.json`. Default: none.
    ///
    /// It admits users of the rank [`Admin`](chat_core::Rank::Admin), as the
    /// [authenticator](Self::authenticator) says; with an open login it admits nobody. Keep it on a loopback
    /// address or a Unix socket: it speaks no TLS.
    pub fn admin(mut self, listener: impl Into<Listener>) -> Self {
        self.admin = Some(Admin {
            listener: Arc::new(listener.into()),
            token: None,
        });
        self
    }

    /// The administration that the settings describe, and the file of the record.
    pub(crate) fn administration(mut self, admin: Option<Admin>, audit: Option<AuditFile>) -> Self {
        self.admin = admin;
        self.audit = audit.map(Arc::new);
        self
    }

    /// The settings of the protocols. Default `Settings::default()`.
    ///
    /// Those that are the engine's, such as `rate-limit`, `store` and `cache`, and those that are the
    /// listener's, such as `listen` and `tls-cert-file`, are not looked at: [`Settings::engine`] gives the
    /// former to an engine, and [`start`](crate::start::start) makes an engine and a listener from all.
    pub fn settings(mut self, settings: Settings) -> Self {
        self.settings = settings;
        self
    }

    /// The server, which does nothing yet.
    #[must_use]
    pub fn build(self) -> Server {
        let metrics = Arc::default();
        Server {
            admin: self.admin,
            audit: self.audit,
            app: App {
                engine: self.engine,
                login: self.login,
                keys: self.keys,
                tls: None,
                sessions: Sessions::new(&self.settings, Arc::clone(&metrics)),
                requests: Arc::new(Requests::new(&self.settings)),
                settings: Arc::new(self.settings),
                address: None,
                tasks: TaskTracker::new(),
                stop: CancellationToken::new(),
                drained: CancellationToken::new(),
                metrics,
            },
        }
    }
}

impl Server {
    /// A server of this engine.
    pub fn builder(engine: ChatEngine) -> Builder {
        Builder {
            engine,
            login: Login::Open,
            keys: None,
            admin: None,
            audit: None,
            settings: Settings::default(),
        }
    }

    /// All routes, to nest in a service of your own: beneath `/chat` the native protocol is at `/chat/v1/ws`,
    /// REST at `/chat/v1/...`, Socket.IO at `/chat/socket.io/` and, unless the setting `web` is off, the web page
    /// at `/chat/app`. Call it once, inside a tokio runtime.
    ///
    /// The limits of a [`Listener`] of this crate don't hold there, for connections belong to the service
    /// around: `connections`, `header-timeout`, `keep-alive`, `header-bytes` and, for the addresses of clients
    /// are not known here, those of an address such as `connections-per-ip` and `requests-per-ip`.
    /// `write-timeout` holds from the upgrade to a WebSocket on. Nor does `GET /metrics` count connections.
    /// And what can reach the service, and by which name, is not known here: `cors-origin` `auto` allows no
    /// web page of any origin, so name the origins, and `allowed-host` `auto` allows every host.
    ///
    /// `GET /metrics` and, with an open login, everything else is there for whoever can reach the routes.
    pub fn router(&self) -> Router {
        router::router(self.app.clone())
    }

    /// Serves on a listener until `shutdown`, then [stops](Self::stop).
    ///
    /// # Errors
    ///
    /// When the listener has no address.
    ///
    /// # Cancel safety
    ///
    /// A dropped call accepts no more, and asks the connections that are there to end.
    pub async fn serve(
        self,
        listener: impl Into<Listener>,
        shutdown: impl Future<Output = ()>,
    ) -> io::Result<()> {
        let listener = Arc::new(listener.into());
        let app = App {
            address: Some(listener.address()?),
            tls: listener.tls().cloned(),
            ..self.app.clone()
        };
        let _dropped = app.stop.clone().drop_guard();
        if let Some(keys) = self.app.keys.clone() {
            let stop = app.stop.clone();
            tokio::spawn(async move { stop.run_until_cancelled(keys.follow()).await });
        }
        if let Some(tls) = listener.tls().cloned() {
            let stop = app.stop.clone();
            tokio::spawn(async move { stop.run_until_cancelled(tls.reloading.follow()).await });
        }
        // Of logins to the administration.
        let failures = Arc::<Failures>::default();
        if let Some(Admin { listener, token }) = self.admin.clone() {
            if let Some(token) = token.clone() {
                let stop = app.stop.clone();
                tokio::spawn(async move {
                    stop.run_until_cancelled(token.reloading.follow()).await;
                });
            }
            let failures = Arc::clone(&failures);
            let router = admin::router::router(app.clone(), token, failures);
            open(&app, listener, router);
        }
        let failures = app.login.failures().into_iter().chain([failures]).collect();
        let (engine, stop) = (app.engine.clone(), app.stop.clone());
        app.tasks
            .spawn(failed_logins::record(engine, failures, stop));
        if let Some(audit) = self.audit.clone() {
            let (engine, stop) = (app.engine.clone(), app.stop.clone());
            app.tasks
                .spawn(async move { audit.follow(engine, stop).await });
        }
        open(&app, listener, router::router(app.clone()));
        shutdown.await;
        self.stop().await;
        Ok(())
    }

    /// Stops: takes no more commands, closes all connections so that their clients come back, drains the
    /// engine, and returns when what was accepted is stored and written.
    ///
    /// It takes at most [`drain_timeout`](Settings::drain_timeout) and a second. A service around the
    /// [`router`](Self::router) calls it when it stops, for it doesn't know of upgraded connections.
    pub async fn stop(&self) {
        /// For closing handshakes that are under way when the time is up.
        const GRACE: Duration = Duration::from_secs(1);
        let App {
            engine,
            settings,
            tasks,
            stop,
            drained,
            ..
        } = &self.app;
        tracing::info!("stopping");
        let deadline = Instant::now() + settings.drain_timeout + GRACE;
        stop.cancel();
        engine.drain(settings.drain_timeout).await;
        drained.cancel();
        tasks.close();
        if timeout_at(deadline, tasks.wait()).await.is_err() {
            tracing::warn!(open = tasks.len(), "some connections did not end in time");
        }
    }
}

/// Serves these routes on a listener until the server stops.
fn open(app: &App, listener: Arc<Listener>, mut router: Router) {
    if listener.tls().is_some() {
        router = router.layer(middleware::map_response(tls::be_strict));
    }
    let connections = Connections::new(&app.settings, Arc::clone(&app.metrics));
    app.tasks.spawn(accept(
        listener,
        router,
        connections,
        Arc::clone(&app.settings),
        app.tasks.clone(),
        app.stop.clone(),
    ));
}
