//! Windows in memory: the newest entries of rooms.

use std::{
    collections::{HashMap, VecDeque},
    ops::RangeInclusive,
    sync::Arc,
    time::Duration,
};

use crate::{
    model::{Cursor, Entry, RoomId, Seq},
    port::WINDOW,
};

/// The time after which an unused window is evicted.
const UNUSED: Duration = Duration::from_hours(1);

/// The approximate maximum size of a window's entries, in bytes.
const BYTES: usize = 256 << 10;

#[derive(Debug, Default)]
pub(super) struct Windows(HashMap<RoomId, Window>);

#[derive(Debug)]
struct Window {
    at: Cursor,
    /// Consecutive entries; the last one, if there is any, has the number `at.seq`.
    entries: VecDeque<Arc<Entry>>,
    bytes: usize,
    used: Duration,
}

impl Window {
    fn new(at: Cursor, entries: &[Arc<Entry>], now: Duration) -> Self {
        let mut window = Self {
            at,
            entries: VecDeque::new(),
            bytes: 0,
            used: now,
        };
        for entry in entries {
            window.push(entry);
        }
        window
    }

    fn push(&mut self, entry: &Arc<Entry>) {
        self.bytes += entry.size();
        self.entries.push_back(Arc::clone(entry));
        while self.entries.len() > WINDOW || self.bytes > BYTES {
            let Some(oldest) = self.entries.pop_front() else {
                return;
            };
            self.bytes -= oldest.size();
        }
    }

    fn get(&self, range: &RangeInclusive<Seq>) -> Option<Vec<Arc<Entry>>> {
        let first = self.entries.front()?.seq.0;
        let at = |seq: Seq| usize::try_from(seq.0.checked_sub(first)?).ok();
        let (from, to) = (at(*range.start())?, at(*range.end())?);
        let in_range = from <= to && to < self.entries.len();
        in_range.then(|| self.entries.range(from..=to).cloned().collect())
    }
}

impl Windows {
    /// The maximum number of rooms with a window.
    pub(super) const ROOMS: usize = 1_024;

    pub(super) fn forget(&mut self, room: &RoomId) {
        self.0.remove(room);
    }

    pub(super) fn get(
        &mut self,
        room: &RoomId,
        at: Cursor,
        range: &RangeInclusive<Seq>,
        now: Duration,
    ) -> Option<Vec<Arc<Entry>>> {
        let window = self.0.get_mut(room)?;
        if window.at != at || window.used + UNUSED <= now {
            return None;
        }
        window.used = now;
        window.get(range)
    }

    /// Replaces the window of a room, and evicts unused windows.
    fn put(&mut self, room: &RoomId, window: Window) {
        let now = window.used;
        if self.0.insert(room.clone(), window).is_none() && self.0.len() > Self::ROOMS {
            self.0.retain(|_, window| window.used + UNUSED > now);
            let oldest = self.0.iter().min_by_key(|(_, window)| window.used);
            if self.0.len() > Self::ROOMS
                && let Some(oldest) = oldest.map(|(room, _)| room.clone())
            {
                self.0.remove(&oldest);
            }
        }
    }

    pub(super) fn fill(&mut self, room: &RoomId, at: Cursor, newest: &[Arc<Entry>], now: Duration) {
        let there = self.0.get(room).map(|window| window.at);
        if there.is_none_or(|there| there.epoch != at.epoch || there.seq <= at.seq) {
            self.put(room, Window::new(at, newest, now));
        }
    }

    pub(super) fn extend(&mut self, room: &RoomId, at: Cursor, entry: &Arc<Entry>, now: Duration) {
        let window = self.0.get_mut(room);
        let window = window.filter(|window| window.at.epoch == at.epoch);
        if window
            .as_ref()
            .is_some_and(|window| window.at.seq >= at.seq)
        {
            return;
        }
        if entry.body.changes_others() {
            self.put(room, Window::new(at, std::slice::from_ref(entry), now));
        } else if let Some(window) = window
            && window.at.seq.next() == at.seq
        {
            window.push(entry);
            (window.at, window.used) = (at, now);
        }
    }
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;
    use uuid::Uuid;

    use super::*;
    use crate::{
        EntryBody, MessageId,
        model::{ClientMessageId, Epoch, UserId},
    };

    fn cursor(seq: u64) -> Cursor {
        Cursor {
            epoch: Epoch(Uuid::nil()),
            seq: Seq(seq),
        }
    }

    fn room(number: usize) -> RoomId {
        RoomId::group(format!("room {number}")).unwrap()
    }

    fn entry(room: &RoomId, seq: u64, text: &str) -> Arc<Entry> {
        Arc::new(Entry {
            room: room.clone(),
            seq: Seq(seq),
            id: MessageId(Uuid::nil()),
            author: UserId::new("alice").unwrap(),
            client_id: ClientMessageId::new("c").unwrap(),
            at: DateTime::UNIX_EPOCH,
            body: EntryBody::message(text),
        })
    }

    #[test]
    fn a_window_is_forgotten_when_nobody_has_used_it_for_an_hour() {
        let (mut windows, mut now) = (Windows::default(), Duration::ZERO);
        let (room, range) = (room(1), Seq(1)..=Seq(1));
        windows.fill(&room, cursor(1), &[entry(&room, 1, "hello")], now);
        for minutes in [59, 59, 60] {
            assert!(windows.get(&room, cursor(1), &range, now).is_some());
            now += Duration::from_mins(minutes);
        }
        assert_eq!(windows.get(&room, cursor(1), &range, now), None);
    }

    #[test]
    fn of_too_many_rooms_those_used_least_recently_are_forgotten() {
        let (mut windows, range) = (Windows::default(), Seq(1)..=Seq(1));
        let now = |number: usize| Duration::from_millis(number.try_into().unwrap());
        for number in 0..=Windows::ROOMS {
            let entries = [entry(&room(number), 1, "hello")];
            windows.fill(&room(number), cursor(1), &entries, now(number));
            let first = windows.get(&room(0), cursor(1), &range, now(number));
            assert!(first.is_some(), "in use");
        }
        assert_eq!(windows.0.len(), Windows::ROOMS);
        let last = now(Windows::ROOMS);
        assert_eq!(windows.get(&room(1), cursor(1), &range, last), None);
        assert!(windows.get(&room(2), cursor(1), &range, last).is_some());
        let entries = [entry(&room(1), 1, "hello")];
        windows.fill(&room(1), cursor(1), &entries, last + UNUSED);
        assert_eq!(windows.0.len(), 1, "an hour later");
    }

    #[test]
    fn of_long_entries_as_many_are_kept_as_fit() {
        let text = "x".repeat(BYTES / 10);
        let entries: Vec<_> = (1..=20).map(|seq| entry(&room(1), seq, &text)).collect();
        let window = Window::new(cursor(20), &entries, Duration::ZERO);
        assert!(window.bytes <= BYTES);
        assert_eq!(window.get(&(Seq(12)..=Seq(20))).unwrap(), entries[11..]);
        assert_eq!(window.get(&(Seq(11)..=Seq(20))), None);
    }
}
