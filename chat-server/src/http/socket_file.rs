//! The file of a Unix socket: taken over from a dead server, refused while a live one has it, and removed
//! at the stop.

use std::{
    fs::{self, File, Permissions},
    io,
    os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt},
    path::{Path, PathBuf},
};

use tokio::net::{UnixListener, UnixSocket, UnixStream};

/// The owner and the group of the server may connect, nobody else.
const MODE: u32 = 0o660;

/// Removes the file when it is dropped, unless another server has put its own there.
#[derive(Debug)]
pub(super) struct SocketFile {
    path: PathBuf,
    /// Device and number of the file that was made.
    made: (u64, u64),
}

/// Listens on a socket in a new file.
///
/// # Errors
///
/// `AddrInUse` when somebody listens there, `AlreadyExists` when the file is no socket, and what the
/// system says.
pub(super) async fn listen(path: &Path, backlog: u32) -> io::Result<(UnixListener, SocketFile)> {
    // Servers that start at the same time take turns: else one could take the new file of another for
    // that of a dead server.
    let folder = path.parent().filter(|it| !it.as_os_str().is_empty());
    let turn = File::open(folder.unwrap_or(Path::new(".")))?;
    turn.lock()?;
    remove_dead(path).await?;
    let socket = UnixSocket::new_stream()?;
    socket.bind(path)?;
    let file = SocketFile {
        path: path.to_owned(),
        made: identity(path)?,
    };
    // Nobody can connect before the next line.
    fs::set_permissions(path, Permissions::from_mode(MODE))?;
    Ok((socket.listen(backlog)?, file))
}

/// Removes the socket of a server that was killed: nobody answers there.
async fn remove_dead(path: &Path) -> io::Result<()> {
    match fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error),
        Ok(found) if !found.file_type().is_socket() => {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        Ok(_) => {}
    }
    match UnixStream::connect(path).await {
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => fs::remove_file(path),
        // Too many wait to be accepted there.
        Err(error) if error.kind() != io::ErrorKind::WouldBlock => Err(error),
        _ => Err(io::ErrorKind::AddrInUse.into()),
    }
}

fn identity(path: &Path) -> io::Result<(u64, u64)> {
    let found = fs::symlink_metadata(path)?;
    Ok((found.dev(), found.ino()))
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        if identity(&self.path).is_ok_and(|found| found == self.made) {
            drop(fs::remove_file(&self.path));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn only_the_owner_and_the_group_may_connect_and_the_file_goes_with_the_server() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("chat.sock");
        let (listener, file) = listen(&path, 1).await.unwrap();
        let mode = fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, MODE);
        UnixStream::connect(&path).await.unwrap();
        drop((listener, file));
        assert!(!path.exists());
    }

    #[tokio::test]
    async fn the_file_of_a_dead_server_is_replaced_and_that_of_a_live_one_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("chat.sock");
        let (dead, file) = listen(&path, 1).await.unwrap();
        // As `kill -9` leaves it.
        std::mem::forget(file);
        drop(dead);
        assert!(path.exists());
        let (_live, _file) = listen(&path, 1).await.unwrap();
        let refused = listen(&path, 1).await.unwrap_err();
        assert_eq!(refused.kind(), io::ErrorKind::AddrInUse);
        // Also when its queue is full.
        let mut waiting = Vec::new();
        while let Ok(client) = UnixStream::connect(&path).await {
            waiting.push(client);
        }
        let refused = listen(&path, 1).await.unwrap_err();
        assert_eq!(refused.kind(), io::ErrorKind::AddrInUse);
    }

    #[tokio::test]
    async fn a_file_that_is_no_socket_is_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("chat.sock");
        fs::write(&path, "mine").unwrap();
        let refused = listen(&path, 1).await.unwrap_err();
        assert_eq!(refused.kind(), io::ErrorKind::AlreadyExists);
        assert_eq!(fs::read_to_string(&path).unwrap(), "mine");
    }

    #[tokio::test]
    async fn the_file_of_another_server_is_not_removed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("chat.sock");
        let (first, file) = listen(&path, 1).await.unwrap();
        fs::remove_file(&path).unwrap();
        let (_second, _file) = listen(&path, 1).await.unwrap();
        drop((first, file));
        assert!(path.exists());
    }
}
