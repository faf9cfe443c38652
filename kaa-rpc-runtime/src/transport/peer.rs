//! Who is at the other end of a Unix socket, and who may be.

use std::fmt;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

/// The process at the other end of a Unix socket, as the kernel tells it.
///
/// At a server: who connected. At a client: who made the listening socket. Both as they were at that
/// moment; a process that later changes its user or hands the socket on keeps the first credentials.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PeerCredentials {
    uid: u32,
    gid: u32,
    pid: Option<u32>,
}

impl PeerCredentials {
    /// The user.
    pub fn uid(&self) -> u32 {
        self.uid
    }

    /// The user's main group.
    pub fn gid(&self) -> u32 {
        self.gid
    }

    /// The process, if the system tells it: not if it lives in a container of its own. The number may
    /// belong to another process by now, so do not decide by it who may do what.
    pub fn pid(&self) -> Option<u32> {
        self.pid
    }

    /// Asks the kernel. Must run inside a tokio runtime.
    ///
    /// tokio asks here, not rustix: rustix's type for a process id has no zero, which is what the
    /// kernel gives for a process of another pid namespace. For that, tokio wants the socket to be
    /// registered for a moment.
    pub(super) fn of(fd: OwnedFd) -> io::Result<(OwnedFd, Self)> {
        let stream = UnixStream::from(fd);
        stream.set_nonblocking(true)?;
        let stream = tokio::net::UnixStream::from_std(stream)?;
        let peer = stream.peer_cred()?;
        let credentials = PeerCredentials {
            uid: peer.uid(),
            gid: peer.gid(),
            pid: peer
                .pid()
                .and_then(|pid| u32::try_from(pid).ok())
                .filter(|&pid| pid != 0),
        };
        Ok((stream.into_std()?.into(), credentials))
    }
}

/// Which users may be at the other end of a Unix socket.
///
/// Only the user of this process by default, and that one always. Root is no exception: it could read
/// the secret and this process's memory anyway, but a daemon of root's that should be let in must be named.
#[derive(Clone, Default)]
pub(crate) struct AllowedUsers {
    more: Vec<u32>,
    judges: Vec<Arc<Judge>>,
    anyone: bool,
}

type Judge = dyn Fn(&PeerCredentials) -> bool + Send + Sync;

impl AllowedUsers {
    pub(crate) fn add(&mut self, uid: u32) {
        self.more.push(uid);
    }

    pub(crate) fn add_if(
        &mut self,
        judge: impl Fn(&PeerCredentials) -> bool + Send + Sync + 'static,
    ) {
        self.judges.push(Arc::new(judge));
    }

    pub(crate) fn add_anyone(&mut self) {
        self.anyone = true;
    }

    pub(crate) fn contain(&self, peer: &PeerCredentials) -> bool {
        self.anyone
            || peer.uid() == our_uid()
            || self.more.contains(&peer.uid())
            || self.judges.iter().any(|judge| {
                // A judge that panics has not let anybody in, and must not end the task that accepts.
                catch_unwind(AssertUnwindSafe(|| judge(peer))).unwrap_or(false)
            })
    }
}

impl fmt::Display for AllowedUsers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.anyone {
            return f.write_str("anyone");
        }
        write!(f, "user {}", our_uid())?;
        for uid in &self.more {
            write!(f, " or {uid}")?;
        }
        if !self.judges.is_empty() {
            f.write_str(" or whom the function given to `allow_if` lets in")?;
        }
        Ok(())
    }
}

impl fmt::Debug for AllowedUsers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "AllowedUsers({self})")
    }
}

pub(super) fn our_uid() -> u32 {
    rustix::process::geteuid().as_raw()
}
