//! The settings of a client, and its start.

use std::{future::Future, io, path::PathBuf, sync::Arc, time::Duration};

use chat_core::{IdGen, RandomIds};
use rand::{SeedableRng as _, rngs::StdRng};

use super::{
    dial::Dialer,
    events::{self, Events},
    handle::Client,
    marks::Marks,
    task::Task,
    token::Token,
};
use crate::{backoff::Backoff, error::ClientError, url};

/// The settings of a client; see [`Client::builder`].
#[derive(Debug)]
pub struct ClientBuilder {
    url: String,
    token: Token,
    ca: Option<PathBuf>,
    base: Duration,
    cap: Duration,
    seed: Option<u64>,
    ids: Arc<dyn IdGen>,
}

impl ClientBuilder {
    /// The ceiling of the first wait before a reconnect, which doubles with every failure, and
    /// where doubling stops. Default: 0.5 s and 30 s. A wait is random between 0 and the ceiling.
    #[must_use]
    pub fn backoff(mut self, base: Duration, cap: Duration) -> Self {
        self.base = base;
        self.cap = cap;
        self
    }

    /// Trusts only servers whose certificate leads to one in this file, in PEM form. Default: the
    /// certificate authorities on Mozilla's list, as of the release of `webpki-roots`. It matters
    /// for `https://` and `wss://` only.
    #[must_use]
    pub fn ca_file(mut self, path: impl Into<PathBuf>) -> Self {
        self.ca = Some(path.into());
        self
    }

    /// Takes a new token from `source` before each attempt to connect, instead of one for all.
    ///
    /// When the server says that the login of a connection ends soon, the client takes another token and
    /// renews the login, so that the connection goes on. A connection that the server closes because its
    /// token ran out is a lost connection, and the next one has a new token. `source` may take 30 s; an
    /// error is a failed attempt.
    #[must_use]
    pub fn token_source<F, T>(mut self, source: F) -> Self
    where
        F: Fn() -> T + Send + Sync + 'static,
        T: Future<Output = io::Result<String>> + Send + 'static,
    {
        self.token = Token::from_source(source);
        self
    }

    /// Makes the random waits the same in every run, for tests.
    #[must_use]
    pub fn seed(mut self, seed: u64) -> Self {
        self.seed = Some(seed);
        self
    }

    /// The source of client message ids. Default: [`RandomIds`].
    #[must_use]
    pub fn ids(mut self, ids: Arc<dyn IdGen>) -> Self {
        self.ids = ids;
        self
    }

    /// Starts the client's task, which connects by itself. Needs a tokio runtime with time and io.
    ///
    /// # Errors
    ///
    /// [`ClientError::Url`] when the address is not valid, and [`ClientError::Certificates`] when
    /// the file of [`ca_file`](Self::ca_file) can't be used.
    pub fn connect(self) -> Result<(Client, Events), ClientError> {
        let dialer = Dialer::new(url::parse(&self.url)?, self.ca.as_deref())?;
        let rng = self
            .seed
            .map_or_else(|| StdRng::from_rng(&mut rand::rng()), StdRng::seed_from_u64);
        let backoff = Backoff::new(self.base, self.cap, rng);
        let (sender, events) = events::channel();
        let marks = Arc::new(Marks::default());
        let (client, ops) = Client::new(Arc::clone(&marks), self.ids, events.end());
        let task = Task::new(dialer, self.token, ops, sender, marks, backoff);
        tokio::spawn(task.run());
        Ok((client, events))
    }
}

impl Client {
    /// Starts a client of the server at `url` for the user that `token` stands for.
    ///
    /// `url` begins with `http://`, `ws://`, `https://` or `wss://`; the last two use TLS. With open
    /// authentication the token is the user's name. Returns at once; [`ClientEvent::Connected`](crate::ClientEvent::Connected) or
    /// [`Ended`](crate::ClientEvent::Ended) says how the attempt went.
    ///
    /// # Errors
    ///
    /// [`ClientError::Url`] when the address is not valid.
    pub fn connect(
        url: impl Into<String>,
        token: impl Into<String>,
    ) -> Result<(Self, Events), ClientError> {
        Self::builder(url, token).connect()
    }

    /// The same as [`connect`](Self::connect), with other settings.
    pub fn builder(url: impl Into<String>, token: impl Into<String>) -> ClientBuilder {
        ClientBuilder {
            url: url.into(),
            token: Token::Fixed(token.into()),
            ca: None,
            base: Duration::from_millis(500),
            cap: Duration::from_secs(30),
            seed: None,
            ids: Arc::new(RandomIds),
        }
    }
}
