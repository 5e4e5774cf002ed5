//! The store on `SQLite` keeps the contract.

use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use chat_core::{port::Store, testing::store::StoreHarness};
use chat_store_sqlite::SqliteStore;
use tempfile::TempDir;

struct Sqlite {
    // Closed before the folder goes.
    store: Mutex<Option<Arc<SqliteStore>>>,
    folder: TempDir,
}

impl Sqlite {
    async fn open(&self) {
        let path = self.folder.path().join("chat.db");
        let store = SqliteStore::open(path).await.unwrap();
        *self.store.lock().unwrap() = Some(Arc::new(store));
    }
}

#[async_trait]
impl StoreHarness for Sqlite {
    fn store(&self) -> Arc<dyn Store> {
        let store = self.store.lock().unwrap();
        Arc::<SqliteStore>::clone(store.as_ref().unwrap())
    }

    async fn reopen(&self) -> bool {
        drop(self.store.lock().unwrap().take());
        self.open().await;
        true
    }
}

async fn fresh() -> Sqlite {
    let harness = Sqlite {
        store: Mutex::default(),
        folder: tempfile::tempdir().unwrap(),
    };
    harness.open().await;
    harness
}

chat_core::store_conformance!(fresh);

#[test]
fn random_commands_get_the_answers_of_the_memory_store() {
    chat_core::testing::model::check(64, fresh);
}
