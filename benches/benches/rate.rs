//! What the decision of a rate limit costs: `cargo bench -p benches --bench rate`.
//!
//! Through the cache in memory, with the budgets of one user and of 100,000, and as the bare rule.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    reason = "a bench fails by panicking; its macros write items"
)]

use std::{hint::black_box, time::Duration};

use benches::user;
use chat_core::{
    UserId,
    memory::MemoryCache,
    port::{RateCache, RateKey},
    rate::{Decision, RatePolicy, RateState},
};
use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use tokio::runtime::Builder;

/// Of which nobody uses up the budget, and one that is used up after the first.
const POLICIES: [(&str, RatePolicy); 3] = [
    (
        "window",
        RatePolicy::Window {
            limit: u32::MAX,
            window: Duration::from_mins(1),
            mute: Duration::from_secs(5),
        },
    ),
    (
        "steady",
        RatePolicy::Steady {
            interval: Duration::from_nanos(1),
            burst: u32::MAX,
        },
    ),
    (
        "refused",
        RatePolicy::Steady {
            interval: Duration::from_hours(1),
            burst: 1,
        },
    ),
];

fn rate(c: &mut Criterion) {
    let runtime = Builder::new_current_thread().build().unwrap();
    let mut group = c.benchmark_group("rate");
    for (name, policy) in POLICIES {
        let mut state = RateState::default();
        group.bench_function(BenchmarkId::new(name, "rule"), |b| {
            b.iter(|| policy.decide(black_box(&mut state), black_box(Duration::ZERO)));
        });
        for users in [1, 100_000] {
            let cache = MemoryCache::default();
            let keys = (0..users).map(|index| RateKey {
                action: "send".into(),
                user: UserId::new(user(index)).unwrap(),
            });
            let keys: Vec<_> = keys.collect();
            // Each has a budget before the first is measured.
            for key in &keys {
                let first = runtime.block_on(cache.acquire(key, &policy)).unwrap();
                assert_eq!(first, Decision::Allowed);
            }
            let mut keys = keys.iter().cycle();
            group.bench_function(BenchmarkId::new(name, users), |b| {
                b.iter(|| runtime.block_on(cache.acquire(keys.next().unwrap(), &policy)));
            });
        }
    }
    group.finish();
}

criterion_group!(benches, rate);
criterion_main!(benches);
