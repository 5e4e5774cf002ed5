//! What many decisions cost a node at its start.

use std::time::Duration;

use chat_core::ChatEngine;
use chat_testkit::{Database, turn};
use mongodb::bson::doc;
use tokio::time::Instant;

use crate::connect;

#[tokio::test]
async fn a_node_starts_within_2_s_whatever_is_revoked() {
    /// How many tokens are revoked, beside as many revocations that have ended.
    const MANY: i64 = 100_000;
    const MICROS: i64 = 1_000_000;
    /// Two seconds, or the time in which code that is not optimized does as much.
    const LIMIT: Duration = Duration::from_secs(if cfg!(debug_assertions) { 20 } else { 2 });
    let _turn = turn().await;
    let Some(database) = Database::new() else {
        return;
    };
    drop(connect(&database).await);
    let all = database.collection("decisions").await;
    let decision = |version: i64| {
        let (year, seconds) =
            [(1999, 915_148_800), (2999, 32_472_144_000)][usize::from(version % 2 == 1)];
        doc! {
            "_id": version,
            "at": 0_i64,
            "by": "root",
            "via": "admin",
            "reason": "",
            "clientId": format!("d{version}"),
            "ruling": {
                "action": "revoke_token",
                "jti": format!("01890a5d-ac96-774b-bcce-{version:012x}"),
                "until": format!("{year}-01-01T00:00:00Z"),
            },
            "until": seconds * MICROS,
        }
    };
    for first in (1..2 * MANY).step_by(20_000) {
        let page = (first..first + 20_000).map(decision);
        all.insert_many(page).await.unwrap();
    }
    let store = connect(&database).await;
    let engine = ChatEngine::builder().store(store).build().unwrap();
    let begun = Instant::now();
    engine.ready().await.unwrap();
    let took = begun.elapsed();
    println!("a start with {MANY} revocations in force took {took:?}");
    assert!(took < LIMIT, "{took:?}");
}
