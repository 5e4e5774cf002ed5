//! The conformance suite catches broken caches: each by the case that states what it breaks.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
    time::Duration,
};

use async_trait::async_trait;
use chat_core::{
    Clock, ManualClock, Presence, SessionId, UserId,
    memory::MemoryCache,
    port::{BackendError, Cache, PresenceCache, RateCache, RateKey, Transition},
    rate::{Decision, RatePolicy, RateState},
    testing::{
        Faulty, Hooks,
        cache::{CASES, CacheHarness},
    },
};
use tokio::task::yield_now;
use uuid::Uuid;

mod history;

use history::BrokenWindows;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fault {
    None,
    OneLeaseAUser,
    LeasesNeverEnd,
    ComesInTwoSteps,
    LeavesInTwoSteps,
    AnybodyReleases,
    SortedPresence,
    NoLastSeen,
    LastSeenWhenAsked,
    OneOnlineTooMany,
    ExpiredGivenTwice,
    ExpiredRestLost,
    ExpiredThoughBack,
    AcquiresInTwoSteps,
    RefusalCosts,
    WaitTooShort,
    EveryRefusalMutesAnew,
    OneBudgetForAllActions,
    NewestFirst,
    LosesEditedAt,
    StandsAnywhere,
    EpochsAreOne,
    GivesWhatItHas,
    KeepsAll,
    LateFillWins,
    FirstFillStays,
    OtherEpochStays,
    OneEntryACall,
    TakesOverGaps,
    EditsFollow,
    EditsForget,
    LateEditsCount,
    OneWindowForAll,
    ExtendsInTwoSteps,
    ForgetsNobody,
    ForgetsNoWindow,
}

/// Each fault, and the case that is to catch it.
const FAULTS: [(Fault, &str); 35] = [
    (Fault::ForgetsNobody, "a_forgotten_user_was_never_there"),
    (Fault::ForgetsNoWindow, "a_forgotten_window_is_not_given"),
    (
        Fault::OneLeaseAUser,
        "a_user_is_online_while_any_lease_lives",
    ),
    (Fault::LeasesNeverEnd, "a_lease_that_is_not_renewed_ends"),
    (
        Fault::ComesInTwoSteps,
        "of_many_devices_at_once_exactly_one_is_the_first",
    ),
    (
        Fault::LeavesInTwoSteps,
        "of_many_devices_that_leave_at_once_exactly_one_is_the_last",
    ),
    (
        Fault::AnybodyReleases,
        "releasing_a_lease_of_somebody_else_changes_nothing",
    ),
    (Fault::SortedPresence, "presence_answers_in_the_order_asked"),
    (
        Fault::NoLastSeen,
        "the_end_of_the_last_lease_takes_the_user_offline_and_sets_last_seen",
    ),
    (
        Fault::LastSeenWhenAsked,
        "who_expired_was_last_seen_at_the_end_of_the_lease",
    ),
    (Fault::OneOnlineTooMany, "online_gives_at_most_the_limit"),
    (
        Fault::ExpiredGivenTwice,
        "a_user_whose_last_lease_ran_out_is_given_once",
    ),
    (
        Fault::ExpiredRestLost,
        "take_expired_gives_at_most_the_limit_and_the_rest_later",
    ),
    (
        Fault::ExpiredThoughBack,
        "who_is_back_online_has_not_expired",
    ),
    (
        Fault::AcquiresInTwoSteps,
        "of_many_requests_at_once_only_the_budget_is_allowed",
    ),
    (Fault::RefusalCosts, "a_refusal_costs_nothing"),
    (
        Fault::WaitTooShort,
        "a_steady_budget_allows_its_burst_and_then_its_rate",
    ),
    (
        Fault::EveryRefusalMutesAnew,
        "a_window_allows_its_limit_and_then_mutes",
    ),
    (
        Fault::OneBudgetForAllActions,
        "budgets_of_different_keys_do_not_touch_each_other",
    ),
    (
        Fault::NewestFirst,
        "a_window_gives_the_entries_it_was_filled_with",
    ),
    (Fault::LosesEditedAt, "entries_come_back_as_they_were_given"),
    (
        Fault::StandsAnywhere,
        "a_window_that_stands_elsewhere_is_not_given",
    ),
    (
        Fault::EpochsAreOne,
        "a_window_that_stands_elsewhere_is_not_given",
    ),
    (
        Fault::GivesWhatItHas,
        "what_a_window_does_not_hold_whole_is_not_given",
    ),
    (Fault::KeepsAll, "a_window_has_at_most_its_newest_entries"),
    (
        Fault::LateFillWins,
        "filling_from_further_back_changes_nothing",
    ),
    (
        Fault::FirstFillStays,
        "filling_from_there_or_further_on_replaces_the_window",
    ),
    (
        Fault::OtherEpochStays,
        "a_window_of_another_epoch_gives_way_to_a_fill",
    ),
    (
        Fault::OneEntryACall,
        "a_window_takes_the_entries_that_follow",
    ),
    (
        Fault::TakesOverGaps,
        "an_entry_that_does_not_follow_changes_nothing",
    ),
    (
        Fault::EditsFollow,
        "an_edit_or_deletion_leaves_nothing_but_itself",
    ),
    (
        Fault::EditsForget,
        "what_was_edited_or_deleted_does_not_come_back_late",
    ),
    (
        Fault::LateEditsCount,
        "an_edit_or_deletion_that_is_past_changes_nothing",
    ),
    (
        Fault::OneWindowForAll,
        "windows_of_different_rooms_do_not_touch_each_other",
    ),
    (
        Fault::ExtendsInTwoSteps,
        "a_window_has_no_hole_however_many_write_at_once",
    ),
];

