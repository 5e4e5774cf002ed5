//! Notices: what the application or an administrator says in a room.

use std::sync::Arc;

use super::actor::Actor;
use crate::{
    engine::parts::Parts,
    model::{ClientMessageId, Data, EntryBody, Notice, RoomId},
    wire::{Error, Sent},
};

/// Carries out [`ChatEngine::notice`](crate::ChatEngine::notice).
pub(crate) async fn notice(
    parts: &Arc<Parts>,
    room: &RoomId,
    text: &str,
    data: Data,
    client_id: Option<ClientMessageId>,
) -> Result<Sent, Error> {
    if !text.is_empty() || data.is_empty() {
        parts.review.check(text)?;
    }
    let live = parts.directory.room(room).await?.ok_or(Error::NoRoom)?;
    let notice = Notice {
        text: text.into(),
        data,
    };
    let body = EntryBody::Notice(Arc::new(notice));
    let system = Actor::system(parts)?;
    system.append(live, body, None, client_id).await
}
