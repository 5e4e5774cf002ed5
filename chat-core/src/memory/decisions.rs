//! The log of decisions of the store in memory.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    ops::Bound::{Excluded, Unbounded},
};

use chrono::{DateTime, Utc};

use crate::model::{ClientMessageId, Decision, Ends, NewDecision, UserId, Version};

/// All decisions.
#[derive(Debug, Default, Clone)]
pub(super) struct Decisions {
    all: BTreeMap<Version, Decision>,
    by_client_id: HashMap<(UserId, ClientMessageId), Version>,
    /// Those that are in force until their end.
    in_force: BTreeMap<Ends, Version>,
}

fn key(decision: &Decision) -> (UserId, ClientMessageId) {
    (decision.by.clone(), decision.client_id.clone())
}

impl Decisions {
    pub(super) fn decide(&mut self, new: NewDecision) -> Decision {
        let first = (new.by.clone(), new.client_id.clone());
        if let Some(first) = self
            .by_client_id
            .get(&first)
            .and_then(|at| self.all.get(at))
        {
            return first.clone();
        }
        let version = self.newest().next();
        let decision = new.in_micros().numbered(version);
        self.by_client_id.insert(first, version);
        if let Some(ends) = Ends::of(&decision) {
            self.in_force.insert(ends, version);
        }
        let lifted = decision.what.lifts();
        if let Some(ends) = lifted.and_then(|lifted| self.all.get(&lifted).and_then(Ends::of)) {
            self.in_force.remove(&ends);
        }
        self.all.insert(version, decision.clone());
        decision
    }

    /// Calls a user something else in all decisions.
    pub(super) fn rename(&mut self, user: &UserId, name: &UserId) {
        for decision in self.all.values_mut() {
            *decision = decision.clone().renamed(user, name);
        }
        self.index();
    }

    /// Removes decisions from before a moment that are not in force any more.
    pub(super) fn forget(&mut self, before: DateTime<Utc>, now: DateTime<Utc>) {
        let newest = self.newest();
        let in_force = self.in_force(Ends::after(now));
        let in_force: HashSet<Version> = in_force.map(|decision| decision.version).collect();
        let goes = |decision: &Decision| {
            let stays = in_force.contains(&decision.version);
            decision.at < before && decision.version < newest && !stays
        };
        self.all
            .retain(|_, decision| decision.what.lifts().is_some() || !goes(decision));
        let left: HashSet<Version> = self.all.keys().copied().collect();
        self.all.retain(|_, decision| {
            let lifts = decision.what.lifts();
            lifts.is_none_or(|lifted| left.contains(&lifted)) || !goes(decision)
        });
        let Self { all, in_force, .. } = self;
        in_force.retain(|_, version| all.contains_key(version));
        self.index();
    }

    fn index(&mut self) {
        let all = self.all.values();
        self.by_client_id = all
            .map(|decision| (key(decision), decision.version))
            .collect();
    }

    pub(super) fn newest(&self) -> Version {
        let last = self.all.last_key_value();
        last.map_or(Version::ZERO, |(version, _)| *version)
    }

    pub(super) fn after(&self, version: Version) -> impl Iterator<Item = &Decision> {
        let later = self.all.range((Excluded(version), Unbounded));
        later.map(|(_, decision)| decision)
    }

    /// Those that are in force, in the order of their ends, from the first one after `after`.
    pub(super) fn in_force(&self, after: Ends) -> impl Iterator<Item = &Decision> {
        let later = self.in_force.range((Excluded(after), Unbounded));
        later.filter_map(|(_, version)| self.all.get(version))
    }
}