#[tokio::test(start_paused = true)]
async fn each_broken_cache_is_caught_by_the_case_of_its_fault() {
    for (fault, case) in FAULTS {
        let verdict = CASES.run(case, &Harness::new(fault)).await;
        assert!(verdict.is_err(), "{case} did not catch {fault:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn without_a_fault_every_case_passes() {
    for case in CASES.names() {
        let verdict = CASES.run(case, &Harness::new(Fault::None)).await;
        assert_eq!(verdict, Ok(()), "{case}");
    }
}

/// The cache in memory with one fault: of presence and budgets, or of windows.
struct Harness {
    clock: Arc<ManualClock>,
    cache: Arc<Faulty<Faulty<MemoryCache, Broken>, BrokenWindows>>,
}

impl Harness {
    fn new(fault: Fault) -> Self {
        let clock = Arc::new(ManualClock::default());
        let time: Arc<dyn Clock> = Arc::<ManualClock>::clone(&clock);
        let good = MemoryCache::new(time);
        let broken = Arc::new(Broken {
            fault,
            clock: Arc::clone(&clock),
            good: good.clone(),
            users: Mutex::default(),
            states: Mutex::default(),
            silence: Mutex::default(),
        });
        let windows = Arc::new(BrokenWindows::new(fault));
        let cache = Faulty::new(Faulty::new(good).hooked(broken)).hooked(windows);
        Self {
            clock,
            cache: Arc::new(cache),
        }
    }
}

#[async_trait]
impl CacheHarness for Harness {
    async fn cache(&self) -> Arc<dyn Cache> {
        Arc::<Faulty<_, _>>::clone(&self.cache)
    }

    async fn elapse(&self, time: Duration) {
        self.clock.advance(time);
    }
}

#[derive(Debug)]
struct Broken {
    fault: Fault,
    clock: Arc<ManualClock>,
    good: MemoryCache,
    users: Mutex<Vec<UserId>>,
    states: Mutex<HashMap<RateKey, RateState>>,
    silence: Mutex<Duration>,
}

#[async_trait]
impl Hooks for Broken {
    async fn touch(
        &self,
        _: &dyn PresenceCache,
        user: &UserId,
        session: SessionId,
        ttl: Duration,
    ) -> Result<Transition, BackendError> {
        let Self {
            fault, good, users, ..
        } = self;
        match fault {
            Fault::OneLeaseAUser => good.touch(user, SessionId(Uuid::nil()), ttl).await,
            Fault::LeasesNeverEnd => good.touch(user, session, Duration::MAX).await,
            Fault::ComesInTwoSteps => {
                let online = good.presence(std::slice::from_ref(user)).await?[0].online;
                yield_now().await;
                good.touch(user, session, ttl).await?;
                Ok(if online {
                    Transition::Same
                } else {
                    Transition::BecameOnline
                })
            }
            Fault::ExpiredThoughBack => {
                let expired = good.take_expired(usize::MAX).await?;
                users.lock().unwrap().extend(expired);
                good.touch(user, session, ttl).await
            }
            _ => good.touch(user, session, ttl).await,
        }
    }

    async fn forget_user(&self, _: &dyn PresenceCache, user: &UserId) -> Result<(), BackendError> {
        match self.fault {
            Fault::ForgetsNobody => Ok(()),
            _ => self.good.forget_user(user).await,
        }
    }

    async fn release(
        &self,
        _: &dyn PresenceCache,
        user: &UserId,
        session: SessionId,
    ) -> Result<Transition, BackendError> {
        let Self { fault, good, .. } = self;
        match fault {
            Fault::OneLeaseAUser => good.release(user, SessionId(Uuid::nil())).await,
            Fault::LeavesInTwoSteps => {
                good.release(user, session).await?;
                yield_now().await;
                let online = good.presence(std::slice::from_ref(user)).await?[0].online;
                Ok(if online {
                    Transition::Same
                } else {
                    Transition::BecameOffline
                })
            }
            Fault::AnybodyReleases => {
                let mut change = Transition::Same;
                for user in good.online(usize::MAX).await? {
                    if good.release(&user, session).await? != Transition::Same {
                        change = Transition::BecameOffline;
                    }
                }
                Ok(change)
            }
            _ => good.release(user, session).await,
        }
    }

    async fn presence(
        &self,
        _: &dyn PresenceCache,
        users: &[UserId],
    ) -> Result<Vec<Presence>, BackendError> {
        let mut answer = self.good.presence(users).await?;
        match self.fault {
            Fault::SortedPresence => answer.sort_by(|one, other| one.user.cmp(&other.user)),
            Fault::NoLastSeen => answer.iter_mut().for_each(|one| one.last_seen = None),
            Fault::LastSeenWhenAsked => {
                let left = answer.iter_mut().filter(|one| one.last_seen.is_some());
                left.for_each(|one| one.last_seen = Some(self.clock.now()));
            }
            _ => {}
        }
        Ok(answer)
    }

    async fn online(
        &self,
        _: &dyn PresenceCache,
        limit: usize,
    ) -> Result<Vec<UserId>, BackendError> {
        let more = usize::from(self.fault == Fault::OneOnlineTooMany);
        self.good.online(limit + more).await
    }

    async fn take_expired(
        &self,
        _: &dyn PresenceCache,
        limit: usize,
    ) -> Result<Vec<UserId>, BackendError> {
        let Self {
            fault, good, users, ..
        } = self;
        match fault {
            Fault::ExpiredRestLost => {
                let mut all = good.take_expired(usize::MAX).await?;
                all.truncate(limit);
                Ok(all)
            }
            Fault::ExpiredGivenTwice => {
                let new = good.take_expired(limit).await?;
                let old = std::mem::replace(&mut *users.lock().unwrap(), new.clone());
                Ok([old, new].concat())
            }
            Fault::ExpiredThoughBack => {
                let new = good.take_expired(limit).await?;
                let old = std::mem::take(&mut *users.lock().unwrap());
                Ok([old, new].concat())
            }
            _ => good.take_expired(limit).await,
        }
    }

    async fn acquire(
        &self,
        _: &dyn RateCache,
        key: &RateKey,
        policy: &RatePolicy,
    ) -> Result<Decision, BackendError> {
        let Self {
            fault,
            good,
            states,
            silence,
            ..
        } = self;
        let now = self.clock.monotonic();
        match fault {
            Fault::AcquiresInTwoSteps => {
                let known = states.lock().unwrap().get(key).copied();
                let mut state = known.unwrap_or_default();
                yield_now().await;
                let decision = policy.decide(&mut state, now);
                states.lock().unwrap().insert(key.clone(), state);
                Ok(decision)
            }
            Fault::RefusalCosts => {
                // Whoever asks too early waits from then on anew.
                let retry_after = Duration::from_secs(2);
                let early = now < *silence.lock().unwrap();
                let decision = if early {
                    Decision::Refused { retry_after }
                } else {
                    good.acquire(key, policy).await?
                };
                if decision != Decision::Allowed {
                    *silence.lock().unwrap() = now + retry_after;
                }
                Ok(decision)
            }
            Fault::WaitTooShort => Ok(match good.acquire(key, policy).await? {
                Decision::Refused { retry_after } => Decision::Refused {
                    retry_after: retry_after / 2,
                },
                other => other,
            }),
            Fault::EveryRefusalMutesAnew => Ok(match good.acquire(key, policy).await? {
                Decision::Muted { retry_after } => Decision::MutedNow { retry_after },
                other => other,
            }),
            Fault::OneBudgetForAllActions => {
                let (action, user) = ("all".into(), key.user.clone());
                good.acquire(&RateKey { action, user }, policy).await
            }
            _ => good.acquire(key, policy).await,
        }
    }
}
