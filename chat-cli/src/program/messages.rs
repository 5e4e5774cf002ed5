//! The messages on the screen: what they say, and how far one's own have got. No input or output.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use chat_core::{Seq, Watermarks};
use tokio::time::Instant;

use super::shown::{Shown, State};

/// The time that receipts have to settle before they are shown in one line.
const SETTLE: Duration = Duration::from_millis(200);

/// Messages whose text and state are remembered.
const KNOWN: usize = 1_000;

/// A message that was shown.
#[derive(Debug)]
struct Message {
    text: Arc<str>,
    own: bool,
    /// Its deletion is stored, and its entry is about to come.
    leaving: bool,
}

/// The messages on the screen, and the watermarks of the other.
#[derive(Debug, Default)]
pub(crate) struct Messages {
    known: BTreeMap<Seq, Message>,
    /// The watermarks of the other, and those that were shown last.
    marks: Watermarks,
    shown: Watermarks,
    settles: Option<Instant>,
}

impl Messages {
    /// Takes note of a message; says how far it has got if it is an own one.
    pub(crate) fn add(&mut self, seq: Seq, text: Arc<str>, own: bool) -> Option<State> {
        let message = Message {
            text,
            own,
            leaving: false,
        };
        self.known.insert(seq, message);
        if self.known.len() > KNOWN {
            self.known.pop_first();
        }
        own.then(|| State::of(seq, self.marks))
    }

    /// The last own message on the screen that is not on its way out; `leaving` says which
    /// deletions wait.
    pub(crate) fn last_own(&self, leaving: impl Fn(Seq) -> bool) -> Option<Seq> {
        let mut messages = self.known.iter().rev();
        let last = messages.find(|(seq, m)| m.own && !m.leaving && !leaving(**seq));
        last.map(|(seq, _)| *seq)
    }

    /// The last own message up to an entry.
    pub(crate) fn last_own_upto(&self, upto: Seq) -> Option<Seq> {
        let mut messages = self.known.range(..=upto).rev();
        messages
            .find(|(_, message)| message.own)
            .map(|(seq, _)| *seq)
    }

    /// The text of a message, if it is known.
    pub(crate) fn text(&self, seq: Seq) -> Option<Arc<str>> {
        self.known
            .get(&seq)
            .map(|message| Arc::clone(&message.text))
    }

    /// The deletion of a message is stored.
    pub(crate) fn set_leaving(&mut self, seq: Seq) {
        if let Some(message) = self.known.get_mut(&seq) {
            message.leaving = true;
        }
    }

    /// A message has a new text; gives back the old one if it is known.
    pub(crate) fn edited(&mut self, seq: Seq, text: &Arc<str>) -> Option<Arc<str>> {
        let message = self.known.get_mut(&seq)?;
        Some(std::mem::replace(&mut message.text, Arc::clone(text)))
    }

    /// A message is gone; gives back its text if it is known.
    pub(crate) fn deleted(&mut self, seq: Seq) -> Option<Arc<str>> {
        self.known.remove(&seq).map(|message| message.text)
    }

    /// The other has got further. The change is shown when nothing more comes for a moment.
    pub(crate) fn raise(&mut self, now: Instant, marks: Watermarks) {
        self.marks = self.marks.join(marks);
        self.settles.get_or_insert(now + SETTLE);
    }

    /// The time at which [`settle`](Self::settle) is due.
    pub(crate) fn alarm(&self) -> Option<Instant> {
        self.settles
    }

    /// Counts everything so far as shown: past messages are shown with their state.
    pub(crate) fn caught_up(&mut self) {
        self.shown = self.marks;
        self.settles = None;
    }

    /// The states of the last own messages that have changed since this was shown last.
    pub(crate) fn settle(&mut self) -> Vec<Shown> {
        let last = |upto: Seq, after: Seq| {
            let mut messages = self.known.range(..=upto).rev();
            messages.find(|(seq, message)| message.own && **seq > after)
        };
        let delivered_after = self.shown.delivered.max(self.marks.read);
        let found = [
            (last(self.marks.read, self.shown.read), State::Read),
            (
                last(self.marks.delivered, delivered_after),
                State::Delivered,
            ),
        ];
        let lines = found.into_iter().filter_map(|(found, state)| {
            let text = found?.1.text.to_string();
            Some(Shown::State { state, text })
        });
        let lines = lines.collect();
        self.caught_up();
        lines
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn three() -> Messages {
        let mut messages = Messages::default();
        for (seq, text) in [(1, "one"), (3, "three"), (4, "four")] {
            let state = messages.add(Seq(seq), text.into(), true);
            assert_eq!(state, Some(State::Sent));
        }
        assert_eq!(messages.add(Seq(5), "five".into(), false), None);
        messages
    }

    #[test]
    fn the_last_message_read_and_the_last_one_only_delivered_are_shown_once() {
        let now = Instant::now();
        let mut messages = three();
        let (delivered, read) = (Seq(5), Seq(3));
        messages.raise(now, Watermarks { delivered, read });
        assert_eq!(messages.alarm(), Some(now + SETTLE));
        let shown: Vec<_> = messages.settle();
        assert!(
            matches!(&shown[..], [
                Shown::State { state: State::Read, text: three },
                Shown::State { state: State::Delivered, text: four },
            ] if three == "three" && four == "four"),
            "{shown:?}"
        );
        assert_eq!(messages.alarm(), None);
        messages.raise(now, Watermarks { delivered, read });
        assert!(messages.settle().is_empty(), "nothing is shown twice");
    }

    #[test]
    fn the_last_own_message_is_one_that_is_not_being_deleted() {
        let mut messages = three();
        let none = |_| false;
        assert_eq!(messages.last_own(none), Some(Seq(4)));
        assert_eq!(messages.last_own(|seq| seq == Seq(4)), Some(Seq(3)));
        messages.set_leaving(Seq(4));
        assert_eq!(messages.last_own(none), Some(Seq(3)));
        assert_eq!(messages.deleted(Seq(4)).as_deref(), Some("four"));
        assert_eq!(messages.last_own(none), Some(Seq(3)));
        let old = messages.edited(Seq(3), &"drei".into());
        assert_eq!(old.as_deref(), Some("three"));
        assert_eq!(messages.text(Seq(3)).as_deref(), Some("drei"));
    }
}
