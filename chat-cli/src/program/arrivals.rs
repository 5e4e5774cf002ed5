//! Rooms that the user has just come into, until it is known by whom. No input or output.
//!
//! The news of the room and its first entry come in either order. The entry names the host, unless the
//! user is in the room since it was made.

use std::collections::BTreeMap;

use chat_core::{Entry, EntryBody, Room, RoomId, UserId};

/// The facts known so far about each such room.
#[derive(Debug, Default)]
pub(crate) struct Arrivals {
    /// The host by the first entry, which came before the news.
    entries: BTreeMap<RoomId, Option<UserId>>,
    /// The user who made the room, whose news came before the first entry.
    news: BTreeMap<RoomId, Option<UserId>>,
}

impl Arrivals {
    /// Takes an entry of a room; gives the host once that is known.
    pub(crate) fn entry(&mut self, me: &UserId, entry: &Entry, is_known: bool) -> Option<UserId> {
        let host = match &entry.body {
            EntryBody::Joined { user, .. } if user == me => Some(entry.author.clone()),
            _ => None,
        };
        if let Some(maker) = self.news.remove(&entry.room) {
            return host.or(maker);
        }
        if host.is_some() || !is_known {
            self.entries.entry(entry.room.clone()).or_insert(host);
        }
        None
    }

    /// Takes the news of a room; gives the host once that is known.
    pub(crate) fn added(&mut self, room: &Room) -> Option<UserId> {
        let maker = room.created_by.clone();
        match self.entries.remove(&room.id) {
            Some(host) => host.or(maker),
            None if room.head.0 == 0 => maker,
            None => {
                self.news.insert(room.id.clone(), maker);
                None
            }
        }
    }

    /// The room needs no word of its host any more.
    pub(crate) fn forget(&mut self, room: &RoomId) {
        self.entries.remove(room);
        self.news.remove(room);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use chat_core::{ClientMessageId, IdGen as _, MessageId, RandomIds, Seq};
    use chrono::DateTime;
    use serde_json::{Value, json};

    fn user(name: &str) -> UserId {
        UserId::new(name).unwrap()
    }

    fn room(head: u64) -> Room {
        let room = json!({
            "id": "g1", "kind": "group", "head": head, "members": 3, "created_by": "bob",
            "epoch": "0198a0b0-0000-7000-8000-000000000000", "created_at": "2026-01-01T00:00:00Z",
        });
        serde_json::from_value(room).unwrap()
    }

    fn entry(author: &str, body: Value) -> Entry {
        Entry {
            room: RoomId::new("g1").unwrap(),
            seq: Seq(4),
            id: MessageId(RandomIds.next()),
            author: user(author),
            client_id: ClientMessageId::new("x").unwrap(),
            at: DateTime::UNIX_EPOCH,
            body: serde_json::from_value(body).unwrap(),
        }
    }

    #[test]
    fn the_host_is_the_author_of_the_first_entry_or_the_maker_of_the_room() {
        let me = user("alice");
        let joined = entry(
            "carol",
            json!({ "kind": "joined", "user": "alice", "role": "member" }),
        );
        let message = entry("carol", json!({ "kind": "message", "text": "hi" }));
        for (first, host) in [(&joined, "carol"), (&message, "bob")] {
            let mut arrivals = Arrivals::default();
            assert_eq!(arrivals.entry(&me, first, false), None);
            assert_eq!(arrivals.added(&room(4)), Some(user(host)));
            assert_eq!(arrivals.added(&room(4)), None);
            assert_eq!(arrivals.entry(&me, first, true), Some(user(host)));
        }
        let mut arrivals = Arrivals::default();
        assert_eq!(
            arrivals.added(&room(0)),
            Some(user("bob")),
            "it was just made"
        );
        assert_eq!(arrivals.entry(&me, &message, true), None);
    }
}
