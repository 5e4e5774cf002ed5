//! `backup`, `restore` and `doctor`: the administrator's tasks for a store in an `SQLite` file.

use std::{fmt::Write as _, path::Path};

use chat_store_sqlite::{CopyError, OpenError, Progress, backup, examine, restore};

use crate::{
    config::{StoreUrl, Task},
    start::cause,
};

/// The failure of a task, in one line.
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
    /// No copy was made, and nothing has changed.
    #[error("{0}{cause}", cause = cause(.0))]
    Copy(#[from] CopyError),
    /// The store can't be read.
    #[error("{0}{cause}", cause = cause(.0))]
    Open(#[from] OpenError),
    /// The doctor has found faults.
    #[error("{path} is not sound:{list}")]
    Unsound {
        /// The file.
        path: String,
        /// The findings, one per line.
        list: String,
    },
}

impl MaintenanceError {
    /// The exit code of the process: 2 for a wrong setting, 1 for any other failure.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::NotAFile { .. } => 2,
            _ => 1,
        }
    }
}

/// Runs a task, and returns its result in one line. `report` is called once for each percent of a
/// copy.
///
/// # Errors
///
/// [`MaintenanceError`] gives the reason and the remedy.
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

/// Converts progress in steps to whole percents, each reported once.
fn percents(mut report: impl FnMut(u64) + Send + 'static) -> impl FnMut(Progress) + Send + 'static {
    let mut last = None;
    move |step| {
        let percent = (step.done * 100).checked_div(step.all).unwrap_or(100);
        if last.replace(percent) != Some(percent) {
            report(percent);
        }
    }
}
