//! An act: what the engine does for one command, and the way to its answer.

use std::{marker::PhantomData, sync::Arc};

use super::session::Session;
use crate::{
    engine::deliver::device::Device,
    wire::{Answer, Ask, Error},
};

/// Carries out one command of the table.
pub(crate) trait Act: Ask {
    /// Carries out the command for a session, and gives the answer, at once or later.
    async fn act(self, by: &Session, answer: Answering<Self>);
}

/// The way of one command's answer to the device that sent the command.
#[derive(Debug)]
pub(crate) struct Answering<C> {
    device: Arc<Device>,
    id: u64,
    command: PhantomData<fn() -> C>,
}

impl<C: Ask> Answering<C> {
    /// The answer to command `id` of this device.
    pub(crate) fn new(device: Arc<Device>, id: u64) -> Self {
        Self {
            device,
            id,
            command: PhantomData,
        }
    }

    /// Sends the answer.
    pub(crate) fn give(self, result: Result<C::Reply, Error>) {
        let answer = Answer::new(self.id, result.map(Into::into));
        self.device.send(answer.into());
    }
}
