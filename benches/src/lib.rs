//! What the benches and the load generator share. The benches live beside this file.

mod messages;
mod stock;

pub use messages::{Messages, TEXT};
pub use stock::{Fallible, Stock, drop_cached, scatter, user};

/// Whether this is `cargo bench`. A test tries each bench once, and needs no large store for that.
pub fn measuring() -> bool {
    let given = |flag: &str| std::env::args().any(|argument| argument == flag);
    given("--bench") && !given("--test")
}
