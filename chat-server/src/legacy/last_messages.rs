//! `GET /lastmessages`, the one HTTP request of the old clients.

use std::{collections::HashMap, sync::Arc};

use axum::{
    Json,
    extract::{Query, State, rejection::QueryRejection},
    http::{HeaderMap, StatusCode},
};
use chat_core::{
    Actor, Entry, EntryBody, Error, MessageId, Page, ReceiptTimes, RoomId, Seq, UserId, old_time,
    port::Via,
};
use chrono::{DateTime, SecondsFormat, Utc};
use serde::{Deserialize, Serialize};

use crate::{
    http::{app::App, failure::Failure, peer::Address},
    rest::document::Refusals,
};

#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct Between {
    /// One of the two users.
    #[param(value_type = UserId, required = true)]
    from: Option<String>,
    /// The other one.
    #[param(value_type = UserId, required = true)]
    to: Option<String>,
    /// The most messages to read. Default 10; more than 25 are 25.
    limit: Option<usize>,
}

/// A message as the old server kept it.
#[derive(Debug, Serialize, utoipa::ToSchema)]
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
    #[serde(rename = "deliveredAt", skip_serializing_if = "Option::is_none")]
    delivered_at: Option<String>,
    #[serde(rename = "readAt", skip_serializing_if = "Option::is_none")]
    read_at: Option<String>,
}

/// `GET /lastmessages?from&to&limit`: the newest messages of two users, oldest first.
///
/// The old clients bring no token, so an open login asks for none. Any other asks for that of one of the
/// two users; to others the room does not exist.
#[utoipa::path(get, path = "/lastmessages", security((), ("token" = [])), params(Between), responses(
    (status = OK, description = "The messages, oldest first.", body = Vec<OldMessage>),
    Refusals,
))]
pub(super) async fn last_messages(
    State(app): State<App>,
    address: Address,
    headers: HeaderMap,
    query: Result<Query<Between>, QueryRejection>,
) -> Result<Json<Vec<OldMessage>>, Failure> {
    const DEFAULT: usize = 10;
    const MOST: usize = 25;
    // A stranger is refused before anything else is looked at.
    let caller = if app.login.is_open() {
        None
    } else {
        let Address(address) = address;
        let App { engine, login, .. } = &app;
        let caller = login.bearer(engine, &headers, Via::SocketIo, address);
        let caller = caller.await?;
        app.requests.of_user(&caller.user)?;
        Some(caller)
    };
    let Query(Between { from, to, limit }) = query?;
    let (Some(from), Some(to)) = (from, to) else {
        return Err(Failure::new(
            StatusCode::BAD_REQUEST,
            "`from` and `to` have to be given",
        ));
    };
    let (from, to) = (UserId::new(from)?, UserId::new(to)?);
    let room = RoomId::direct(&from, &to)?;
    let caller = match caller {
        None => app.engine.actor(from),
        Some(caller) if caller.user == from || caller.user == to => app.engine.actor_of(caller),
        Some(_) => return Err(Error::NoRoom.into()),
    };
    let limit = limit.unwrap_or(DEFAULT).min(MOST);
    Ok(Json(newest(&caller, &room, limit).await?))
}

/// Pages back until there are enough messages among the entries.
async fn newest(caller: &Actor, room: &RoomId, limit: usize) -> Result<Vec<OldMessage>, Error> {
    let mut found: Vec<Arc<Entry>> = Vec::new();
    let mut page = Page::Newest;
    loop {
        let part = match caller.history(room, page, None).await {
            // Nobody has opened it yet.
            Err(Error::NoRoom) => return Ok(Vec::new()),
            part => part?,
        };
        let messages = part.entries.iter().rev();
        let messages = messages.filter(|entry| matches!(entry.body, EntryBody::Message { .. }));
        found.extend(messages.take(limit - found.len()).cloned());
        match part.entries.first() {
            Some(first) if part.older && found.len() < limit => page = Page::Before(first.seq),
            _ => break,
        }
    }
    found.reverse();
    let times = times(caller, room, &found).await?;
    let old = |entry: &Arc<Entry>| old(entry, times.get(&entry.seq).copied().unwrap_or_default());
    Ok(found.iter().filter_map(old).collect())
}

/// The times at which the messages were delivered to the user that they were sent to, and read.
async fn times(
    caller: &Actor,
    room: &RoomId,
    messages: &[Arc<Entry>],
) -> Result<HashMap<Seq, ReceiptTimes>, Error> {
    let mut all = HashMap::new();
    for reader in room.pair().into_iter().flatten() {
        let sent = messages.iter().filter(|entry| entry.author != reader);
        let seqs: Vec<_> = sent.map(|entry| entry.seq).collect();
        let times = caller.receipt_times(room, &reader, &seqs).await?;
        all.extend(seqs.into_iter().zip(times));
    }
    Ok(all)
}

fn old(entry: &Entry, times: ReceiptTimes) -> Option<OldMessage> {
    let EntryBody::Message { text, .. } = &entry.body else {
        return None;
    };
    // As the old server's dates were written in JSON.
    let date = |at: DateTime<Utc>| at.to_rfc3339_opts(SecondsFormat::Millis, true);
    Some(OldMessage {
        _id: entry.id,
        room_id: entry.room.clone(),
        id: entry.id,
        from: entry.author.clone(),
        text: text.as_ref().to_owned(),
        to: entry.room.peer_of(&entry.author)?,
        time: old_time(entry.at),
        __v: 0,
        delivered_at: times.delivered.map(date),
        read_at: times.read.map(date),
    })
}
