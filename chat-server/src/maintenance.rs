//! `backup`, `restore` and `doctor`: what an administrator does with a store in an `SQLite` file.

use std::{fmt::Write as _, path::Path};

use chat_store_sqlite::{CopyError, OpenError, Progress, backup, examine, restore};

use crate::{
    config::{StoreUrl, Task},
    start::cause,
};

/// Why it was not done, in one line.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum MaintenanceError {
    /// The store is not in a file.
    #[error(
        "{task} is for a store in a file, sqlite:PATH; MongoDB has mongodump, mongorestore and validate"
    )]
    NotAFile {
        /// The operation that failed.
        task: &'static str,
    },
    /// There is no copy; nothing has changed.
    #[error("{0}{cause}", cause = cause(.0))]
    Copy(#[from] CopyError),
    /// The store can't be read.
    #[error("{0}{cause}", cause = cause(.0))]
    Open(#[from] OpenError),
    /// The doctor has found something.
    #[error("{path} is not sound:{list}")]
    Unsound {
        /// The file.
        path: String,
        /// A line for each finding.
        list: String,
    },
}

impl MaintenanceError {
    /// What the process should exit with: 2 for a wrong setting, 1 for anything else.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::NotAFile { .. } => 2,
            _ => 1,
        }
    }
}

/// Does it, and says in a line what was done. `report` is called with each percent of a copy.
///
/// # Errors
///
/// [`MaintenanceError`] says why not, and what to do.
pub async fn maintain(
    store: &StoreUrl,
    task: &Task,
    report: impl FnMut(u64) + Send + 'static,
) -> Result<String, MaintenanceError> {
    let StoreUrl::Sqlite(path) = store else {
        return Err(MaintenanceError::NotAFile { task: task.name() });
    };
    match task {
        Task::Backup(copy) => {
            backup(path, copy, percents(report)).await?;
            let size = std::fs::metadata(copy).map_or(0, |found| found.len());
            Ok(format!(
                "{} is backed up in {}, {} KiB, and the copy is sound",
                path.display(),
                copy.display(),
                size / 1024
            ))
        }
        Task::Restore(copy) => {
            let replaced = restore(copy, path, percents(report)).await?;
            let mut said = format!("{} is restored to {}", copy.display(), path.display());
            if let Some(replaced) = replaced {
                // Writing to a string doesn't fail.
                let _ = write!(said, "; what was there is now {}", replaced.display());
            }
            Ok(said)
        }
        Task::Doctor => examined(path).await,
    }
}

async fn examined(path: &Path) -> Result<String, MaintenanceError> {
    let findings = examine(path).await?;
    let path = path.display().to_string();
    if findings.is_empty() {
        return Ok(format!(
            "{path} is sound: pages and indexes, logs without a gap, watermarks within them, no orphans"
        ));
    }
    let list = findings.iter().map(|finding| format!("\n  {finding}"));
    let list = list.collect();
    Err(MaintenanceError::Unsound { path, list })
}

/// From steps to whole percents, each once.
fn percents(mut report: impl FnMut(u64) + Send + 'static) -> impl FnMut(Progress) + Send + 'static {
    let mut last = None;
    move |step| {
        let percent = (step.done * 100).checked_div(step.all).unwrap_or(100);
        if last.replace(percent) != Some(percent) {
            report(percent);
        }
    }
}
