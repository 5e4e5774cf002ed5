//! Rate limits: pure logic, with the time passed in.

mod budgets;
mod gcra;
mod policy;
mod state;
mod window;

pub use budgets::Budgets;
pub use policy::RatePolicy;
pub use state::{Decision, RateState};

#[cfg(test)]
mod tests;
