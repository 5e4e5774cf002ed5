//! Several nodes on one store: hints go out, hints come in, and lost hints are made up for.

mod catch_up;
pub(crate) mod caught;
pub(crate) mod hints_in;
pub(crate) mod hints_out;
pub(crate) mod listen;
pub(crate) mod policy;
pub(crate) mod record;
