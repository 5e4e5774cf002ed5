//! The store on `SQLite` keeps the contract.

use std::{
    fs,
    path::PathBuf,
    sync::{Arc, Mutex},
};

use async_trait::async_trait;
use chat_core::{
    port::Store,
    testing::{rooms, store::StoreHarness},
};
use chat_store_sqlite::SqliteStore;
use tempfile::TempDir;

struct Sqlite {
    // Closed before the folder goes. The last one is open, those before it have crashed.
    stores: Mutex<Vec<Arc<SqliteStore>>>,
    folder: TempDir,
}

impl Sqlite {
    /// The files of the store that is opened after so many crashes.
    fn files(&self, crashes: usize) -> [PathBuf; 2] {
        let names = ["chat.db", "chat.db-wal"];
        names.map(|name| self.folder.path().join(format!("{crashes}")).join(name))
    }

    async fn open(&self) {
        let [file, _] = self.files(self.stores.lock().unwrap().len());
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        let store = SqliteStore::open(file).await.unwrap();
        self.stores.lock().unwrap().push(Arc::new(store));
    }
}

#[async_trait]
impl StoreHarness for Sqlite {
    fn store(&self) -> Arc<dyn Store> {
        let stores = self.stores.lock().unwrap();
        Arc::<SqliteStore>::clone(stores.last().unwrap())
    }

    async fn reopen(&self) -> bool {
        drop(self.stores.lock().unwrap().pop());
        self.open().await;
        true
    }

    /// What lies in the files while the store is at work is what a crash leaves. The log is short
    /// enough that nothing is moved from it into the database while they are copied.
    async fn crash(&self) -> bool {
        let crashes = self.stores.lock().unwrap().len();
        let (left, opened) = (self.files(crashes - 1), self.files(crashes));
        fs::create_dir_all(opened[0].parent().unwrap()).unwrap();
        for (left, opened) in left.iter().zip(&opened) {
            fs::copy(left, opened).unwrap();
        }
        self.open().await;
        true
    }
}

async fn fresh() -> Sqlite {
    let harness = Sqlite {
        stores: Mutex::default(),
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

#[tokio::test]
async fn random_commands_in_rooms_get_the_answers_of_a_small_reference() {
    for nodes in [1, 2] {
        let harness = fresh().await;
        rooms::check(harness.store(), nodes, 500).await;
    }
}
