//! The members who have hidden a room, so that a message that brings it back to their inboxes is noticed
//! without asking the store each time.

use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::model::{Seq, UserId};

/// The members who have hidden a room, as far as this node knows them.
#[derive(Debug, Default)]
pub(crate) struct Hidden(Mutex<Known>);

#[derive(Debug, Default)]
struct Known {
    /// Each member with the newest entry at the time of hiding; `None` until the store was asked.
    members: Option<Vec<(UserId, Seq)>>,
    /// The number of times that they were forgotten.
    forgotten: u64,
}

/// The number of times that something was forgotten before the store was asked.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Asked(u64);

impl Hidden {
    fn known(&self) -> MutexGuard<'_, Known> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Forgets what is known, for a member has hidden the room.
    pub(crate) fn forget(&self) {
        let mut known = self.known();
        known.members = None;
        known.forgotten += 1;
    }

    /// True if it is known that no member has hidden the room.
    pub(crate) fn by_nobody(&self) -> bool {
        self.known().members.as_ref().is_some_and(Vec::is_empty)
    }

    /// The members for whom this message has brought the room back; each is given once. What `Err` holds
    /// belongs to the answer of the store, which has to be asked first.
    pub(crate) fn returned_by(&self, message: Seq) -> Result<Vec<UserId>, Asked> {
        let mut known = self.known();
        let asked = Asked(known.forgotten);
        let members = known.members.as_mut().ok_or(asked)?;
        let returned = members.extract_if(.., |(_, hidden_at)| *hidden_at < message);
        Ok(returned.map(|(user, _)| user).collect())
    }

    /// Notes the answer of the store, unless it may be out of date.
    pub(crate) fn learn(&self, asked: Asked, members: Vec<(UserId, Seq)>) {
        let mut known = self.known();
        if known.forgotten == asked.0 {
            known.members = Some(members);
        }
    }

    /// Notes that the room is new, and so hidden by nobody.
    pub(crate) fn is_new(&self) {
        self.learn(Asked(0), Vec::new());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn user(name: &str) -> UserId {
        UserId::new(name).unwrap()
    }

    #[test]
    fn a_message_brings_the_room_back_once_to_those_who_hid_it_before() {
        let hidden = Hidden::default();
        let asked = hidden.returned_by(Seq(5)).unwrap_err();
        hidden.learn(asked, vec![(user("bob"), Seq(4)), (user("carol"), Seq(5))]);
        assert_eq!(hidden.returned_by(Seq(5)).unwrap(), [user("bob")]);
        assert_eq!(hidden.returned_by(Seq(5)).unwrap(), []);
        assert!(!hidden.by_nobody());
        assert_eq!(hidden.returned_by(Seq(6)).unwrap(), [user("carol")]);
        assert!(hidden.by_nobody());
    }

    #[test]
    fn an_answer_from_before_the_hiding_counts_for_nothing() {
        let hidden = Hidden::default();
        let asked = hidden.returned_by(Seq(5)).unwrap_err();
        hidden.forget();
        hidden.learn(asked, Vec::new());
        assert!(!hidden.by_nobody());
        assert!(hidden.returned_by(Seq(6)).is_err());
    }
}
