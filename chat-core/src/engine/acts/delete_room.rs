//! Deleting rooms, for administrators.

use crate::{
    engine::{parts::Parts, state::rooms::LiveRoom},
    model::RoomId,
    port::Hint,
    wire::Error,
};

/// Carries out [`ChatEngine::delete_room`](crate::ChatEngine::delete_room).
pub(crate) async fn delete_room(parts: &Parts, room: &RoomId) -> Result<(), Error> {
    let live = parts.directory.room(room).await?.ok_or(Error::NoRoom)?;
    delete(parts, &live).await
}

/// Deletes a room here and on all nodes.
pub(crate) async fn delete(parts: &Parts, room: &LiveRoom) -> Result<(), Error> {
    // What is accepted already is deleted as well.
    parts.queue.flush().await;
    parts.directory.delete(room).await?;
    let hint = || Hint::Deleted {
        room: room.id.clone(),
    };
    parts.hints.to_members(room, hint);
    parts.cache.forget_room(&room.id).await?;
    Ok(())
}
