//! The record as a file of JSON lines, for programs that collect logs.

use std::{
    fs::{File, OpenOptions},
    io::{self, Read as _, Seek as _, SeekFrom, Write as _},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use chat_core::{ChatEngine, Version};
use serde_json::Value;
use tokio_util::sync::CancellationToken;

use super::audit::rows;
use crate::files::FileError;

/// How soon after a decision its line is written.
const EVERY: Duration = Duration::from_millis(200);

/// How soon after a failure the file is written again.
const RETRY: Duration = Duration::from_secs(5);

/// How many decisions are read at once.
const PAGE: usize = 1_000;

/// More bytes than the longest line has.
const LINE: u64 = 64 << 10;

/// The file, which each node writes for itself and goes on with after a restart.
#[derive(Debug)]
pub(crate) struct AuditFile {
    path: PathBuf,
    written: Arc<Mutex<Written>>,
}

#[derive(Debug)]
struct Written {
    file: File,
    /// The length of the whole lines.
    length: u64,
    /// The number of the last line.
    last: Version,
}

impl AuditFile {
    /// Opens the file, and makes it if it is missing; only its owner may read it. Half a line at its end, which
    /// a crash leaves, is removed.
    ///
    /// # Errors
    ///
    /// A file that can't be written, or whose last line is no row of the record.
    pub(crate) fn open(path: &Path) -> Result<Self, FileError> {
        let refused = |error: io::Error| FileError::new("audit-file", path, error);
        let written = Arc::new(Mutex::new(open(path).map_err(refused)?));
        let path = path.to_owned();
        Ok(Self { path, written })
    }

    /// Writes what is decided, from where the file ends, until the stop and then a last time.
    pub(crate) async fn follow(&self, engine: ChatEngine, stop: CancellationToken) {
        let mut failing = false;
        loop {
            let wait = if failing { RETRY } else { EVERY };
            let going = stop.run_until_cancelled(tokio::time::sleep(wait)).await;
            match self.catch_up(&engine).await {
                Ok(()) => failing = false,
                Err(error) => {
                    if !failing {
                        let path = self.path.display();
                        tracing::error!(%error, "audit-file: {path} can't be written for now");
                    }
                    failing = true;
                }
            }
            if going.is_none() {
                return;
            }
        }
    }

    async fn catch_up(&self, engine: &ChatEngine) -> Result<(), String> {
        loop {
            let last = self.last();
            if engine.decided() <= last {
                return Ok(());
            }
            let text = |error: chat_core::Error| error.to_string();
            let page = engine.decisions(last, PAGE).await.map_err(text)?;
            let rows = rows(engine, page).await.map_err(text)?;
            let Some(newest) = rows.last().map(|row| row.seq) else {
                return Ok(());
            };
            let mut lines = Vec::new();
            for row in &rows {
                serde_json::to_writer(&mut lines, row).map_err(|error| error.to_string())?;
                lines.push(b'\n');
            }
            let written = Arc::clone(&self.written);
            let writing = tokio::task::spawn_blocking(move || {
                let mut written = written.lock().unwrap_or_else(PoisonError::into_inner);
                written.append(&lines, newest)
            });
            let done = writing.await.map_err(|error| error.to_string())?;
            done.map_err(|error| error.to_string())?;
        }
    }

    fn last(&self) -> Version {
        let written = self.written.lock();
        written.unwrap_or_else(PoisonError::into_inner).last
    }
}

impl Written {
    /// Appends whole lines; what an earlier attempt has left of some is overwritten.
    fn append(&mut self, lines: &[u8], last: Version) -> io::Result<()> {
        self.file.set_len(self.length)?;
        self.file.seek(SeekFrom::Start(self.length))?;
        self.file.write_all(lines)?;
        self.length += lines.len() as u64;
        self.last = last;
        Ok(())
    }
}

fn open(path: &Path) -> io::Result<Written> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(path)?;
    #[cfg(unix)]
    {
        use std::{fs::Permissions, os::unix::fs::PermissionsExt as _};
        file.set_permissions(Permissions::from_mode(0o600))?;
    }
    let size = file.metadata()?.len();
    let from = size.saturating_sub(LINE);
    file.seek(SeekFrom::Start(from))?;
    let mut end = Vec::new();
    file.read_to_end(&mut end)?;
    let whole = end.iter().rposition(|byte| *byte == b'\n');
    let whole = whole.map_or(0, |at| at + 1);
    if whole == 0 && from > 0 {
        return Err(io::Error::other(
            "it holds a line that is too long; move the file away",
        ));
    }
    let length = from + whole as u64;
    let lines = end.get(..whole).unwrap_or_default();
    let last = match lines.split(|byte| *byte == b'\n').rev().nth(1) {
        None => Version::ZERO,
        Some(line) => number(line).ok_or_else(|| {
            io::Error::other("its last line is no row of the record; move the file away")
        })?,
    };
    file.set_len(length)?;
    Ok(Written { file, length, last })
}

fn number(line: &[u8]) -> Option<Version> {
    let row: Value = serde_json::from_slice(line).ok()?;
    row["seq"].as_u64().map(Version)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn half_a_line_at_the_end_is_removed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("audit.jsonl");
        for (content, last, length) in [
            ("", 0, 0),
            ("{\"seq\":1", 0, 0),
            ("{\"seq\":1}\n", 1, 10),
            ("{\"seq\":1}\n{\"seq\":2}\n{\"se", 2, 20),
        ] {
            std::fs::write(&path, content).unwrap();
            let written = open(&path).unwrap();
            assert_eq!((written.last, written.length), (Version(last), length));
            assert_eq!(std::fs::metadata(&path).unwrap().len(), length);
        }
    }

    #[test]
    fn another_file_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("notes");
        std::fs::write(&path, "buy milk\n").unwrap();
        let error = AuditFile::open(&path).unwrap_err().to_string();
        assert!(
            error.contains("audit-file") && error.contains("no row"),
            "{error}"
        );
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "buy milk\n");
    }
}
