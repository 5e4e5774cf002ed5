//! Real servers, which a machine may have or not.

use std::{
    collections::BTreeSet,
    env,
    io::Write as _,
    sync::{Mutex, PoisonError},
};

static TOLD: Mutex<BTreeSet<&str>> = Mutex::new(BTreeSet::new());

/// The value of an environment variable that names a real server for tests, such as `MONGODB_URI`.
///
/// Without it a test returns, and so passes. That must not go unseen: the first time, a line that
/// begins with `LEFT OUT` goes to standard error, past the capture of a test's output.
///
/// # Panics
///
/// When it is not set and `CHAT_REQUIRE_SERVICES` is: no test may be left out.
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
            // In one piece, so that no other line gets between.
            let _ = std::io::stderr().write_all(line.as_bytes());
        }
    }
    value
}

/// The crate and the file of the tests that run, as cargo names them.
fn program() -> String {
    let package = env::var("CARGO_PKG_NAME").unwrap_or_default();
    let file = env::current_exe().ok();
    let file = file.as_ref().and_then(|file| file.file_stem()?.to_str());
    let (name, _) = file.and_then(|it| it.rsplit_once('-')).unwrap_or_default();
    format!("{package} ({name})")
}
