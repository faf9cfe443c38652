//! A connected socket, Unix or TCP.
//!
//! It is registered with the reactor for reading only. tokio's own `UnixStream` is registered for
//! writing too, and each time the peer reads, that frees room and wakes us for nothing: without it a
//! call takes two context switches instead of nearly four. For writing, a duplicate of the descriptor is
//! registered, only after a write would have blocked and only until everything is written.
//!
//! What this does for TCP is that callers can write themselves, as they do for Unix sockets.

use std::io::{self, IoSlice};
use std::ops::{Deref, DerefMut};
use std::os::fd::{AsFd, OwnedFd};
use std::pin::Pin;
use std::sync::{Arc, Weak};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use rustix::io::Errno;
use rustix::net::{RecvFlags, SendAncillaryBuffer, Shutdown};
use tokio::io::unix::AsyncFd;
use tokio::io::{AsyncRead, AsyncWrite, Interest, ReadBuf};
use tokio::time::Sleep;

use super::fds;
use super::into::ReadInto;
use super::peer::PeerCredentials;

/// The most segments that a system takes at once; what is beyond is left for the next write.
const MAX_SEGMENTS: usize = 1024;

/// A connected socket, owned by its connection's driver.
pub(crate) struct Socket {
    /// Only this and writers in the middle of a write hold the descriptor, so it is closed at once when
    /// the driver ends, however long handles to the channel live.
    fd: AsyncFd<Arc<OwnedFd>>,
    blocked: Blocked,
}

/// A connected Unix socket, and who is at its other end.
pub(crate) struct UnixSocket {
    socket: Socket,
    peer: PeerCredentials,
}

/// Writes to a [`Socket`] from any thread. Fails once the socket is closed.
#[derive(Clone, Debug)]
pub(crate) struct SocketWriter {
    fd: Weak<OwnedFd>,
}

/// How the end of a full socket buffer is noticed.
enum Blocked {
    No,
    /// A duplicate, registered for writing. `waiting` until it was ready.
    Watched {
        fd: AsyncFd<OwnedFd>,
        waiting: bool,
    },
    /// There was no descriptor to watch with. Look again then.
    Unwatched(Pin<Box<Sleep>>),
}

/// How long to wait before trying again where the system has no descriptor to watch with.
const UNWATCHED: Duration = Duration::from_millis(10);

impl UnixSocket {
    /// Takes a connected stream socket. Must run inside a tokio runtime.
    pub(crate) fn new(fd: OwnedFd) -> io::Result<Self> {
        let (fd, peer) = PeerCredentials::of(fd)?;
        let socket = Socket::new(fd)?;
        Ok(UnixSocket { socket, peer })
    }

    /// Two connected sockets.
    #[cfg(test)]
    pub(super) fn pair() -> io::Result<(Self, OwnedFd)> {
        let (one, other) = fds::socket_pair()?;
        Ok((Self::new(one)?, other))
    }

    /// Who is at the other end.
    pub(crate) fn peer(&self) -> PeerCredentials {
        self.peer
    }
}

impl Deref for UnixSocket {
    type Target = Socket;

    fn deref(&self) -> &Socket {
        &self.socket
    }
}

impl DerefMut for UnixSocket {
    fn deref_mut(&mut self) -> &mut Socket {
        &mut self.socket
    }
}

impl Socket {
    /// Takes a connected stream socket that does not block. Must run inside a tokio runtime.
    pub(super) fn new(fd: OwnedFd) -> io::Result<Self> {
        Ok(Self {
            fd: fds::watch(Arc::new(fd), Interest::READABLE)?,
            blocked: Blocked::No,
        })
    }

    /// A handle that writes from any thread.
    pub(crate) fn writer(&self) -> SocketWriter {
        SocketWriter {
            fd: Arc::downgrade(self.fd.get_ref()),
        }
    }

