//! What many decisions cost a node: its start, its memory, and each check.

use std::{fs, hint::black_box, sync::Arc, time::Duration};

use chat_core::{ChatEngine, Clock, Principal, SystemClock, TokenId, UserId, port::PolicyStore};
use chat_store_sqlite::SqliteStore;
use chat_testkit::{child, turn};
use chrono::TimeDelta;
use rusqlite::Connection;
use tokio::time::Instant;

/// A second, or the time in which code that is not optimized does as much.
const SECOND: Duration = if cfg!(debug_assertions) {
    Duration::from_secs(10)
} else {
    Duration::from_secs(1)
};

/// How many tokens are revoked.
const MANY: u32 = 100_000;

#[tokio::test]
async fn a_hundred_thousand_revocations_cost_a_start_less_than_2_s_and_30_mb() {
    let _turn = turn().await;
    let child = child::command("decisions::child_that_starts_with_many_revocations");
    child::passes(child);
}

/// The memory of this process in bytes.
fn resident() -> usize {
    let pages = fs::read_to_string("/proc/self/statm").unwrap();
    let resident = pages.split(' ').nth(1).unwrap();
    resident.parse::<usize>().unwrap() * 4_096
}

#[tokio::test]
#[ignore = "the process whose memory the test above measures"]
async fn child_that_starts_with_many_revocations() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("chat.db");
    drop(SqliteStore::open(&path).await.unwrap());
    let file = Connection::open(&path).unwrap();
    // As many that have ended, and are not to be read.
    file.execute(
        "WITH RECURSIVE one (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM one WHERE n < 2 * ?1) \
         INSERT INTO decision (version, at, author, via, reason, client_id, ruling, until) \
         SELECT n, unixepoch() * 1000000, 'root', 'admin', '', 'd' || n, json_object('action', 'revoke_token', \
         'jti', format('01890a5d-ac96-774b-bcce-%012x', n), 'until', ends), \
         CAST(unixepoch(ends) * 1000000 AS INTEGER) \
         FROM (SELECT n, iif(n % 2, '2999-01-01T00:00:00Z', '1999-01-01T00:00:00Z') AS ends FROM one)",
        [MANY],
    )
    .unwrap();
    drop(file);

    let store = Arc::new(SqliteStore::open(&path).await.unwrap());
    let engine = ChatEngine::builder()
        .store(Arc::clone(&store))
        .build()
        .unwrap();
    let (before, begun) = (resident(), Instant::now());
    engine.ready().await.unwrap();
    // The engine does so as well, beside its start.
    let now = SystemClock::default().now();
    let old = now - TimeDelta::days(400);
    store.forget_decisions(old, now).await.unwrap();
    let (took, grown) = (begun.elapsed(), resident().saturating_sub(before));
    assert!(took < 2 * SECOND, "{took:?}");
    assert!(grown < 30_000_000, "{grown} bytes");

    let token = |number: u32| Principal {
        token: TokenId::new(format!("01890a5d-ac96-774b-bcce-{number:012x}")).ok(),
        ..Principal::trusted(UserId::new("alice").unwrap())
    };
    assert!(engine.admit(&token(1)).await.is_err());
    assert!(engine.admit(&token(2 * MANY - 1)).await.is_err());
    let ended = token(2);
    let begun = Instant::now();
    for _ in 0..MANY {
        engine.admit(black_box(&ended)).await.unwrap();
    }
    let each = begun.elapsed() / MANY;
    assert!(each < SECOND / 1_000_000, "{each:?}");
    println!("start {took:?}, memory {grown} bytes, check {each:?}");
}
