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

/// The variable with the folder of the secrets that the service manager gives to this process alone.
///
/// systemd lets the user of a service in by an access control list, and Kubernetes by a group; both look like
/// the mode 0440.
#[cfg(unix)]
const CREDENTIALS: &str = "CREDENTIALS_DIRECTORY";

/// Reads a file of secrets, which must belong to this process's user or to root and be readable by
/// its owner only; in the folder of the service manager's credentials, also by its group.
///
/// # Errors
///
/// The fault of the file, and the remedy.
pub(crate) fn secret(path: &Path) -> io::Result<Secret> {
    #[cfg(unix)]
    let bytes = {
        let credentials = std::env::var_os(CREDENTIALS).filter(|folder| !folder.is_empty());
        let is_credential = credentials.is_some_and(|folder| path.starts_with(folder));
        read(
            path,
            if is_credential {
                for_the_group
            } else {
                private
            },
        )?
    };
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
    closed_to(0o077, metadata)
}

#[cfg(unix)]
fn for_the_group(metadata: &Metadata) -> io::Result<()> {
    closed_to(0o037, metadata)
}

/// Refuses a file that gives one of these rights.
#[cfg(unix)]
fn closed_to(others: u32, metadata: &Metadata) -> io::Result<()> {
    use std::os::unix::fs::MetadataExt as _;
    let (owner, mode) = (metadata.uid(), metadata.mode() & 0o777);
    if mode & others != 0 {
        return Err(io::Error::other(format!(
            "others may read it (its mode is {mode:04o}); chmod 600 it"
        )));
    }
    if owner != 0 && owner != rustix::process::geteuid().as_raw() {
        return Err(io::Error::other("it belongs to another user"));
    }
    Ok(())
}
