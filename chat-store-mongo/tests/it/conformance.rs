//! The store on `MongoDB` keeps the contract.

use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use chat_core::{memory::MemoryStore, port::Store, testing::store::StoreHarness};
use chat_store_mongo::MongoStore;
use chat_testkit::{Database, service};

use crate::connect;

/// Without a server the case runs on the store in memory, after a line that says so.
struct Mongo {
    store: Mutex<Option<Arc<MongoStore>>>,
    database: Option<Database>,
    instead: Arc<MemoryStore>,
}

impl Mongo {
    async fn open(&self) {
        if let Some(database) = &self.database {
            let store = connect(database).await;
            *self.store.lock().unwrap() = Some(Arc::new(store));
        }
    }
}

#[async_trait]
impl StoreHarness for Mongo {
    fn store(&self) -> Arc<dyn Store> {
        match &*self.store.lock().unwrap() {
            Some(store) => Arc::<MongoStore>::clone(store),
            None => Arc::<MemoryStore>::clone(&self.instead),
        }
    }

    async fn reopen(&self) -> bool {
        drop(self.store.lock().unwrap().take());
        self.open().await;
        self.database.is_some()
    }
}

async fn fresh() -> Mongo {
    let harness = Mongo {
        store: Mutex::default(),
        database: Database::new(),
        instead: Arc::default(),
    };
    harness.open().await;
    harness
}

chat_core::store_conformance!(fresh);

#[test]
fn random_commands_get_the_answers_of_the_memory_store() {
    if service("MONGODB_URI").is_some() {
        chat_core::testing::model::check(24, fresh);
    }
}
