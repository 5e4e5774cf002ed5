//! The settings of a client, and its start.

use std::{sync::Arc, time::Duration};

use chat_core::{IdGen, RandomIds};
use rand::{SeedableRng as _, rngs::StdRng};

use super::{
    events::{self, Events},
    handle::Client,
    marks::Marks,
    task::Task,
};
use crate::{backoff::Backoff, error::ClientError, url};

/// How a client is to be; see [`Client::builder`].
#[derive(Debug)]
pub struct ClientBuilder {
    url: String,
    token: String,
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

    /// Makes the random waits the same in every run, for tests.
    #[must_use]
    pub fn seed(mut self, seed: u64) -> Self {
        self.seed = Some(seed);
        self
    }

    /// Where client message ids come from. Default: [`RandomIds`].
    #[must_use]
    pub fn ids(mut self, ids: Arc<dyn IdGen>) -> Self {
        self.ids = ids;
        self
    }

    /// Starts the client's task, which connects by itself. Needs a tokio runtime with time and io.
    ///
    /// # Errors
    ///
    /// [`ClientError::Url`] when the address can't be one.
    pub fn connect(self) -> Result<(Client, Events), ClientError> {
        let url = url::websocket(&self.url)?;
        let rng = self
            .seed
            .map_or_else(|| StdRng::from_rng(&mut rand::rng()), StdRng::seed_from_u64);
        let backoff = Backoff::new(self.base, self.cap, rng);
        let (sender, events) = events::channel();
        let marks = Arc::new(Marks::default());
        let (client, ops) = Client::new(Arc::clone(&marks), self.ids, events.end());
        let task = Task::new(url, self.token, ops, sender, marks, backoff);
        tokio::spawn(task.run());
        Ok((client, events))
    }
}

impl Client {
    /// Starts a client of the server at `url` for the user that `token` stands for.
    ///
    /// `url` begins with `http://` or `ws://` (TLS is not supported). With open authentication the
    /// token is the user's name. Returns at once; [`ClientEvent::Connected`](crate::ClientEvent::Connected) or
    /// [`Ended`](crate::ClientEvent::Ended) tells what came of it.
    ///
    /// # Errors
    ///
    /// [`ClientError::Url`] when the address can't be one.
    pub fn connect(
        url: impl Into<String>,
        token: impl Into<String>,
    ) -> Result<(Self, Events), ClientError> {
        Self::builder(url, token).connect()
    }

    /// The same with other settings.
    pub fn builder(url: impl Into<String>, token: impl Into<String>) -> ClientBuilder {
        ClientBuilder {
            url: url.into(),
            token: token.into(),
            base: Duration::from_millis(500),
            cap: Duration::from_secs(30),
            seed: None,
            ids: Arc::new(RandomIds),
        }
    }
}
