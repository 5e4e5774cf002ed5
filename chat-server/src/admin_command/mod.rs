//! The subcommand `admin`: asks the administration of a running server.

mod args;
mod call;
mod error;
mod place;
mod show;

pub(crate) use args::command;
pub use args::{AdminTask, Invocation};
pub use call::run;
pub use error::AdminError;
