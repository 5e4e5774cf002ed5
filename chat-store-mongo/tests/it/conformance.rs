//! The store on `MongoDB` keeps the contract.

use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use chat_core::{
    memory::MemoryStore,
    port::Store,
    testing::{
        rooms,
        store::{CASES, StoreHarness},
    },
};
use chat_store_mongo::MongoStore;
use chat_testkit::{Database, Mongod, PATIENCE, service};
use tokio::time::Instant;

/// Without a server the case runs on the store in memory, after a line that says so.
struct Mongo {
    store: Mutex<Option<Arc<MongoStore>>>,
    place: Option<Place>,
    instead: Arc<MemoryStore>,
}

/// The server that holds the store's database.
enum Place {
    /// A database of the common server.
    Common(Database),
    /// A server of its own, which may be killed.
    Own(Mutex<Mongod>),
}

impl Place {
    fn uri(&self) -> String {
        match self {
            Self::Common(database) => database.uri.clone(),
            Self::Own(server) => server.lock().unwrap().uri(""),
        }
    }
}

impl Mongo {
    async fn open(&self) {
        if let Some(place) = &self.place {
            let began = Instant::now();
            let store = loop {
                match MongoStore::connect(&place.uri()).await {
                    Ok(store) => break store,
                    // The server may still be starting.
                    Err(error) => assert!(began.elapsed() < PATIENCE, "{error}"),
                }
            };
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
        self.place.is_some()
    }

    /// Kills the server in the middle of what it does, and starts it again.
    async fn crash(&self) -> bool {
        let Some(Place::Own(server)) = &self.place else {
            return false;
        };
        server.lock().unwrap().kill();
        drop(self.store.lock().unwrap().take());
        server.lock().unwrap().restart();
        self.open().await;
        true
    }
}

async fn fresh() -> Mongo {
    let harness = Mongo {
        store: Mutex::default(),
        place: Database::new().map(Place::Common),
        instead: Arc::default(),
    };
    harness.open().await;
    harness
}

chat_core::store_conformance!(fresh);

#[tokio::test]
async fn what_was_answered_is_there_after_the_server_was_killed() {
    let Some(server) = Mongod::start(&[]).await else {
        return;
    };
    let harness = Mongo {
        store: Mutex::default(),
        place: Some(Place::Own(server.into())),
        instead: Arc::default(),
    };
    harness.open().await;
    for case in [
        "a_decision_that_was_answered_is_there_after_a_crash",
        "what_was_answered_is_there_after_a_crash",
    ] {
        assert_eq!(CASES.run(case, &harness).await, Ok(()), "{case}");
    }
}

#[test]
fn random_commands_get_the_answers_of_the_memory_store() {
    if service("MONGODB_URI").is_some() {
        chat_core::testing::model::check(24, fresh);
    }
}

#[tokio::test]
async fn random_commands_in_rooms_get_the_answers_of_a_small_reference() {
    if service("MONGODB_URI").is_some() {
        for nodes in [1, 2] {
            let harness = fresh().await;
            rooms::check(harness.store(), nodes, 100).await;
        }
    }
}
