//! Reads files whole: those that hold secrets only when nobody else can read them.

use std::{
    fs::{File, Metadata},
    io,
    io::Read as _,
    path::Path,
};

use chat_core::port::Secret;

/// The largest file of keys or certificates, in bytes.
const LARGEST: u64 = 256 << 10;

/// Reads a file that only its owner may read, and that belongs to us or to root.
///
/// # Errors
///
/// What is wrong with the file, and what to do.
pub(crate) fn secret(path: &Path) -> io::Result<Secret> {
    #[cfg(unix)]
    let bytes = read(path, private)?;
    #[cfg(not(unix))]
    let bytes = read(path, |_| Ok(()))?;
    Ok(Secret::from(bytes))
}

/// Reads a file that anybody may read.
///
/// # Errors
///
/// What is wrong with the file.
pub(crate) fn public(path: &Path) -> io::Result<Vec<u8>> {
    read(path, |_| Ok(()))
}

fn read(path: &Path, allowed: fn(&Metadata) -> io::Result<()>) -> io::Result<Vec<u8>> {
    // Everything is asked of the open file: a name could mean another one by then.
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
