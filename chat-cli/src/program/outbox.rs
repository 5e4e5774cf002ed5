//! What the user has asked to be sent and has no answer yet. One thing is under way at a time; what
//! waits behind it can still be changed. No input or output.

use std::{collections::VecDeque, time::Duration};

use chat_core::{RoomId, Seq};
use tokio::time::Instant;

use super::command::{Change, Target, Ticket, Write};

/// The time for which a command may stay without an answer before that is shown.
const SLOW: Duration = Duration::from_millis(1_500);

#[derive(Debug)]
struct Item {
    ticket: Ticket,
    room: RoomId,
    write: Write,
    /// The time at which it counts as slow; `None` when it was shown already as waiting.
    slow_at: Option<Instant>,
}

/// All that waits, in order.
#[derive(Debug, Default)]
pub(crate) struct Outbox {
    items: VecDeque<Item>,
    last: u64,
    /// Whether the first is under way.
    under_way: bool,
    /// The time at which the first may be sent again.
    not_before: Option<Instant>,
}

impl Outbox {
    pub(crate) fn len(&self) -> usize {
        self.items.len()
    }

    /// Adds a command at the end; `known` when it was shown already as waiting.
    pub(crate) fn push(&mut self, now: Instant, room: &RoomId, write: Write, known: bool) {
        self.last += 1;
        self.items.push_back(Item {
            ticket: Ticket(self.last),
            room: room.clone(),
            write,
            slow_at: (!known).then_some(now + SLOW),
        });
    }

    /// The command to send now, if there is one; it is under way from then on.
    pub(crate) fn next(&mut self, now: Instant) -> Option<(RoomId, Write)> {
        if self.under_way || self.not_before.is_some_and(|at| now < at) {
            return None;
        }
        let first = self.items.front()?;
        self.under_way = true;
        self.not_before = None;
        Some((first.room.clone(), first.write.clone()))
    }

    /// The last message to a room that waits and is not to be deleted, and whether it is under way.
    pub(crate) fn last_message(&self, room: &RoomId) -> Option<(Ticket, &str, bool)> {
        let leaving = |ticket| self.deletes(room, Target::Waiting(ticket));
        self.items.iter().enumerate().rev().find_map(|(at, item)| {
            let Write::Send(text) = &item.write else {
                return None;
            };
            let under_way = at == 0 && self.under_way;
            (item.room == *room && !leaving(item.ticket)).then_some((
                item.ticket,
                text.as_str(),
                under_way,
            ))
        })
    }

    /// True if the deletion of a message to this room waits or is under way.
    pub(crate) fn deletes(&self, room: &RoomId, target: Target) -> bool {
        let delete = Write::Change(target, Change::Delete);
        let mut items = self.items.iter();
        items.any(|item| item.room == *room && item.write == delete)
    }

    /// The text of a message that waits.
    pub(crate) fn text(&self, ticket: Ticket) -> Option<&str> {
        let item = self.items.iter().find(|item| item.ticket == ticket)?;
        match &item.write {
            Write::Send(text) => Some(text),
            Write::Change(..) => None,
        }
    }

    /// Gives a message that is not under way another text.
    pub(crate) fn rewrite(&mut self, ticket: Ticket, text: String) {
        if let Some(item) = self.items.iter_mut().find(|item| item.ticket == ticket) {
            item.write = Write::Send(text);
        }
    }

    /// Takes out a message that is not under way.
    pub(crate) fn withdraw(&mut self, ticket: Ticket) {
        self.items.retain(|item| item.ticket != ticket);
    }

    /// The first is stored as `seq`: what waits for it now knows its number.
    pub(crate) fn stored(&mut self, seq: Seq) -> Option<Write> {
        let first = self.finish()?;
        for item in &mut self.items {
            if let Write::Change(target, _) = &mut item.write
                && *target == Target::Waiting(first.ticket)
            {
                *target = Target::Stored(seq);
            }
        }
        Some(first.write)
    }

    /// The first was refused for good, and what waits for it goes too.
    pub(crate) fn refused(&mut self) -> Option<Write> {
        let first = self.finish()?;
        let refused = Target::Waiting(first.ticket);
        self.items
            .retain(|item| !matches!(item.write, Write::Change(target, _) if target == refused));
        Some(first.write)
    }

    fn finish(&mut self) -> Option<Item> {
        self.under_way = false;
        self.items.pop_front()
    }

