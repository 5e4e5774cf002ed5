//! Chat in the terminal; `chat-cli --help` says how.

mod profile;
mod program;
mod screen;
mod script;

fn main() -> std::process::ExitCode {
    program::run()
}
