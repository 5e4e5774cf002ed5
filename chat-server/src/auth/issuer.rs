//! The keys of an identity provider, from the URL at which it publishes them (RFC 7517).
//!
//! They are fetched in the background and never by a login, so that neither a slow identity provider nor
//! invented tokens cost anybody else: every 10 minutes, at most every 30 s for a key that is unknown, and
//! with the old keys still in use while the identity provider is away.

use std::{
    fmt::{Debug, Display},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use arc_swap::ArcSwapOption;
use async_trait::async_trait;
use axum::body::Bytes;
use chat_core::metrics::Counter;
use tokio::{
    sync::Notify,
    time::{Instant, sleep, timeout},
};

use super::keys::KeySet;
use crate::files::reload::Hangup;

/// The interval at which the keys are fetched.
const REFRESH: Duration = Duration::from_mins(10);

/// The shortest interval, for a key that is unknown and after a failure.
const SHORTEST: Duration = Duration::from_secs(30);

/// The longest time for which a fetch is waited for.
const PATIENCE: Duration = Duration::from_secs(5);

/// The place at which an identity provider publishes its keys.
#[async_trait]
pub(super) trait Publisher: Debug + Display + Send + Sync {
    /// Fetches the document.
    ///
    /// # Errors
    ///
    /// The reason why there is none.
    async fn fetch(&self) -> Result<Bytes, String>;
}

/// The keys of an identity provider.
#[derive(Debug)]
pub(crate) struct Issuer {
    publisher: Box<dyn Publisher>,
    /// The age from which on the keys are not trusted any more.
    stale: Duration,
    fetched: ArcSwapOption<Fetched>,
    /// Notified when a token names an unknown key.
    missed: Notify,
    failing: AtomicBool,
    failures: Counter,
}

/// Keys, and the time at which they were fetched.
#[derive(Debug)]
struct Fetched {
    keys: Arc<KeySet>,
    at: Instant,
}

impl Issuer {
    /// The keys at this place, none of which is known yet.
    pub(super) fn new(publisher: impl Publisher + 'static, stale: Duration) -> Self {
        Self {
            publisher: Box::new(publisher),
            stale,
            fetched: ArcSwapOption::empty(),
            missed: Notify::new(),
            failing: AtomicBool::new(false),
            failures: Counter::default(),
        }
    }

    /// The keys, unless they are too old.
    pub(crate) fn current(&self) -> Option<Arc<KeySet>> {
        let fetched = self.fetched.load_full()?;
        (fetched.at.elapsed() < self.stale).then(|| Arc::clone(&fetched.keys))
    }

    /// Whether the keys are older than 30 s; then they are fetched again in the background.
    pub(crate) fn may_have_more(&self) -> bool {
        let fresh = self.is_fresh();
        if !fresh {
            self.missed.notify_one();
        }
        !fresh
    }

    fn is_fresh(&self) -> bool {
        let fetched = self.fetched.load();
        let age = fetched.as_ref().map(|fetched| fetched.at.elapsed());
        age.is_some_and(|age| age < SHORTEST)
    }

    /// Fetches the keys again and again, and at once when the process gets SIGHUP.
    pub(crate) async fn follow(&self) {
        let mut hangup = Hangup::new();
        let mut asked = false;
        loop {
            let fetched = (self.is_fresh() && !asked) || self.fetch().await;
            asked = tokio::select! {
                () = self.pause(fetched) => false,
                () = hangup.next() => true,
            };
        }
    }

    /// Waits until the keys are to be fetched again; `fetched` is the outcome of the last time.
    async fn pause(&self, fetched: bool) {
        sleep(SHORTEST).await;
        if fetched {
            // It ends at once if an unknown key was named meanwhile.
            timeout(REFRESH.saturating_sub(SHORTEST), self.missed.notified())
                .await
                .ok();
        }
    }

    /// Fetches the keys; returns `false` for a failure, which leaves the keys as they are.
    pub(crate) async fn fetch(&self) -> bool {
        let at = Instant::now();
        let fetched = timeout(PATIENCE, self.publisher.fetch()).await;
        let fetched = fetched.unwrap_or_else(|_| Err(format!("no answer within {PATIENCE:?}")));
        match fetched.and_then(|body| KeySet::published(&body)) {
            Ok(keys) => {
                let keys = Arc::new(keys);
                self.fetched.store(Some(Arc::new(Fetched { keys, at })));
                if self.failing.swap(false, Ordering::Relaxed) {
                    tracing::info!("the keys of tokens were fetched again");
                }
                true
            }
            Err(why) => {
                self.failures.add(1);
                self.failing.store(true, Ordering::Relaxed);
                let url = &self.publisher;
                tracing::error!(%url, why, "jwt-keys-url: the keys of tokens can't be fetched");
                false
            }
        }
    }

    pub(crate) fn fault(&self) -> Option<&'static str> {
        match (self.failing.load(Ordering::Relaxed), self.current()) {
            (_, None) => Some("the keys of tokens can't be fetched: nobody can log in"),
            (true, Some(_)) => {
                Some("the keys of tokens can't be fetched: the keys are those of before")
            }
            (false, Some(_)) => None,
        }
    }

    pub(crate) fn failures(&self) -> &Counter {
        &self.failures
    }
}

#[cfg(test)]
mod tests {
    use std::{
        fmt,
        sync::{Mutex, atomic::AtomicUsize},
    };

