//! The log of decisions, in collection `decisions`. A decision takes its version by being inserted under it,
//! as an entry takes its number.

use std::{collections::HashSet, sync::Arc};

use async_trait::async_trait;
use chat_core::{
    Decision, Ends, NewDecision, Version,
    port::{BackendError, PolicyStore},
};
use chrono::{DateTime, Utc};
use futures_util::TryStreamExt;
use mongodb::{
    bson::{Document, doc},
    error::Result as MongoResult,
};
use tokio::time::sleep;

use crate::{
    collections::{AGAIN, Collections, at_most, read, within},
    decision_doc::{DecisionDoc, number, version},
    error::{self, DUPLICATE_KEY},
    store::MongoStore,
};

#[async_trait]
impl PolicyStore for MongoStore {
    async fn decide(&self, new: NewDecision) -> Result<Decision, BackendError> {
        let (all, turn) = (self.collections.clone(), Arc::clone(&self.deciding));
        within("decide", async move {
            // Concurrent decisions of one process would only race one another.
            let _turn = turn.lock().await;
            all.decide(new.in_micros()).await
        })
        .await
    }

    async fn decisions(&self, after: Version, limit: usize) -> Result<Vec<Decision>, BackendError> {
        let all = self.collections.clone();
        read("decisions", async move {
            if limit == 0 {
                return Ok(Vec::new());
            }
            let later = all
                .decisions
                .find(doc! { "_id": { "$gt": number(after) } })
                .sort(doc! { "_id": 1 })
                .limit(at_most(limit));
            let found: Vec<DecisionDoc> = later.await?.try_collect().await?;
            found.into_iter().map(DecisionDoc::decision).collect()
        })
        .await
    }

    async fn newest_decision(&self) -> Result<Version, BackendError> {
        let all = self.collections.clone();
        read(
            "newest_decision",
            async move { all.newest_decision().await },
        )
        .await
    }

    async fn forget_decisions(
        &self,
        before: DateTime<Utc>,
        now: DateTime<Utc>,
    ) -> Result<(), BackendError> {
        let all = self.collections.clone();
        let (before, now) = (before.timestamp_micros(), now.timestamp_micros());
        within("forget_decisions", async move {
            all.forget_decisions(before, now).await
        })
        .await
    }

    async fn in_force(&self, after: Ends, limit: usize) -> Result<Vec<Decision>, BackendError> {
        let all = self.collections.clone();
        read("in_force", async move {
            let mut found = Vec::new();
            let mut after = (after.at.timestamp_micros(), number(after.version));
            while found.len() < limit {
                let page = all.lasting(after, limit - found.len()).await?;
                let Some(last) = page.last() else { break };
                after = (last.until.unwrap_or(i64::MAX), last.version);
                let lifted = all.lifted(&page).await?;
                let in_force = page.into_iter().filter(|it| !lifted.contains(&it.version));
                for decision in in_force {
                    found.push(decision.decision()?);
                }
            }
            Ok(found)
        })
        .await
    }
}

impl Collections {
    async fn decide(&self, new: NewDecision) -> MongoResult<Decision> {
        loop {
            let first = doc! { "by": new.by.as_str(), "clientId": new.client_id.as_str() };
            if let Some(first) = self.decisions.find_one(first).await? {
                return first.decision();
            }
            let next = self.newest_decision().await?.next();
            let decision = DecisionDoc::of(new.clone().numbered(next));
            match self.decisions.insert_one(&decision).await {
                Ok(_) => return decision.decision(),
                // The one that has the version, or the client id, may not be at a majority yet.
                Err(taken) if error::code(&taken) == Some(DUPLICATE_KEY) => sleep(AGAIN).await,
                Err(error) => return Err(error),
            }
        }
    }

    /// Removes decisions from before a moment, some at a time.
    async fn forget_decisions(&self, before: i64, now: i64) -> MongoResult<()> {
        const SOME: i64 = 1_000;
        let newest = number(self.newest_decision().await?);
        let mut after = 0;
        loop {
            let old = doc! { "at": { "$lt": before }, "_id": { "$gt": after, "$lt": newest } };
            let old = self.decisions.find(old).sort(doc! { "_id": 1 }).limit(SOME);
            let old: Vec<DecisionDoc> = old.await?.try_collect().await?;
            let Some(last) = old.last() else {
                return Ok(());
            };
            after = last.version;
            let lifted = self.lifted(&old).await?;
            let lifts: Vec<i64> = old.iter().filter_map(|it| it.lifts).collect();
            // What is lifted stands before its lift, and was looked at before.
            let gone: Vec<i64> = old
                .iter()
                .filter(|it| it.lifts.is_none())
                .filter(|it| it.until.is_none_or(|end| end <= now) || lifted.contains(&it.version))
                .map(|it| it.version)
                .collect();
            self.decisions
                .delete_many(doc! { "_id": { "$in": gone } })
                .await?;
            let left = self.decisions.find(doc! { "_id": { "$in": lifts } });
            let left: Vec<DecisionDoc> = left.await?.try_collect().await?;
            let left: HashSet<i64> = left.into_iter().map(|it| it.version).collect();
            let useless = old
                .iter()
                .filter(|it| it.lifts.is_some_and(|it| !left.contains(&it)));
            let useless: Vec<i64> = useless.map(|it| it.version).collect();
            self.decisions
                .delete_many(doc! { "_id": { "$in": useless } })
                .await?;
        }
    }

    async fn newest_decision(&self) -> MongoResult<Version> {
        let newest = self.decisions.clone_with_type::<Document>();
        let newest = newest
            .find_one(doc! {})
            .sort(doc! { "_id": -1 })
            .projection(doc! { "_id": 1 })
            .await?;
        let number = newest.and_then(|newest| newest.get_i64("_id").ok());
        Ok(number.map_or(Version::ZERO, version))
    }

    /// Reads decisions that end, lifted or not, in the order of their ends, from the first one after an end
    /// and a version.
    async fn lasting(
        &self,
        (end, version): (i64, i64),
        limit: usize,
    ) -> MongoResult<Vec<DecisionDoc>> {
        let later = doc! { "$or": [
            { "until": { "$gt": end } },
            { "until": end, "_id": { "$gt": version } },
        ] };
        let later = self.decisions.find(later);
        let later = later
            .sort(doc! { "until": 1, "_id": 1 })
            .limit(at_most(limit));
        later.await?.try_collect().await
    }

    /// The versions of those of these decisions that a later one lifts.
    async fn lifted(&self, decisions: &[DecisionDoc]) -> MongoResult<HashSet<i64>> {
        let versions: Vec<i64> = decisions.iter().map(|decision| decision.version).collect();
        let lifts = doc! { "lifts": { "$in": versions } };
        let lifts: Vec<DecisionDoc> = self.decisions.find(lifts).await?.try_collect().await?;
        let lifted = lifts
            .into_iter()
            .filter_map(|lift| lift.lifts.filter(|lifted| *lifted < lift.version));
        Ok(lifted.collect())
    }
}
