//! Messages to store.

use std::sync::Arc;

use chat_core::{
    ClientMessageId, Details, EntryBody, Epoch, IdGen, InvalidId, MessageId, NewEntry, NewRoom,
    RandomIds, RoomId, RoomKind, UserId,
};
use chrono::DateTime;

/// 101 characters.
pub const TEXT: &str = "The quick brown fox jumps over the lazy dog, and the dog does not even look up from its sleep. So it.";

/// Endless messages of one room and author, with ids as the engine gives them.
#[derive(Debug)]
pub struct Messages {
    count: u64,
    room: RoomId,
    author: UserId,
    text: Arc<str>,
}

impl Messages {
    /// In the direct room of these two, by the first.
    ///
    /// # Errors
    ///
    /// When these are no names of two users.
    pub fn between(author: &str, peer: &str) -> Result<Self, InvalidId> {
        let (author, peer) = (UserId::new(author)?, UserId::new(peer)?);
        Ok(Self {
            count: 0,
            room: RoomId::direct(&author, &peer)?,
            author,
            text: TEXT.into(),
        })
    }

    /// Their room, to be made.
    pub fn room(&self) -> NewRoom {
        NewRoom {
            id: self.room.clone(),
            epoch: Epoch(RandomIds.next()),
            members: self.room.pair().map_or_else(Vec::new, Vec::from),
            kind: RoomKind::Direct,
            created_by: None,
            details: Details::default(),
            created_at: DateTime::UNIX_EPOCH,
        }
    }

    /// The next ones.
    pub fn batch(&mut self, count: usize) -> Vec<NewEntry> {
        self.by_ref().take(count).collect()
    }
}

impl Iterator for Messages {
    type Item = NewEntry;

    fn next(&mut self) -> Option<NewEntry> {
        self.count += 1;
        Some(NewEntry {
            room: self.room.clone(),
            id: MessageId(RandomIds.next()),
            author: self.author.clone(),
            client_id: ClientMessageId::new(format!("{:032x}", self.count)).ok()?,
            at: DateTime::from_timestamp_micros(1_700_000_000_000_000)?,
            body: EntryBody::message(Arc::clone(&self.text)),
            require: None,
            max_members: None,
        })
    }
}
