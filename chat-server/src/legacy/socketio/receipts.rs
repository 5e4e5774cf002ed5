//! Watermarks as the old protocol sends them: one event per message, to its author.

use chat_core::{Actor, Entry, EntryBody, Error, MessageId, Page, RoomId, Seq, UserId, Watermarks};

/// The most messages that a receipt is sent for at once; those before them have scrolled away.
const MOST: u64 = 200;

/// The events that another member's new watermarks mean for the author.
pub(super) async fn of(
    author: &Actor,
    room: &RoomId,
    was: Watermarks,
    now: Watermarks,
) -> Result<Vec<(&'static str, MessageId)>, Error> {
    if !room.is_direct() {
        return Ok(Vec::new());
    }
    let from = if now.read > was.read {
        was.read
    } else {
        was.delivered
    };
    let upto = if now.delivered > was.delivered {
        now.delivered
    } else {
        now.read
    };
    let many = upto.0.saturating_sub(from.0).min(MOST);
    if many == 0 {
        return Ok(Vec::new());
    }
    let page = author
        .history(room, Page::Before(upto.next()), usize::try_from(many).ok())
        .await?;
    let entries = page.entries.iter().map(AsRef::as_ref);
    Ok(entries
        .flat_map(|entry| events(author.user(), entry, was, now))
        .collect())
}

/// Delivered comes before read, also when the reader only said read.
fn events(
    author: &UserId,
    entry: &Entry,
    was: Watermarks,
    now: Watermarks,
) -> impl Iterator<Item = (&'static str, MessageId)> + use<> {
    let theirs = entry.author == *author && matches!(entry.body, EntryBody::Message { .. });
    let passed = |was: Seq, now: Seq| theirs && was < entry.seq && entry.seq <= now;
    let id = entry.id;
    [
        passed(was.delivered, now.delivered).then_some(("delivered", id)),
        passed(was.read, now.read).then_some(("read", id)),
    ]
    .into_iter()
    .flatten()
}

#[cfg(test)]
mod tests {
    use super::*;
    use chat_core::{ClientMessageId, CountingIds, IdGen};

    fn sent(mine: &[u64], was: (u64, u64), now: (u64, u64)) -> Vec<(&'static str, u64)> {
        let (alice, bob) = (UserId::new("alice").unwrap(), UserId::new("bob").unwrap());
        let ids = CountingIds::default();
        let marks = |(delivered, read)| Watermarks {
            delivered: Seq(delivered),
            read: Seq(read),
        };
        let entries: Vec<Entry> = (1..=5)
            .map(|seq| Entry {
                room: RoomId::direct(&alice, &bob).unwrap(),
                seq: Seq(seq),
                id: MessageId(ids.next()),
                author: if mine.contains(&seq) {
                    alice.clone()
                } else {
                    bob.clone()
                },
                client_id: ClientMessageId::new("c").unwrap(),
                at: chrono::DateTime::UNIX_EPOCH,
                body: EntryBody::message("hi"),
            })
            .collect();
        let seq_of = |id| entries.iter().find(|entry| entry.id == id).unwrap().seq.0;
        entries
            .iter()
            .flat_map(|entry| events(&alice, entry, marks(was), marks(now)))
            .map(|(event, id)| (event, seq_of(id)))
            .collect()
    }

    #[test]
    fn a_receipt_is_sent_for_each_own_message_that_it_passes() {
        let (d, r) = ("delivered", "read");
        assert_eq!(sent(&[1, 2, 4], (1, 0), (3, 0)), [(d, 2)]);
        assert_eq!(sent(&[1, 2, 4], (4, 1), (4, 4)), [(r, 2), (r, 4)]);
        assert_eq!(
            sent(&[1, 2, 4], (1, 0), (4, 4)),
            [(r, 1), (d, 2), (r, 2), (d, 4), (r, 4)]
        );
        assert_eq!(sent(&[1, 2], (5, 5), (5, 5)), []);
    }
}
