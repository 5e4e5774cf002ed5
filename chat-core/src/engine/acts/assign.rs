//! Giving members of groups another role, for administrators.

use std::sync::Arc;

use super::actor::Actor;
use crate::{
    engine::parts::Parts,
    model::{ClientMessageId, EntryBody, Role, RoomId, UserId, Via},
    wire::{Error, Sent},
};

/// Carries out [`ChatEngine::assign`](crate::ChatEngine::assign).
pub(crate) async fn assign(
    parts: &Arc<Parts>,
    by: UserId,
    room: &RoomId,
    user: UserId,
    role: Role,
    client_id: ClientMessageId,
) -> Result<Sent, Error> {
    let live = match room.pair() {
        Some(_) => None,
        None => parts.directory.room(room).await?,
    };
    let live = live.ok_or(Error::NoRoom)?;
    let actor = Actor::host(parts, by, Via::Admin);
    let body = EntryBody::Role { user, role };
    actor.append(live, body, None, Some(client_id)).await
}
