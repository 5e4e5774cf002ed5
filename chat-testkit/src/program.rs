//! The program `chat-server`: where it is, and how it runs to its end.

use std::{
    env, fs,
    net::SocketAddr,
    path::{Path, PathBuf},
    process::Stdio,
    sync::LazyLock,
    time::SystemTime,
};

use tokio::{
    io::{AsyncBufReadExt as _, BufReader},
    process::{Child, Command},
    time::timeout,
};

use crate::{PATIENCE, signal};

/// Where the program is: what `CHAT_SERVER` names, or else `chat-server` in the folder of the profile
/// that the tests are built with.
///
/// Cargo builds that one with the tests of `chat-server`, and so with those of the workspace, but not
/// with those of another crate alone.
///
/// # Panics
///
/// When it is not there, or is older than its sources.
pub fn path() -> &'static Path {
    static PATH: LazyLock<PathBuf> = LazyLock::new(|| {
        env::var_os("CHAT_SERVER").map_or_else(built, |path| {
            // The program may be started in another folder.
            fs::canonicalize(&path).unwrap_or_else(|error| panic!("CHAT_SERVER: {error}"))
        })
    });
    &PATH
}

fn built() -> PathBuf {
    const BUILD: &str = "build it with cargo build -p chat-server, or test the whole workspace";
    let this = env::current_exe().unwrap();
    // The tests are in the folder `deps` beside it.
    let path = this.parent().and_then(Path::parent).unwrap();
    let path = path.join("chat-server");
    let modified = |path: &Path| fs::metadata(path).and_then(|it| it.modified()).ok();
    let Some(built) = modified(&path) else {
        panic!("there is no {}: {BUILD}", path.display());
    };
    // Cargo says what it was built from. What has changed since the tests were built is for later.
    let tests_built = modified(&this).unwrap_or(SystemTime::UNIX_EPOCH);
    let sources = fs::read_to_string(path.with_extension("d")).unwrap_or_default();
    let newer = sources.split_whitespace().skip(1).find(|source| {
        let changed = modified(Path::new(source));
        changed.is_some_and(|changed| built < changed && changed < tests_built)
    });
    if let Some(newer) = newer {
        panic!("{} is older than {newer}: {BUILD}", path.display());
    }
    path
}

/// The program with these arguments, in this folder and in an empty environment. What it writes can be
/// read; it is killed when the process is dropped.
pub fn command(folder: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(path());
    command
        .args(arguments)
        .current_dir(folder)
        .env_clear()
        .kill_on_drop(true)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

/// A server that has said that it serves.
#[derive(Debug)]
pub struct Greeted {
    /// Its process; of its output, what it greets with has been read.
    pub process: Child,
    /// Where it says that it listens.
    pub address: SocketAddr,
    /// The lines of its greeting.
    pub greeting: String,
}

impl Greeted {
    /// Sends it a signal by its name, such as `TERM`.
    pub fn signal(&self, name: &str) {
        signal(self.process.id().expect("it runs"), name);
    }
}

/// Starts a server on a port that it chooses, and reads its greeting.
pub async fn greeted(mut command: Command) -> Greeted {
    command.args(["--listen", "127.0.0.1:0"]);
    let mut process = command.spawn().unwrap();
    let mut lines = BufReader::new(process.stdout.take().unwrap()).lines();
    let mut greeting = String::new();
    while let Some(line) = timeout(PATIENCE, lines.next_line()).await.unwrap().unwrap() {
        greeting += &line;
        greeting += "\n";
        if line.contains("Ctrl+C") {
            break;
        }
    }
    let address = greeting.split("://").nth(1);
    let address = address.and_then(|rest| rest.split_whitespace().next());
    let address = address.and_then(|address| address.parse().ok());
    let address = address.unwrap_or_else(|| panic!("no greeting: {greeting}"));
    Greeted {
        process,
        address,
        greeting,
    }
}
