//! Chat in the terminal; `chat-cli --help` says how.

mod program;

fn main() -> std::process::ExitCode {
    program::run()
}
