//! Whatever users do in rooms has the answers of a small reference.

use std::sync::Arc;

use chat_core::{Seq, memory::MemoryStore, testing::rooms};

use crate::cluster::{Cluster, Pages};

#[tokio::test]
async fn random_commands_in_rooms_get_the_answers_of_a_small_reference() {
    rooms::check(Arc::new(MemoryStore::default()), 1, 10_000).await;
}

#[tokio::test]
async fn random_commands_on_two_nodes_get_the_answers_of_a_small_reference() {
    rooms::check(Arc::new(MemoryStore::default()), 2, 10_000).await;
}

#[tokio::test]
#[should_panic(expected = "ought to be")]
async fn random_commands_find_out_a_store_that_hides_an_entry() {
    let hiding = Pages {
        hidden: Some(Seq(7)).into(),
        ..Pages::default()
    };
    let cluster = Cluster::new(hiding, ());
    rooms::check(Arc::new(cluster.store.clone()), 1, 10_000).await;
}
