//! How far one's own messages have got. No input or output.

use std::{collections::VecDeque, sync::Arc, time::Duration};

use chat_core::{Seq, Watermarks};
use tokio::time::Instant;

use super::shown::{Shown, State};

/// How long receipts may settle before they are shown in one line.
const SETTLE: Duration = Duration::from_millis(200);

/// Own messages whose state may still be shown.
const OWN: usize = 1_000;

/// One's own messages, and the watermarks of the other.
#[derive(Debug, Default)]
pub(crate) struct Receipts {
    own: VecDeque<(Seq, Arc<str>)>,
    /// How far the other has got, and how much of it has been shown.
    marks: Watermarks,
    shown: Watermarks,
    settles: Option<Instant>,
}

impl Receipts {
    /// Takes note of an own message, and says how far it has got already.
    pub(crate) fn sent(&mut self, seq: Seq, text: Arc<str>) -> State {
        self.own.push_back((seq, text));
        if self.own.len() > OWN {
            self.own.pop_front();
        }
        State::of(seq, self.marks)
    }

    /// The last own message.
    pub(crate) fn last(&self) -> Option<Seq> {
        self.own.back().map(|(seq, _)| *seq)
    }

    /// The other has got further. What changes is shown when nothing more comes for a moment.
    pub(crate) fn raise(&mut self, now: Instant, marks: Watermarks) {
        self.marks = Watermarks {
            delivered: self.marks.delivered.max(marks.delivered),
            read: self.marks.read.max(marks.read),
        };
        self.settles.get_or_insert(now + SETTLE);
    }

    /// When [`settle`](Self::settle) is due.
    pub(crate) fn alarm(&self) -> Option<Instant> {
        self.settles
    }

    /// Counts everything so far as shown: past messages are shown with their state.
    pub(crate) fn caught_up(&mut self) {
        self.shown = self.marks;
        self.settles = None;
    }

    /// How far the last of the own messages have got since this was shown last.
    pub(crate) fn settle(&mut self) -> Vec<Shown> {
        let last = |upto: Seq, after: Seq| {
            let mut own = self.own.iter().rev();
            own.find(|(seq, _)| *seq <= upto && *seq > after)
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
            let text = found?.1.to_string();
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

    #[test]
    fn the_last_message_read_and_the_last_one_only_delivered_are_shown_once() {
        let now = Instant::now();
        let mut receipts = Receipts::default();
        for (seq, text) in [(1, "one"), (3, "three"), (4, "four")] {
            assert_eq!(receipts.sent(Seq(seq), text.into()), State::Sent);
        }
        let (delivered, read) = (Seq(4), Seq(3));
        receipts.raise(now, Watermarks { delivered, read });
        assert_eq!(receipts.alarm(), Some(now + SETTLE));
        let shown: Vec<_> = receipts.settle();
        assert!(
            matches!(&shown[..], [
                Shown::State { state: State::Read, text: three },
                Shown::State { state: State::Delivered, text: four },
            ] if three == "three" && four == "four"),
            "{shown:?}"
        );
        assert_eq!(receipts.alarm(), None);
        receipts.raise(now, Watermarks { delivered, read });
        assert!(receipts.settle().is_empty(), "nothing is shown twice");
    }
}
