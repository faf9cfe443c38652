//! As `tokio`, with sockets that are registered for reading only, as the runtime does it: tokio's own are
//! registered for writing too, and wake for nothing each time the peer reads.

use std::io;
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use rustix::io::Errno;
use rustix::net::{RecvFlags, SendFlags};
use tokio::io::unix::AsyncFd;
use tokio::io::{AsyncRead, AsyncWrite, Interest, ReadBuf};
use tokio::net::UnixStream;

use super::tokio::Frames;
use crate::Error;
use crate::systems::{Place, System, listen};

/// Over a Unix socket.
pub struct ReadingOnly;

impl System for ReadingOnly {
    const NAME: &'static str = "floor1r: registered for reading only";
    type Client = Frames<Socket>;

    async fn serve(folder: PathBuf) -> Result<(), Error> {
        let echo = |stream| {
            tokio::spawn(async { Frames::new(Socket::new(stream)?).echo().await });
        };
        listen(&folder, echo).await
    }

    async fn connect(place: &Place) -> Result<Self::Client, Error> {
        let stream = UnixStream::connect(&place.address).await?;
        Ok(Frames::new(Socket::new(stream)?))
    }
}

/// A socket that is registered for reading only.
pub(super) struct Descriptor(AsyncFd<OwnedFd>);

/// There while a write would block: registered for writing.
type Blocked = Option<AsyncFd<OwnedFd>>;

impl Descriptor {
    pub(super) fn new(stream: UnixStream) -> io::Result<Self> {
        let fd = stream.into_std()?.into();
        Ok(Self(watch(fd, Interest::READABLE)?))
    }

    /// Writes what fits, without waiting.
    pub(super) fn try_send(&self, bytes: &[u8]) -> Result<usize, Errno> {
        rustix::net::send(&self.0, bytes, SendFlags::DONTWAIT | SendFlags::NOSIGNAL)
    }

    /// Writes what fits, and waits if that is nothing. Nobody else may wait.
    pub(super) fn poll_send(
        &self,
        blocked: &mut Blocked,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        loop {
            if let Some(blocked) = blocked {
                ready!(blocked.poll_write_ready(cx))?.clear_ready();
            }
            match self.try_send(bytes) {
                Ok(count) => {
                    *blocked = None;
                    return Poll::Ready(Ok(count));
                }
                Err(Errno::AGAIN) if blocked.is_none() => {
                    let fd = self.0.get_ref().try_clone()?;
                    *blocked = Some(watch(fd, Interest::WRITABLE)?);
                }
                Err(Errno::AGAIN) => {}
                Err(error) => return Poll::Ready(Err(error.into())),
            }
        }
    }

    /// Reads what is there, and waits if that is nothing. 0 is the end.
    pub(super) fn poll_receive(
        &self,
        cx: &mut Context<'_>,
        buffer: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        loop {
            let mut ready = ready!(self.0.poll_read_ready(cx))?;
            match rustix::net::recv(&self.0, &mut *buffer, RecvFlags::DONTWAIT) {
                Ok((count, _)) => {
                    // A short read took all there was.
                    if count > 0 && count < buffer.len() {
                        ready.clear_ready();
                    }
                    return Poll::Ready(Ok(count));
                }
                Err(Errno::AGAIN) => ready.clear_ready(),
                Err(error) => return Poll::Ready(Err(error.into())),
            }
        }
    }
}

#[expect(
    deprecated,
    reason = "the replacement is unsafe, for descriptors that change; these do not"
)]
fn watch(fd: OwnedFd, interest: Interest) -> io::Result<AsyncFd<OwnedFd>> {
    Ok(AsyncFd::try_with_interest(fd, interest)?)
}

/// As a stream.
pub struct Socket {
    descriptor: Descriptor,
    blocked: Blocked,
}

impl Socket {
    fn new(stream: UnixStream) -> io::Result<Self> {
        Ok(Self {
            descriptor: Descriptor::new(stream)?,
            blocked: None,
        })
    }
}

impl AsyncRead for Socket {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let count = ready!(
            self.descriptor
                .poll_receive(cx, buffer.initialize_unfilled())
        )?;
        buffer.advance(count);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Socket {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        this.descriptor.poll_send(&mut this.blocked, cx, bytes)
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}
