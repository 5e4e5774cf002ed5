//! Files that the settings name: how they are read once and again, and the errors of reading them.

pub(crate) mod read;
pub(crate) mod reload;

use std::{
    fmt::Display,
    path::{Path, PathBuf},
};

/// A file that can't be used, in one line that names the setting and the file.
#[derive(Debug, thiserror::Error)]
#[error("{setting}: {file} can't be used: {why}", file = .path.display())]
pub struct FileError {
    setting: &'static str,
    path: PathBuf,
    why: String,
}

impl FileError {
    pub(crate) fn new(setting: &'static str, path: &Path, why: impl Display) -> Self {
        Self {
            setting,
            path: path.to_owned(),
            why: why.to_string(),
        }
    }
}
