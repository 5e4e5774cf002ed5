//! The members of a group who have read one's own messages. No input or output.

use std::{collections::BTreeMap, time::Duration};

use chat_core::{Seq, UserId};
use tokio::time::Instant;

use super::{sentences::several, shown::State};

/// The time that receipts have to settle before they are shown in one line.
const SETTLE: Duration = Duration::from_millis(500);

/// The entries up to which the other members have read, as far as the server says so: in a room of more than
/// 100 members it doesn't.
#[derive(Debug, Default)]
pub(crate) struct Readers {
    others: BTreeMap<UserId, Reader>,
    /// The message whose readers were shown last, and how many they were.
    shown: (Seq, usize),
    settles: Option<Instant>,
}

/// Another member. Messages from before the member joined were for others.
#[derive(Debug, Clone, Copy, Default)]
struct Reader {
    joined: Seq,
    read: Seq,
}

impl Readers {
    /// The other members are these.
    pub(crate) fn begin(&mut self, read: impl IntoIterator<Item = (UserId, Seq)>) {
        let joined = Seq::ZERO;
        let reader = |(user, read)| (user, Reader { joined, read });
        self.others = read.into_iter().map(reader).collect();
    }

    /// A member has come by this entry.
    pub(crate) fn joined(&mut self, user: UserId, joined: Seq) {
        self.others.entry(user).or_default().joined = joined;
    }

    /// A user had come by this entry of the past, who may have left since.
    pub(crate) fn had_joined(&mut self, user: &UserId, joined: Seq) {
        if let Some(reader) = self.others.get_mut(user) {
            reader.joined = joined;
        }
    }

    pub(crate) fn left(&mut self, user: &UserId) {
        self.others.remove(user);
    }

    /// A member has read further. That is shown when nothing more comes for a moment.
    pub(crate) fn raise(&mut self, now: Instant, user: UserId, read: Seq) {
        let reader = self.others.entry(user).or_default();
        if read > reader.read {
            reader.read = read;
            self.settles.get_or_insert(now + SETTLE);
        }
    }

    /// The state of the message with this number.
    pub(crate) fn state(&self, seq: Seq) -> State {
        let readers: Vec<_> = self.of(seq).collect();
        let others = self.others.values();
        let asked = others.filter(|reader| reader.joined < seq).count();
        match readers.len() {
            0 => State::Sent,
            count if count > 1 && count == asked => State::ReadBy("all".to_owned()),
            _ => State::ReadBy(several(readers)),
        }
    }

    fn of(&self, seq: Seq) -> impl Iterator<Item = &UserId> {
        let others = self.others.iter();
        let readers = others.filter(move |(_, reader)| reader.joined < seq && reader.read >= seq);
        readers.map(|(user, _)| user)
    }

    /// The time at which [`settle`](Self::settle) is due.
    pub(crate) fn alarm(&self) -> Option<Instant> {
        self.settles
    }

    /// The last own message that somebody has read, which `last_own` finds up to an entry, and its state,
    /// if there are more readers than were shown.
    pub(crate) fn settle(
        &mut self,
        last_own: impl FnOnce(Seq) -> Option<Seq>,
    ) -> Option<(Seq, State)> {
        self.settles = None;
        let seq = last_own(self.others.values().map(|reader| reader.read).max()?)?;
        let now = (seq, self.of(seq).count());
        if now <= self.shown || now.1 == 0 {
            return None;
        }
        self.shown = now;
        Some((seq, self.state(seq)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn user(name: &str) -> UserId {
        UserId::new(name).unwrap()
    }

    #[test]
    fn readers_are_named_until_all_have_read() {
        let now = Instant::now();
        let mut readers = Readers::default();
        let others = ["bob", "carol", "dan"].map(|name| (user(name), Seq::ZERO));
        readers.begin(others);
        assert_eq!(readers.state(Seq(3)), State::Sent);
        assert_eq!(readers.alarm(), None);
        let own = |upto: Seq| (upto >= Seq(3)).then_some(Seq(3));
        readers.raise(now, user("bob"), Seq(2));
        assert_eq!(readers.alarm(), Some(now + SETTLE));
        assert_eq!(readers.settle(own), None, "3 is not read");
        readers.raise(now, user("bob"), Seq(3));
        readers.raise(now, user("dan"), Seq(4));
        let by = |names: &str| Some((Seq(3), State::ReadBy(names.to_owned())));
        assert_eq!(readers.settle(own), by("bob and dan"));
        readers.raise(now, user("dan"), Seq(5));
        assert_eq!(readers.settle(own), None, "nothing is shown twice");
        readers.raise(now, user("carol"), Seq(5));
        assert_eq!(readers.settle(own), by("all"));
        readers.joined(user("eve"), Seq(6));
        readers.raise(now, user("eve"), Seq(6));
        let all = State::ReadBy("all".to_owned());
        assert_eq!(readers.state(Seq(3)), all, "it was not for Eve");
        assert_eq!(readers.state(Seq(7)), State::Sent);
        readers.joined(user("fay"), Seq::ZERO);
        assert_eq!(
            readers.state(Seq(3)),
            State::ReadBy("bob, carol and dan".to_owned())
        );
        readers.left(&user("fay"));
        assert_eq!(readers.state(Seq(3)), all);
        readers.had_joined(&user("bob"), Seq(3));
        readers.had_joined(&user("nobody"), Seq(3));
        assert_eq!(readers.state(Seq(3)), all, "Carol and Dan are all");
    }
}
