//! The listening end of a Unix address.

use std::io;
use std::os::fd::OwnedFd;
use std::path::PathBuf;

use rustix::fs::Mode;
use rustix::io::Errno;
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

use super::accepting::{AcceptFailure, Pause, classify};
use super::bind::{self, SocketFile};
use super::error::UnixBindError;
use super::fds;
use super::folder::{Environment, Place};
use super::peer::{AllowedUsers, PeerCredentials};
use super::socket::UnixSocket;
use crate::address::UnixAddress;

/// Who may connect to a Unix socket.
///
/// By default only the user who runs the server: the socket has mode 0600, its folder must belong to
/// that user and let nobody else in, and a peer of another user is dropped before a byte is read.
/// Whoever gets through must still prove that it has the secret.
///
/// ```
/// # use kaa_rpc_runtime::UnixOptions;
/// // Members of the socket's group, if they run as user 1000.
/// let options = UnixOptions::new().mode(0o660).allow_uid(1000);
/// ```
#[derive(Clone, Debug, Default)]
pub struct UnixOptions {
    mode: Option<u32>,
    allowed: AllowedUsers,
}

impl UnixOptions {
    /// Only the own user.
    pub fn new() -> Self {
        Self::default()
    }

    /// Gives the socket this mode instead of 0600, and lets its folder be one that others may enter.
    ///
    /// The folder must still belong to this user or to root, and must not let everybody exchange what
    /// is in it (`/tmp`, where only owners remove their files, is fine). The user's own folder, where
    /// sockets without a path live, stays closed to others; give a path. The mode lets other users
    /// reach the socket; that they are not turned away there takes [`Self::allow_uid`] too.
    ///
    /// Binding fails if `mode` is not from 0o600 to 0o777 with both bits of the owner.
    #[must_use]
    pub fn mode(mut self, mode: u32) -> Self {
        self.mode = Some(mode);
        self
    }

    /// Lets this user connect too. May be given several times.
    #[must_use]
    pub fn allow_uid(mut self, uid: u32) -> Self {
        self.allowed.add(uid);
        self
    }

    /// Lets those connect, too, for whom `judge` says so: members of a group, for instance. May be given
    /// several times; it is enough if one says so.
    ///
    /// ```
    /// # use kaa_rpc_runtime::UnixOptions;
    /// const PLAYERS: u32 = 1200;
    /// let options = UnixOptions::new()
    ///     .mode(0o660)
    ///     .allow_if(|peer| peer.gid() == PLAYERS);
    /// ```
    ///
    /// It is asked for each connection of a user who is not allowed anyway, before a byte is read, by
    /// the task that accepts: it should not wait for anything. If it panics, the connection is refused.
    #[must_use]
    pub fn allow_if(
        mut self,
        judge: impl Fn(&PeerCredentials) -> bool + Send + Sync + 'static,
    ) -> Self {
        self.allowed.add_if(judge);
        self
    }

    /// Lets every user connect whom the mode of the socket lets in.
    #[must_use]
    pub fn allow_any_uid(mut self) -> Self {
        self.allowed.add_anyone();
        self
    }

    /// Who may connect.
    pub(crate) fn allowed(&self) -> &AllowedUsers {
        &self.allowed
    }

    /// Whether the folder may be one that others enter.
    pub(super) fn is_shared(&self) -> bool {
        self.mode.is_some()
    }

    pub(super) fn socket_mode(&self) -> Result<Mode, u32> {
        let mode = self.mode.unwrap_or(0o600);
        match Mode::from_bits(mode as _) {
            Some(bits) if mode & !0o777 == 0 && mode & 0o600 == 0o600 => Ok(bits),
            _ => Err(mode),
        }
    }
}

/// A listening Unix socket. Dropping it removes the socket from the file system, unless
/// [`UnixListener::take_file`] left that to somebody else.
pub(crate) struct UnixListener {
    fd: AsyncFd<OwnedFd>,
    path: Option<PathBuf>,
    file: Option<SocketFile>,
    pause: Pause,
}

impl UnixListener {
    /// Listens at `address`. Must run inside a tokio runtime; touches the file system, but waits for nothing.
    pub(crate) fn bind(
        address: &UnixAddress,
        options: &UnixOptions,
    ) -> Result<Self, UnixBindError> {
        Self::bind_at(Place::of(address, &Environment::current()), options)
    }

    pub(super) fn bind_at(place: Place, options: &UnixOptions) -> Result<Self, UnixBindError> {
        let (fd, file) = bind::bind(place, options)?;
        let fd = fds::watch(fd, Interest::READABLE)
            .map_err(|source| UnixBindError::io(file.path(), "cannot watch the socket", source))?;
        Ok(UnixListener {
            fd,
            path: Some(file.path()),
            file: Some(file),
            pause: Pause::default(),
        })
    }

    /// Accepts at a socket that somebody else made, and removes. Must run inside a tokio runtime.
    pub(super) fn given(listener: std::os::unix::net::UnixListener) -> io::Result<Self> {
        let address = listener.local_addr()?;
        Ok(UnixListener {
            fd: fds::watch(OwnedFd::from(listener), Interest::READABLE)?,
            path: address.as_pathname().map(PathBuf::from),
            file: None,
            pause: Pause::default(),
        })
    }

    /// Where it listens; `None` if that is nowhere in the file system.
    pub(crate) fn path(&self) -> Option<PathBuf> {
        self.path.clone()
    }

    /// Leaves the entry in the file system to the caller: when that is dropped, the address is free for
    /// the next server, even if the task that accepts has not ended yet. Only the first call gets it.
    pub(crate) fn take_file(&mut self) -> Option<SocketFile> {
        self.file.take()
    }

    /// Waits for the next connection. Whether its user is allowed is up to the caller.
    ///
    /// What passes by itself (no descriptors left, a peer that went away) is logged and waited out here; an error means that this listener will never accept again. Can be dropped and
    /// called again at any time.
    pub(crate) async fn accept(&mut self) -> io::Result<UnixSocket> {
        loop {
            let mut ready = self.fd.readable().await?;
            let error = match fds::accept(self.fd.get_ref()) {
                Ok(fd) => {
                    drop(ready);
                    match UnixSocket::new(fd) {
                        Ok(socket) => {
                            self.pause = Pause::default();
                            return Ok(socket);
                        }
                        // Of this connection alone, unless there are no descriptors.
                        Err(error) => match Errno::from_io_error(&error).map(classify) {
                            Some(AcceptFailure::Exhausted) => error,
                            _ => continue,
                        },
                    }
                }
                Err(error) => match classify(error) {
                    AcceptFailure::Empty => {
                        ready.clear_ready();
                        continue;
                    }
                    AcceptFailure::Next => continue,
                    AcceptFailure::Exhausted => error.into(),
                    AcceptFailure::Broken => return Err(error.into()),
                },
            };
            self.pause.after(&error).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mode_must_let_the_owner_in() {
        let mode = |mode| {
            UnixOptions::new()
                .mode(mode)
                .socket_mode()
                .map(|mode| mode.bits())
        };
        assert_eq!(UnixOptions::new().socket_mode().unwrap().bits(), 0o600);
        assert_eq!(mode(0o666), Ok(0o666));
        assert_eq!(mode(0o1600), Err(0o1600));
        assert_eq!(mode(0o060), Err(0o060));
        assert_eq!(mode(u32::MAX), Err(u32::MAX));
    }
}