    use base64::prelude::{BASE64_URL_SAFE_NO_PAD, Engine as _};
    use serde_json::json;
    use tokio::time::advance;

    use super::*;

    /// An identity provider that publishes these keys, or is away.
    #[derive(Debug, Clone, Default)]
    struct Provider(Arc<Published>);

    #[derive(Debug, Default)]
    struct Published {
        kids: Mutex<Option<Vec<&'static str>>>,
        fetched: AtomicUsize,
    }

    impl Provider {
        fn publish(&self, kids: &[&'static str]) {
            *self.0.kids.lock().unwrap() = Some(kids.to_vec());
        }

        fn go_away(&self) {
            *self.0.kids.lock().unwrap() = None;
        }

        fn fetched(&self) -> usize {
            self.0.fetched.load(Ordering::SeqCst)
        }
    }

    impl Display for Provider {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("https://login.example/keys")
        }
    }

    #[async_trait]
    impl Publisher for Provider {
        async fn fetch(&self) -> Result<Bytes, String> {
            self.0.fetched.fetch_add(1, Ordering::SeqCst);
            let kids = self.0.kids.lock().unwrap().clone().ok_or("away")?;
            let x = BASE64_URL_SAFE_NO_PAD.encode([7; 32]);
            let key =
                |kid| json!({ "kty": "OKP", "crv": "Ed25519", "alg": "EdDSA", "kid": kid, "x": x });
            let keys: Vec<_> = kids.into_iter().map(key).collect();
            Ok(json!({ "keys": keys }).to_string().into())
        }
    }

    /// An issuer whose keys are followed, at the time of its first fetch.
    async fn follow(provider: &Provider) -> Arc<Issuer> {
        let issuer = Arc::new(Issuer::new(provider.clone(), Duration::from_hours(24)));
        let following = Arc::clone(&issuer);
        tokio::spawn(async move { following.follow().await });
        settle().await;
        issuer
    }

    /// Lets the other task of the test run until it waits.
    async fn settle() {
        for _ in 0..10 {
            tokio::task::yield_now().await;
        }
    }

    /// Moves the time on, in steps of a second, or of ten for hours.
    async fn pass(time: Duration) {
        let step = if time < Duration::from_hours(1) {
            1
        } else {
            10
        };
        for _ in 0..time.as_secs() / step {
            advance(Duration::from_secs(step)).await;
            settle().await;
        }
    }

    fn has(issuer: &Issuer, kid: &str) -> bool {
        issuer
            .current()
            .is_some_and(|keys| keys.find(Some(kid)).is_some())
    }

    #[tokio::test(start_paused = true)]
    async fn keys_are_fetched_every_ten_minutes() {
        let provider = Provider::default();
        provider.publish(&["one"]);
        let issuer = follow(&provider).await;
        assert!(has(&issuer, "one"));
        provider.publish(&["one", "two"]);
        pass(REFRESH.saturating_sub(Duration::from_secs(1))).await;
        assert_eq!((provider.fetched(), has(&issuer, "two")), (1, false));
        pass(Duration::from_secs(1)).await;
        assert_eq!((provider.fetched(), has(&issuer, "two")), (2, true));
        assert_eq!((issuer.fault(), issuer.failures().get()), (None, 0));
    }

    #[tokio::test(start_paused = true)]
    async fn unknown_keys_cause_one_fetch_in_thirty_seconds() {
        let provider = Provider::default();
        provider.publish(&["one"]);
        let issuer = follow(&provider).await;
        // The set is as new as it can be, so such a key does not exist.
        assert!(!issuer.may_have_more());
        pass(SHORTEST).await;
        assert_eq!(provider.fetched(), 1);
        for _ in 0..10_000 {
            assert!(issuer.may_have_more());
        }
        settle().await;
        assert_eq!(provider.fetched(), 2);
        for second in 1..30 {
            pass(Duration::from_secs(1)).await;
            assert!(!issuer.may_have_more(), "{second}");
        }
        assert_eq!(provider.fetched(), 2);
    }

    #[tokio::test(start_paused = true)]
    async fn old_keys_serve_for_a_day_while_the_issuer_is_away() {
        let provider = Provider::default();
        provider.publish(&["one"]);
        let issuer = follow(&provider).await;
        provider.go_away();
        pass(Duration::from_hours(23)).await;
        assert!(has(&issuer, "one"));
        assert!(issuer.may_have_more());
        assert!(issuer.failures().get() > 100);
        assert!(issuer.fault().unwrap().contains("those of before"));
        pass(Duration::from_hours(1)).await;
        assert!(issuer.current().is_none());
        assert!(issuer.fault().unwrap().contains("nobody can log in"));
        // It is looked for again every 30 s.
        provider.publish(&["two"]);
        pass(SHORTEST).await;
        assert!(has(&issuer, "two"));
        assert_eq!(issuer.fault(), None);
    }

    #[tokio::test(start_paused = true)]
    async fn an_issuer_that_hangs_is_given_up_after_five_seconds() {
        #[derive(Debug)]
        struct Hanging;

        impl Display for Hanging {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("https://login.example/keys")
            }
        }

        #[async_trait]
        impl Publisher for Hanging {
            async fn fetch(&self) -> Result<Bytes, String> {
                std::future::pending().await
            }
        }

        let issuer = Issuer::new(Hanging, Duration::from_hours(24));
        let began = Instant::now();
        assert!(!issuer.fetch().await);
        assert_eq!(began.elapsed(), PATIENCE);
    }
}
