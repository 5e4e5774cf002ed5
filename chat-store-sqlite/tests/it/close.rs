//! Closing an engine gives its file back.

use chat_core::{ChatEngine, Config, Page, RoomId, UserId};
use chat_store_sqlite::SqliteStore;

#[tokio::test]
async fn a_file_can_be_opened_again_as_soon_as_its_engine_is_closed() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("chat.db");
    let config = Config {
        send_limit: None,
        ..Config::default()
    };
    let user = |name| UserId::new(name).unwrap();
    let room = RoomId::direct(&user("alice"), &user("bob")).unwrap();
    for round in 1..=5 {
        let store = SqliteStore::open(&path).await.unwrap();
        let builder = ChatEngine::builder().store(store);
        let engine = builder.config(config.clone()).build().unwrap();
        // It outlives the call, as the clones in an embedder's own tasks do.
        let alice = engine.actor(user("alice"));
        alice.send(&room, "hello").await.unwrap();
        let page = alice.history(&room, Page::Newest, None).await.unwrap();
        assert_eq!(page.entries.len(), round);
        engine.close().await;
        drop(SqliteStore::open(&path).await.expect("the file is free"));
        assert!(alice.send(&room, "too late").await.is_err());
    }
}
