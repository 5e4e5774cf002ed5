//! A decorator that makes the calls of a backend fail according to a script.

use std::sync::{Arc, atomic::AtomicBool};

use super::script::Script;

/// A store, cache, broker, moderator or transport in front of the one that does the work, `inner`.
/// A script decides on each call, counts the calls, and lets a test wait for one.
///
/// It implements the same port as `inner`. Clones share the script and the hooks.
///
/// ```
/// use chat_core::{
///     ChatEngine, ErrorCode, UserId,
///     memory::MemoryStore,
///     testing::{Fault, Faulty, Method},
/// };
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let store = Faulty::new(MemoryStore::default());
/// let engine = ChatEngine::builder().store(store.clone()).build()?;
/// let alice = engine.actor(UserId::new("alice")?);
/// let room = alice.open(&UserId::new("bob")?).await?.room.id;
///
/// store.script.next(Method::APPEND, Fault::LoseAnswer);
/// let error = alice.send(&room, "hello?").await.unwrap_err();
/// assert_eq!(error.code(), ErrorCode::OutcomeUnknown);
/// assert_eq!(store.script.calls(Method::APPEND), 1);
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Default)]
pub struct Faulty<T, H = ()> {
    /// The backend that does the work. The script doesn't affect or count calls made here.
    pub inner: T,
    /// The script that decides on each call.
    pub script: Script,
    /// The hooks that alter calls which the script lets pass.
    pub hooks: Arc<H>,
    /// Hints were lost, and [`Delivery::Lagged`](crate::port::Delivery::Lagged) has not been given yet.
    pub(super) lagged: Arc<AtomicBool>,
}

impl<T> Faulty<T> {
    /// Puts a new script, which lets every call pass, in front of `inner`.
    pub fn new(inner: T) -> Self {
        Self::scripted(inner, &Script::default())
    }

    /// Puts `inner` behind a script that other backends share.
    pub fn scripted(inner: T, script: &Script) -> Self {
        Self {
            inner,
            script: script.clone(),
            hooks: Arc::default(),
            lagged: Arc::default(),
        }
    }

    /// Sends the calls that the script lets pass through these hooks.
    #[must_use]
    pub fn hooked<H>(self, hooks: Arc<H>) -> Faulty<T, H> {
        Faulty {
            inner: self.inner,
            script: self.script,
            hooks,
            lagged: self.lagged,
        }
    }
}

impl<T: Clone, H> Clone for Faulty<T, H> {
    fn clone(&self) -> Self {
        Self {
            inner: self.inner.clone(),
            script: self.script.clone(),
            hooks: Arc::clone(&self.hooks),
            lagged: Arc::clone(&self.lagged),
        }
    }
}
