//! Real servers that a test needs and that a machine may lack.

use std::{
    collections::BTreeSet,
    env,
    io::Write as _,
    sync::{Mutex, PoisonError},
};

static TOLD: Mutex<BTreeSet<&str>> = Mutex::new(BTreeSet::new());

/// The value of an environment variable that names a real server for tests, such as `MONGODB_URI`.
///
/// Without the variable it returns `None`; the test then returns, and so passes. To keep that
/// visible, the first such call writes a line that begins with `LEFT OUT` to standard error, past
/// the capture of a test's output.
///
/// # Panics
///
/// When the variable is not set and `CHAT_REQUIRE_SERVICES` is: then no test may be left out.
pub fn service(variable: &'static str) -> Option<String> {
    let value = env::var(variable).ok().filter(|value| !value.is_empty());
    if value.is_none() {
        assert!(
            env::var_os("CHAT_REQUIRE_SERVICES").is_none(),
            "{variable} is not set, and no test may be left out"
        );
        if TOLD
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(variable)
        {
            let line = format!(
                "LEFT OUT of {}: all tests that need {variable}; in this project it is set by \
                 eval \"$(scripts/services up)\"\n",
                program()
            );
            // The line is written in one call, so that no other output gets into it.
            let _ = std::io::stderr().write_all(line.as_bytes());
        }
    }
    value
}

/// The crate and the file of the running tests, as cargo names them.
fn program() -> String {
    let package = env::var("CARGO_PKG_NAME").unwrap_or_default();
    let file = env::current_exe().ok();
    let file = file.as_ref().and_then(|file| file.file_stem()?.to_str());
    let (name, _) = file.and_then(|it| it.rsplit_once('-')).unwrap_or_default();
    format!("{package} ({name})")
}