    /// The first is to be sent again, but not before then.
    pub(crate) fn put_off(&mut self, until: Instant) {
        self.under_way = false;
        self.not_before = Some(until);
    }

    /// The time at which a [`tick`](Self::tick) is due.
    pub(crate) fn alarm(&self) -> Option<Instant> {
        let slow = self.items.iter().filter_map(|item| item.slow_at).min();
        let again = self.not_before.filter(|_| !self.items.is_empty());
        slow.into_iter().chain(again).min()
    }

    /// Time has passed: gives the commands that have become slow, each once.
    pub(crate) fn tick(&mut self, now: Instant) -> Vec<Write> {
        self.not_before.take_if(|at| *at <= now);
        let slow = self.items.iter_mut().filter_map(|item| {
            item.slow_at.take_if(|at| *at <= now)?;
            Some(item.write.clone())
        });
        slow.collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn say(text: &str) -> Write {
        Write::Send(text.to_owned())
    }

    fn room() -> RoomId {
        RoomId::new("alice,bob").unwrap()
    }

    #[test]
    fn commands_are_sent_one_at_a_time_in_order() {
        let now = Instant::now();
        let mut outbox = Outbox::default();
        outbox.push(now, &room(), say("one"), false);
        outbox.push(now, &room(), say("two"), false);
        assert_eq!(outbox.next(now), Some((room(), say("one"))));
        assert_eq!(outbox.next(now), None);
        assert_eq!(outbox.stored(Seq(1)), Some(say("one")));
        assert_eq!(outbox.next(now), Some((room(), say("two"))));
        assert_eq!(outbox.refused(), Some(say("two")));
        assert_eq!(outbox.next(now), None);
    }

    #[test]
    fn a_command_that_is_put_off_stays_the_first_and_is_sent_when_due() {
        let now = Instant::now();
        let later = now + Duration::from_secs(5);
        let mut outbox = Outbox::default();
        outbox.push(now, &room(), say("one"), true);
        outbox.push(now, &room(), say("two"), true);
        outbox.next(now);
        outbox.put_off(later);
        assert_eq!(outbox.next(now), None);
        assert_eq!(outbox.alarm(), Some(later));
        assert_eq!(outbox.next(later), Some((room(), say("one"))));
        assert_eq!(outbox.alarm(), None);
    }

    #[test]
    fn a_command_for_a_message_under_way_gets_its_number_or_is_dropped_with_it() {
        let now = Instant::now();
        for stored in [true, false] {
            let mut outbox = Outbox::default();
            outbox.push(now, &room(), say("oops"), false);
            outbox.next(now);
            let (ticket, text, under_way) = outbox.last_message(&room()).unwrap();
            assert_eq!((text, under_way), ("oops", true));
            let delete = Write::Change(Target::Waiting(ticket), Change::Delete);
            outbox.push(now, &room(), delete, false);
            assert_eq!(outbox.last_message(&room()), None, "it is on its way out");
            if stored {
                outbox.stored(Seq(7));
                let delete = Write::Change(Target::Stored(Seq(7)), Change::Delete);
                assert_eq!(outbox.next(now), Some((room(), delete)));
            } else {
                outbox.refused();
                assert_eq!(outbox.len(), 0);
            }
        }
    }

    #[test]
    fn a_message_that_waits_can_be_changed_and_withdrawn() {
        let now = Instant::now();
        let mut outbox = Outbox::default();
        outbox.push(now, &room(), say("one"), true);
        outbox.push(now, &room(), say("oops"), true);
        let (ticket, _, under_way) = outbox.last_message(&room()).unwrap();
        assert!(!under_way);
        outbox.rewrite(ticket, "two".to_owned());
        assert_eq!(outbox.text(ticket), Some("two"));
        outbox.withdraw(ticket);
        assert_eq!(outbox.last_message(&room()).unwrap().1, "one");
    }

    #[test]
    fn a_slow_command_is_reported_once_unless_it_was_shown_as_waiting() {
        let now = Instant::now();
        let mut outbox = Outbox::default();
        outbox.push(now, &room(), say("known"), true);
        outbox.push(now, &room(), say("new"), false);
        assert_eq!(outbox.alarm(), Some(now + SLOW));
        assert!(outbox.tick(now).is_empty());
        assert_eq!(outbox.tick(now + SLOW), [say("new")]);
        assert!(outbox.tick(now + SLOW).is_empty());
    }
}
