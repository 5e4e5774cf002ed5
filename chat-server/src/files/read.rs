//! Reads complete files; refuses a file of secrets that other users can read.

use std::{
    fs::{File, Metadata},
    io,
    io::Read as _,
    path::Path,
};

use chat_core::port::Secret;

/// The maximum size of a file of keys or certificates, in bytes.
const LARGEST: u64 = 256 << 10;

/// Reads a file of secrets, which must belong to this process's user or to root and be readable by
/// its owner only.
///
/// # Errors
///
/// The fault of the file, and the remedy.
pub(crate) fn secret(path: &Path) -> io::Result<Secret> {
    #[cfg(unix)]
    let bytes = read(path, private)?;
    #[cfg(not(unix))]
    let bytes = read(path, |_| Ok(()))?;
    Ok(Secret::from(bytes))
}

/// Reads a file that any user may read.
///
/// # Errors
///
/// The fault of the file.
pub(crate) fn public(path: &Path) -> io::Result<Vec<u8>> {
    read(path, |_| Ok(()))
}

fn read(path: &Path, allowed: fn(&Metadata) -> io::Result<()>) -> io::Result<Vec<u8>> {
    // All checks use the open file, because its name could denote another file by then.
    let mut file = File::open(path)?;
    let metadata = file.metadata()?;
    if !metadata.is_file() {
        return Err(io::Error::other("it is no file"));
    }
    allowed(&metadata)?;
    if metadata.len() > LARGEST {
        return Err(io::Error::other(format!(
            "it is larger than {LARGEST} bytes"
        )));
    }
    let mut bytes = Vec::with_capacity(usize::try_from(metadata.len()).unwrap_or_default());
    file.read_to_end(&mut bytes)?;
    Ok(bytes)
}

#[cfg(unix)]
fn private(metadata: &Metadata) -> io::Result<()> {
    use std::os::unix::fs::MetadataExt as _;
    let (owner, mode) = (metadata.uid(), metadata.mode() & 0o777);
    if mode & 0o077 != 0 {
        return Err(io::Error::other(format!(
            "others may read it (its mode is {mode:04o}); chmod 600 it"
        )));
    }
    if owner != 0 && owner != rustix::process::geteuid().as_raw() {
        return Err(io::Error::other("it belongs to another user"));
    }
    Ok(())
}
