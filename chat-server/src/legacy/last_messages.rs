//! `GET /lastmessages`, the one HTTP request of the old clients.

use axum::{
    Json,
    extract::{Query, State, rejection::QueryRejection},
    http::{HeaderMap, StatusCode},
};
use chat_core::{
    Actor, Entry, EntryBody, Error, MessageId, Page, RoomId, UserId, old_time, port::Via,
};
use serde::{Deserialize, Serialize};

use crate::http::{app::App, connections::Address, failure::Failure};

#[derive(Debug, Deserialize)]
pub(super) struct Between {
    from: Option<String>,
    to: Option<String>,
    limit: Option<usize>,
}

/// A message as the old server kept it.
#[derive(Debug, Serialize)]
pub(super) struct OldMessage {
    _id: MessageId,
    #[serde(rename = "roomId")]
    room_id: RoomId,
    id: MessageId,
    from: UserId,
    text: String,
    to: UserId,
    time: String,
    __v: u8,
}

/// `GET /lastmessages?from&to&limit`: the newest messages of two users, oldest first.
///
/// The old clients bring no token, so an open login asks for none. Any other asks for that of one of the
/// two users; to others the room does not exist.
pub(super) async fn last_messages(
    State(app): State<App>,
    address: Address,
    headers: HeaderMap,
    query: Result<Query<Between>, QueryRejection>,
) -> Result<Json<Vec<OldMessage>>, Failure> {
    const DEFAULT: usize = 10;
    const MOST: usize = 25;
    let Query(Between { from, to, limit }) = query?;
    let (Some(from), Some(to)) = (from, to) else {
        return Err(Failure::new(
            StatusCode::BAD_REQUEST,
            "`from` and `to` have to be given",
        ));
    };
    let (from, to) = (UserId::new(from)?, UserId::new(to)?);
    let room = RoomId::direct(&from, &to)?;
    let caller = if app.login.is_open() {
        app.engine.actor(from)
    } else {
        let Address(address) = address;
        let caller = app.login.bearer(&headers, Via::SocketIo, address).await?;
        if caller.user != from && caller.user != to {
            return Err(Error::NoRoom.into());
        }
        app.engine.actor_of(caller)
    };
    let limit = limit.unwrap_or(DEFAULT).min(MOST);
    Ok(Json(newest(&caller, &room, limit).await?))
}

/// Pages back until there are enough messages among the entries.
async fn newest(caller: &Actor, room: &RoomId, limit: usize) -> Result<Vec<OldMessage>, Error> {
    let mut found = Vec::new();
    let mut page = Page::Newest;
    loop {
        let part = match caller.history(room, page, None).await {
            // Nobody has opened it yet.
            Err(Error::NoRoom) => return Ok(found),
            part => part?,
        };
        let messages = part.entries.iter().rev().filter_map(|entry| old(entry));
        found.extend(messages.take(limit - found.len()));
        match part.entries.first() {
            Some(first) if part.older && found.len() < limit => page = Page::Before(first.seq),
            _ => break,
        }
    }
    found.reverse();
    Ok(found)
}

fn old(entry: &Entry) -> Option<OldMessage> {
    let EntryBody::Message { text, .. } = &entry.body else {
        return None;
    };
    Some(OldMessage {
        _id: entry.id,
        room_id: entry.room.clone(),
        id: entry.id,
        from: entry.author.clone(),
        text: text.as_ref().to_owned(),
        to: entry.room.peer_of(&entry.author)?,
        time: old_time(entry.at),
        __v: 0,
    })
}
