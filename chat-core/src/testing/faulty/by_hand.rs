//! The two methods that the table of ports can't express: [`Broker::next`], which returns no error,
//! and those of [`Transport`], which don't wait.

use std::{convert::Infallible, sync::atomic::Ordering, time::Duration};

use tokio::{select, time::sleep};

use super::{
    decorator::Faulty,
    ports::Hooks,
    script::{Fault, Method},
};
use crate::{
    CloseReason, Frame,
    engine::{Transport, TrySendError},
    port::{BackendErrorKind, Broker, Delivery},
};

impl<T: Broker, H: Hooks> Faulty<T, H> {
    /// [`Broker::next`], in which a node waits nearly all the time. Therefore a waiting call also
    /// follows changes of the script.
    ///
    /// [`Fault::Refuse`] gives [`Delivery::Away`] once a second, and [`Fault::LoseAnswer`] loses a
    /// hint silently; after both comes [`Delivery::Lagged`].
    pub(super) async fn hear(&self) -> Delivery {
        const SECOND: Duration = Duration::from_secs(1);
        let mut fault = self.script.take(Method::NEXT);
        loop {
            let changed = self.script.changed();
            fault = match fault {
                Fault::Pass | Fault::Yield(..) if self.lagged.swap(false, Ordering::Relaxed) => {
                    return Delivery::Lagged;
                }
                Fault::Pass | Fault::Yield(..) => select! {
                    delivery = self.hooks.next(&self.inner) => return delivery,
                    () = changed => self.script.again(Method::NEXT),
                },
                Fault::LoseAnswer => select! {
                    never = self.lose_hints() => match never {},
                    () = changed => self.script.again(Method::NEXT),
                },
                Fault::Refuse(..) => select! {
                    never = self.lose_hints() => match never {},
                    () = changed => self.script.again(Method::NEXT),
                    () = sleep(SECOND) => {
                        self.lagged.store(true, Ordering::Relaxed);
                        return Delivery::Away;
                    }
                },
                Fault::Hang => {
                    changed.await;
                    self.script.again(Method::NEXT)
                }
                Fault::Panic => panic!("next panics, as the script says"),
                Fault::After(time, then) => {
                    sleep(time).await;
                    *then
                }
                Fault::Behind(gate, then) => {
                    gate.opened().await;
                    *then
                }
            };
        }
    }

    async fn lose_hints(&self) -> Infallible {
        loop {
            self.hooks.next(&self.inner).await;
            self.lagged.store(true, Ordering::Relaxed);
        }
    }
}

impl<T: Transport, H: Hooks> Transport for Faulty<T, H> {
    fn try_send(&self, frame: Frame) -> Result<(), TrySendError> {
        match self.script.take(Method::TRY_SEND).at_once() {
            Fault::Refuse(BackendErrorKind::Full, _) => Err(TrySendError::Full),
            Fault::Refuse(..) => Err(TrySendError::Closed),
            Fault::LoseAnswer => self.inner.try_send(frame).and(Err(TrySendError::Closed)),
            Fault::Panic => panic!("try_send panics, as the script says"),
            _ => self.inner.try_send(frame),
        }
    }

    fn close(&self, reason: CloseReason) {
        match self.script.take(Method::CLOSE).at_once() {
            Fault::Refuse(..) => {}
            Fault::Panic => panic!("close panics, as the script says"),
            _ => self.inner.close(reason),
        }
    }
}
