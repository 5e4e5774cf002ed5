//! The log of decisions of the store in memory.

use std::{
    collections::{BTreeMap, HashMap},
    ops::Bound::{Excluded, Unbounded},
};

use crate::model::{ClientMessageId, Decision, Ends, NewDecision, UserId, Version};

/// All decisions.
#[derive(Debug, Default, Clone)]
pub(super) struct Decisions {
    /// The decision `version` is at the index `version - 1`.
    all: Vec<Decision>,
    by_client_id: HashMap<(UserId, ClientMessageId), usize>,
    /// Those that are in force until their end.
    in_force: BTreeMap<Ends, usize>,
}

impl Decisions {
    pub(super) fn decide(&mut self, new: NewDecision) -> Decision {
        let key = (new.by.clone(), new.client_id.clone());
        if let Some(first) = self.by_client_id.get(&key) {
            return self.all[*first].clone();
        }
        let decision = new.in_micros().numbered(self.newest().next());
        let at = self.all.len();
        self.by_client_id.insert(key, at);
        if let Some(ends) = Ends::of(&decision) {
            self.in_force.insert(ends, at);
        }
        if let Some(lifted) = decision.what.lifts().and_then(|lifted| self.get(lifted))
            && let Some(ends) = Ends::of(lifted)
        {
            self.in_force.remove(&ends);
        }
        self.all.push(decision.clone());
        decision
    }

    pub(super) fn newest(&self) -> Version {
        self.all.last().map_or(Version::ZERO, |last| last.version)
    }

    fn get(&self, version: Version) -> Option<&Decision> {
        self.after(Version(version.0.checked_sub(1)?)).first()
    }

    pub(super) fn after(&self, version: Version) -> &[Decision] {
        let from = usize::try_from(version.0).unwrap_or(usize::MAX);
        self.all.get(from..).unwrap_or_default()
    }

    /// Those that are in force, in the order of their ends, from the first one after `after`.
    pub(super) fn in_force(&self, after: Ends) -> impl Iterator<Item = &Decision> {
        let later = self.in_force.range((Excluded(after), Unbounded));
        later.map(|(_, at)| &self.all[*at])
    }
}
