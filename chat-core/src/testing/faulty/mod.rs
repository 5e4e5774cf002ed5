//! Backends that fail as a test's script says.

mod by_hand;
mod decorator;
mod ports;
mod script;

pub use self::{
    decorator::Faulty,
    ports::Hooks,
    script::{Fault, Gate, Method, Script},
};
