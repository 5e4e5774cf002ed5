//! The administration's own token, from a file that is read again when it changes.

use std::{
    fmt, iter,
    path::{Path, PathBuf},
};

use aws_lc_rs::constant_time::verify_slices_are_equal;
use chat_core::port::Secret;

use crate::files::{
    FileError, read,
    reload::{InUse, Reloading, Source},
};

/// The minimum length of the token in bytes: as many as the hash of an HMAC secret, which can't be guessed.
pub(super) const SHORTEST: usize = 32;

/// The token in use.
pub(crate) struct AdminToken {
    value: InUse<File>,
    pub(crate) reloading: Reloading<File>,
}

impl fmt::Debug for AdminToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AdminToken")
    }
}

impl AdminToken {
    /// Reads the file for the first time.
    ///
    /// # Errors
    ///
    /// The fault of the file.
    pub(crate) fn open(path: PathBuf) -> Result<Self, FileError> {
        let (value, reloading) = Reloading::open(File(path))?;
        Ok(Self { value, reloading })
    }

    /// Whether a text is the token. The time of the comparison depends on the lengths only.
    pub(super) fn is(&self, presented: &str) -> bool {
        let token = self.value.load();
        verify_slices_are_equal(line(token.bytes()), presented.as_bytes()).is_ok()
    }
}

/// The file that `admin-token-file` names.
#[derive(Debug)]
pub(crate) struct File(PathBuf);

impl Source for File {
    type Value = Secret;

    const NAME: &'static str = "the token of the administration";

    fn files(&self) -> impl Iterator<Item = &Path> {
        iter::once(&*self.0)
    }

    fn read(&self) -> Result<Secret, FileError> {
        let refused = |why: String| FileError::new("admin-token-file", &self.0, why);
        let secret = read::secret(&self.0).map_err(|error| refused(error.to_string()))?;
        let token = line(secret.bytes());
        if token.len() < SHORTEST {
            return Err(refused(format!(
                "a token has at least {SHORTEST} bytes, and this has {}; make one with openssl rand -hex 32",
                token.len()
            )));
        }
        if !token.iter().all(u8::is_ascii_graphic) {
            return Err(refused(
                "a token is one line of ASCII letters, digits and signs, without spaces".to_owned(),
            ));
        }
        Ok(secret)
    }
}

/// The content without the ends of lines behind it, which editors and `echo` add.
fn line(bytes: &[u8]) -> &[u8] {
    let end = bytes.iter().rposition(|byte| !b"\r\n".contains(byte));
    &bytes[..end.map_or(0, |last| last + 1)]
}
