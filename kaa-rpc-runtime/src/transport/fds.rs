//! The few socket calls whose flags differ between systems.
//!
//! Every descriptor made here is close-on-exec and non-blocking. Where the system can do so, it is from
//! its birth, so that no program started by another thread inherits it.

use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};

use rustix::io::Errno;
use rustix::net::{AddressFamily, SendFlags, SocketType};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

type Result<T> = std::result::Result<T, Errno>;

/// A peer that is gone must be an error, not a signal that ends the process.
///
/// macOS has no such flag; there Rust's start-up code ignores the signal.
#[cfg(not(target_vendor = "apple"))]
pub(super) const SEND: SendFlags = SendFlags::NOSIGNAL.union(SendFlags::DONTWAIT);
#[cfg(target_vendor = "apple")]
pub(super) const SEND: SendFlags = SendFlags::DONTWAIT;

/// Registers a descriptor with the reactor. Must run inside a tokio runtime.
#[allow(
    deprecated,
    reason = "deprecated because a type could give a number that it does not own, or change it; what we \
              register owns its descriptor and is never exchanged, and the replacement is unsafe"
)]
pub(super) fn watch<T: AsFd + AsRawFd>(fd: T, interest: Interest) -> io::Result<AsyncFd<T>> {
    Ok(AsyncFd::try_with_interest(fd, interest)?)
}

#[cfg(not(target_vendor = "apple"))]
mod system {
    use rustix::net::SocketFlags;

    use super::{AddressFamily, OwnedFd, Result, SocketType};

    const FLAGS: SocketFlags = SocketFlags::CLOEXEC.union(SocketFlags::NONBLOCK);

    pub(in super::super) fn stream_socket() -> Result<OwnedFd> {
        rustix::net::socket_with(AddressFamily::UNIX, SocketType::STREAM, FLAGS, None)
    }

    #[cfg(any(test, feature = "process"))]
    pub(in super::super) fn socket_pair() -> Result<(OwnedFd, OwnedFd)> {
        rustix::net::socketpair(AddressFamily::UNIX, SocketType::STREAM, FLAGS, None)
    }

    pub(in super::super) fn accept(listener: &OwnedFd) -> Result<OwnedFd> {
        rustix::net::accept_with(listener, FLAGS)
    }
}

#[cfg(target_vendor = "apple")]
mod system {
    use rustix::net::SocketFlags;

    use super::{AddressFamily, OwnedFd, Result, SocketType};

    pub(in super::super) fn stream_socket() -> Result<OwnedFd> {
        prepared(rustix::net::socket(
            AddressFamily::UNIX,
            SocketType::STREAM,
            None,
        )?)
    }

    #[cfg(any(test, feature = "process"))]
    pub(in super::super) fn socket_pair() -> Result<(OwnedFd, OwnedFd)> {
        let (family, none) = (AddressFamily::UNIX, SocketFlags::empty());
        let (one, other) = rustix::net::socketpair(family, SocketType::STREAM, none, None)?;
        Ok((prepared(one)?, prepared(other)?))
    }

    pub(in super::super) fn accept(listener: &OwnedFd) -> Result<OwnedFd> {
        prepared(rustix::net::accept(listener)?)
    }

    fn prepared(fd: OwnedFd) -> Result<OwnedFd> {
        rustix::io::fcntl_setfd(&fd, rustix::io::FdFlags::CLOEXEC)?;
        rustix::io::ioctl_fionbio(&fd, true)?;
        Ok(fd)
    }
}

#[cfg(any(test, feature = "process"))]
pub(super) use system::socket_pair;
pub(super) use system::{accept, stream_socket};
