//! The way out to one connected device.

use std::{fmt, sync::Arc};

use crate::wire::{CloseReason, Frame};

/// The reason why a frame was not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TrySendError {
    /// There is no room for it: the consumer is too slow.
    #[error("the outbox is full")]
    Full,
    /// The connection is gone.
    #[error("the connection is closed")]
    Closed,
}

/// One connection's way out, which only writes: whoever owns the connection reads it, and gives each
/// request to [`Session::dispatch`](crate::Session::dispatch).
///
/// A panic in [`try_send`](Self::try_send) closes this device with [`CloseReason::Internal`], for it may lack
/// a frame; a panic in [`close`](Self::close) is logged. Other devices don't notice.
pub trait Transport: fmt::Debug + Send + Sync + 'static {
    /// Takes a frame to be written, without waiting; frames are written in the order taken.
    ///
    /// # Errors
    ///
    /// [`TrySendError::Full`] makes the engine close the connection as slow, unless the frame
    /// [may be dropped](Frame::is_ephemeral).
    fn try_send(&self, frame: Frame) -> Result<(), TrySendError>;

    /// Writes what was taken, then closes. Only the first call counts.
    fn close(&self, reason: CloseReason);
}

macro_rules! through {
    ($pointer:ident) => {
        impl<T: Transport + ?Sized> Transport for $pointer<T> {
            fn try_send(&self, frame: Frame) -> Result<(), TrySendError> {
                (**self).try_send(frame)
            }

            fn close(&self, reason: CloseReason) {
                (**self).close(reason);
            }
        }
    };
}

through!(Arc);
through!(Box);
