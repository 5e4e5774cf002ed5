//! Whatever users do in rooms has the answers of a small reference.

use std::sync::Arc;

use chat_core::{memory::MemoryStore, testing::rooms};

#[tokio::test]
async fn random_commands_in_rooms_get_the_answers_of_a_small_reference() {
    rooms::check(Arc::new(MemoryStore::default()), 1, 10_000).await;
}

#[tokio::test]
async fn random_commands_on_two_nodes_get_the_answers_of_a_small_reference() {
    rooms::check(Arc::new(MemoryStore::default()), 2, 10_000).await;
}
