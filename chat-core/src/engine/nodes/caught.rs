//! A broker whose panics are failures, for the engine to make up for.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;

use crate::port::{
    BackendError, Broker, Delivery, Hint, Retry, Topic,
    panics::{Panicked, caught_async},
};

/// How soon a broker that panicked is listened to again.
const AGAIN: Duration = Duration::from_secs(1);

/// Passes each call on to the broker.
#[derive(Debug)]
pub(crate) struct CaughtBroker(pub(crate) Arc<dyn Broker>);

/// Hints are repeated until the broker takes them, and a topic can be listened to twice.
fn failed(operation: &'static str) -> impl Fn(Panicked) -> Result<(), BackendError> {
    move |panic| Err(panic.into_error("engine", Retry::IfIdempotent, operation))
}

#[async_trait]
impl Broker for CaughtBroker {
    async fn publish(&self, topic: &Topic, hint: &Hint) -> Result<(), BackendError> {
        let call = caught_async(async { self.0.publish(topic, hint).await });
        call.await.unwrap_or_else(failed("publish"))
    }

    async fn subscribe(&self, topic: &Topic) -> Result<(), BackendError> {
        let call = caught_async(async { self.0.subscribe(topic).await });
        call.await.unwrap_or_else(failed("subscribe"))
    }

    async fn unsubscribe(&self, topic: &Topic) -> Result<(), BackendError> {
        let call = caught_async(async { self.0.unsubscribe(topic).await });
        call.await.unwrap_or_else(failed("unsubscribe"))
    }

    /// Any hint may be lost with a panic, which is what [`Delivery::Lagged`] says.
    async fn next(&self) -> Delivery {
        match caught_async(async { self.0.next().await }).await {
            Ok(delivery) => delivery,
            Err(panic) => {
                tracing::error!(%panic, "the broker failed to give the next hint");
                tokio::time::sleep(AGAIN).await;
                Delivery::Lagged
            }
        }
    }
}
