//! The members of a group at each number, by the log of the group.

use std::collections::BTreeMap;

use super::history::{Line, Room};

/// The rights of a user in a group.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Standing {
    Stranger,
    /// A stranger who was a member until they were banned.
    Banned,
    Reader,
    Writer,
}

impl Standing {
    fn is_member(self) -> bool {
        matches!(self, Self::Reader | Self::Writer)
    }
}

/// The time of a membership, in numbers of the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Stay {
    /// The entry by which it began, 1 for a first member.
    pub(crate) from: u64,
    /// The entry by which it ended, which the member still sees.
    pub(crate) to: Option<u64>,
    /// True if a ban ended it, which holds before its entry stands in the log.
    pub(crate) banned: bool,
}

/// For each user, the numbers from which on they had another standing.
#[derive(Debug, Default)]
pub(crate) struct Seats<'a>(BTreeMap<&'a str, Vec<(u64, Standing)>>);

impl<'a> Seats<'a> {
    pub(crate) fn new(room: &'a Room, log: &'a [Line]) -> Self {
        let first = room.members.iter();
        let first = first.map(|user| (user.as_str(), vec![(0, Standing::Writer)]));
        let mut seats = Self(first.collect());
        for line in log {
            if let Some((user, standing)) = &line.change {
                let steps = seats.0.entry(user).or_default();
                steps.push((line.seq, *standing));
            }
        }
        seats
    }

    /// The standing that a user had just before this number.
    fn before(&self, user: &str, seq: u64) -> Standing {
        let steps = self.0.get(user).into_iter().flatten();
        let last = steps.take_while(|(from, _)| *from < seq).last();
        last.map_or(Standing::Stranger, |(_, standing)| *standing)
    }

    pub(crate) fn may_write(&self, user: &str, seq: u64) -> bool {
        self.before(user, seq) == Standing::Writer
    }

    /// A member sees the entries from the one by which they came to the one by which they went.
    pub(crate) fn may_see(&self, user: &str, seq: u64) -> bool {
        self.before(user, seq).is_member() || self.before(user, seq + 1).is_member()
    }

    pub(crate) fn stays(&self, user: &str) -> Vec<Stay> {
        let mut stays: Vec<Stay> = Vec::new();
        for (seq, standing) in self.0.get(user).into_iter().flatten() {
            let open = stays.last_mut().filter(|stay| stay.to.is_none());
            match (standing.is_member(), open) {
                (false, Some(stay)) => {
                    stay.to = Some(*seq);
                    stay.banned = *standing == Standing::Banned;
                }
                (false, None) | (true, Some(_)) => {}
                (true, None) => stays.push(Stay {
                    from: (*seq).max(1),
                    to: None,
                    banned: false,
                }),
            }
        }
        stays
    }
}
