//! Receipts that are to be sent, of which only the highest of each room matters.

use std::{
    collections::BTreeMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

use chat_core::{Command, Mark, RoomId, Seq, Watermarks, command};
use tokio::sync::Notify;

/// The watermarks of the user in each room, and those that the server knows.
#[derive(Debug, Default)]
pub(super) struct Marks {
    rooms: Mutex<BTreeMap<RoomId, State>>,
    raised: Notify,
}

#[derive(Debug, Default)]
struct State {
    wanted: Watermarks,
    sent: Watermarks,
    on_its_way: bool,
}

impl Marks {
    fn rooms(&self) -> MutexGuard<'_, BTreeMap<RoomId, State>> {
        self.rooms.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn raise(&self, room: &RoomId, mark: Mark, seq: Seq) {
        let mut rooms = self.rooms();
        let state = rooms.entry(room.clone()).or_default();
        state.wanted = state.wanted.advanced(mark, seq, Seq::MAX);
        drop(rooms);
        self.raised.notify_one();
    }

    /// Waits until there may be something to send. Cancel safe.
    pub(super) async fn raised(&self) {
        self.raised.notified().await;
    }

    /// The next receipt to send; of each room one is on its way at a time.
    pub(super) fn next(&self) -> Option<(RoomId, Command)> {
        self.take(|state| !state.on_its_way)
    }

    /// The next receipt to send before the client parts, when no answer will be awaited: also of a room
    /// that has a lower one on its way.
    pub(super) fn last(&self) -> Option<(RoomId, Command)> {
        self.take(|_| true)
    }

    fn take(&self, may: impl Fn(&State) -> bool) -> Option<(RoomId, Command)> {
        let mut rooms = self.rooms();
        let (room, state) = rooms
            .iter_mut()
            .find(|(_, state)| may(state) && state.sent != state.wanted)?;
        state.on_its_way = true;
        let (mark, seq) = if state.wanted.read > state.sent.read {
            (Mark::Read, state.wanted.read)
        } else {
            (Mark::Delivered, state.wanted.delivered)
        };
        state.sent = state.sent.advanced(mark, seq, Seq::MAX);
        let room = room.clone();
        let command = command::Receipt {
            room: room.clone(),
            mark,
            seq,
        };
        Some((room, command.into()))
    }

    /// The server has answered. A refusal (the user is no longer a member) is not repeated.
    pub(super) fn answered(&self, room: &RoomId) {
        if let Some(state) = self.rooms().get_mut(room) {
            state.on_its_way = false;
        }
    }

    /// The connection is lost: what was on its way is sent again.
    pub(super) fn disconnected(&self) {
        for state in self.rooms().values_mut() {
            if state.on_its_way {
                *state = State {
                    wanted: state.wanted,
                    ..State::default()
                };
            }
        }
    }

    /// The room's log began anew, and so do its receipts.
    pub(super) fn forget(&self, room: &RoomId) {
        self.rooms().remove(room);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_receipt_does_not_wait_for_the_answer_to_the_one_before() {
        let marks = Marks::default();
        let room = RoomId::new("alice,bob").unwrap();
        marks.raise(&room, Mark::Delivered, Seq(4));
        assert!(marks.next().is_some());
        marks.raise(&room, Mark::Delivered, Seq(5));
        assert_eq!(marks.next(), None, "one at a time");
        let last = command::Receipt {
            room: room.clone(),
            mark: Mark::Delivered,
            seq: Seq(5),
        };
        assert_eq!(marks.last(), Some((room, last.into())));
        assert_eq!(marks.last(), None);
    }

    #[test]
    fn only_the_highest_receipt_is_sent_and_again_if_the_answer_was_lost() {
        let marks = Marks::default();
        let room = RoomId::new("alice,bob").unwrap();
        let receipt = |mark, seq| {
            Some((
                room.clone(),
                command::Receipt {
                    room: room.clone(),
                    mark,
                    seq: Seq(seq),
                }
                .into(),
            ))
        };
        assert_eq!(marks.next(), None);
        marks.raise(&room, Mark::Delivered, Seq(2));
        marks.raise(&room, Mark::Delivered, Seq(5));
        marks.raise(&room, Mark::Read, Seq(3));
        assert_eq!(marks.next(), receipt(Mark::Read, 3));
        assert_eq!(marks.next(), None, "one at a time");
        marks.answered(&room);
        assert_eq!(marks.next(), receipt(Mark::Delivered, 5));
        marks.disconnected();
        assert_eq!(marks.next(), receipt(Mark::Read, 3));
        marks.answered(&room);
        assert_eq!(marks.next(), receipt(Mark::Delivered, 5));
        marks.answered(&room);
        marks.raise(&room, Mark::Read, Seq(1));
        assert_eq!(marks.next(), None, "a receipt does not go back");
    }
}