    /// Reads what is there, as much as fits, for which there must be room. 0 means the peer has ended.
    ///
    /// A read that did not fill the room took all there was, so there is no second one just to be
    /// told so. That is sound because the reactor reports edges: bytes, or the end, that arrive after
    /// the read are a new edge, and forgetting the readiness fails if such an edge came in since it was
    /// looked up. (A peer can make a read end early with out-of-band data or by passing descriptors.
    /// Ours do neither; one that did would delay its own bytes until its next ones. Descriptors passed
    /// are closed by the kernel.)
    pub(crate) fn poll_read<'a>(
        &self,
        cx: &mut Context<'_>,
        into: impl Into<ReadInto<'a>>,
    ) -> Poll<io::Result<usize>> {
        let mut into = into.into();
        let room = into.len();
        loop {
            let mut readiness = ready!(self.fd.poll_read_ready(cx))?;
            match receive(self.fd.get_ref(), &mut into) {
                Ok(count) => {
                    if 0 < count && count < room {
                        readiness.clear_ready();
                    }
                    return Poll::Ready(Ok(count));
                }
                Err(error) if would_block(error) => readiness.clear_ready(),
                Err(Errno::INTR) => {}
                Err(error) => return Poll::Ready(Err(error.into())),
            }
        }
    }

    /// Reads what is there without waiting; [`io::ErrorKind::WouldBlock`] if that is nothing.
    pub(crate) fn try_read<'a>(&self, into: impl Into<ReadInto<'a>>) -> io::Result<usize> {
        let mut into = into.into();
        loop {
            match receive(self.fd.get_ref(), &mut into) {
                Err(Errno::INTR) => {}
                other => return other.map_err(io::Error::from),
            }
        }
    }

    /// Writes as much as fits, and waits if nothing does.
    pub(crate) fn poll_write(
        &mut self,
        cx: &mut Context<'_>,
        segments: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let all: usize = segments.iter().map(|segment| segment.len()).sum();
        loop {
            ready!(self.poll_unblocked(cx))?;
            match send(self.fd.get_ref(), segments) {
                Ok(count) => {
                    if count == all {
                        self.blocked = Blocked::No;
                    }
                    return Poll::Ready(Ok(count));
                }
                Err(error) if would_block(error) => self.watch(),
                Err(Errno::INTR) => {}
                Err(error) => return Poll::Ready(Err(error.into())),
            }
        }
    }

    /// Ready if the last write went through, or may go through now.
    fn poll_unblocked(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.blocked {
            Blocked::No | Blocked::Watched { waiting: false, .. } => {}
            Blocked::Watched { fd, waiting } => {
                // Forgotten before the write is tried, so that room made after it is a new edge.
                ready!(fd.poll_write_ready(cx))?.clear_ready();
                *waiting = false;
            }
            Blocked::Unwatched(sleep) => {
                ready!(sleep.as_mut().poll(cx));
                self.blocked = Blocked::No;
            }
        }
        Poll::Ready(Ok(()))
    }

    /// After a write would have blocked: makes [`Self::poll_unblocked`] wait for room.
    ///
    /// Room that was made since then is reported too, as a registration begins with the present state.
    fn watch(&mut self) {
        if let Blocked::Watched { waiting, .. } = &mut self.blocked {
            *waiting = true;
            return;
        }
        let watched = rustix::io::fcntl_dupfd_cloexec(self.fd.get_ref(), 0)
            .map_err(io::Error::from)
            .and_then(|fd| fds::watch(fd, Interest::WRITABLE));
        self.blocked = match watched {
            Ok(fd) => Blocked::Watched { fd, waiting: true },
            // Being short of descriptors is no reason to lose a sound connection.
            Err(_) => Blocked::Unwatched(Box::pin(tokio::time::sleep(UNWATCHED))),
        };
    }

    /// Tells the peer that nothing more comes. Reading goes on.
    pub(crate) fn shutdown_write(&self) -> io::Result<()> {
        match rustix::net::shutdown(self.fd.get_ref(), Shutdown::Write) {
            // The peer has closed already.
            Ok(()) | Err(Errno::NOTCONN) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    /// Whether a full buffer is being watched.
    #[cfg(test)]
    pub(super) fn is_watching(&self) -> bool {
        matches!(self.blocked, Blocked::Watched { .. })
    }
}

impl AsyncRead for Socket {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let unfilled = buffer.initialize_unfilled();
        let count = ready!(Socket::poll_read(&self, cx, unfilled))?;
        buffer.advance(count);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Socket {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Socket::poll_write(&mut self, cx, &[IoSlice::new(bytes)])
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(self.shutdown_write())
    }
}

impl SocketWriter {
    /// Writes as much as fits, without waiting; [`io::ErrorKind::WouldBlock`] if that is nothing.
    ///
    /// [`io::ErrorKind::NotConnected`] means that the socket is closed and no byte was written.
    pub(crate) fn try_write(&self, segments: &[IoSlice<'_>]) -> io::Result<usize> {
        let fd = self.fd.upgrade().ok_or(io::ErrorKind::NotConnected)?;
        loop {
            match send(&fd, segments) {
                Err(Errno::INTR) => {}
                other => return other.map_err(io::Error::from),
            }
        }
    }
}

fn receive(fd: &Arc<OwnedFd>, into: &mut ReadInto<'_>) -> Result<usize, Errno> {
    debug_assert!(into.len() > 0, "an empty read looks like the end");
    match into {
        ReadInto::Slice(slice) => {
            rustix::net::recv(fd.as_fd(), &mut **slice, RecvFlags::DONTWAIT).map(|(count, _)| count)
        }
        ReadInto::Spare(buffer) => {
            let spare = rustix::buffer::spare_capacity(buffer);
            rustix::net::recv(fd.as_fd(), spare, RecvFlags::DONTWAIT).map(|(count, _)| count)
        }
    }
}

fn send(fd: &Arc<OwnedFd>, segments: &[IoSlice<'_>]) -> Result<usize, Errno> {
    match segments {
        [] => Ok(0),
        [bytes] => rustix::net::send(fd.as_fd(), bytes, fds::SEND),
        _ => {
            let segments = segments.get(..MAX_SEGMENTS).unwrap_or(segments);
            let mut nothing = SendAncillaryBuffer::default();
            rustix::net::sendmsg(fd.as_fd(), segments, &mut nothing, fds::SEND)
        }
    }
}

// Two names for the same number on most systems, but not on all.
fn would_block(error: Errno) -> bool {
    error == Errno::AGAIN || error == Errno::WOULDBLOCK
}
