//! Notices: what the application or an administrator says in a room.

use std::sync::Arc;

use super::actor::Actor;
use crate::{
    engine::parts::Parts,
    model::{ClientMessageId, Data, EntryBody, Notice, Principal, RoomId, UserId, Via},
    wire::{Error, Sent},
};

/// The author of notices.
const AUTHOR: &str = "system";

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
    let actor = Actor {
        parts: Arc::clone(parts),
        principal: Arc::new(Principal::trusted(UserId::new(AUTHOR)?)),
        via: Via::Host,
        session: None,
    };
    let notice = Notice {
        text: text.into(),
        data,
    };
    let body = EntryBody::Notice(Arc::new(notice));
    actor.append(live, body, None, client_id).await
}
