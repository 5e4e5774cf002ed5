//! Backends that fail according to a test's script.

mod by_hand;
mod decorator;
mod ports;
mod script;

pub use self::{
    decorator::Faulty,
    ports::Hooks,
    script::{Fault, Gate, Method, Script},
};
