//! Streams that are no sockets of ours: TLS, pairs in memory, whatever a user brings.

use std::io::{self, IoSlice};
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker, ready};

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, ReadBuf};

use super::{Kind, ReadInto};

/// A stream in both directions.
pub(crate) trait AsyncReadWrite: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> AsyncReadWrite for T {}

/// Reads what is there, as much as fits.
pub(super) fn poll_read(
    stream: &mut (impl AsyncRead + Unpin),
    cx: &mut Context<'_>,
    into: ReadInto<'_>,
) -> Poll<io::Result<usize>> {
    match into {
        ReadInto::Slice(slice) => {
            let mut buffer = ReadBuf::new(slice);
            ready!(Pin::new(stream).poll_read(cx, &mut buffer))?;
            Poll::Ready(Ok(buffer.filled().len()))
        }
        // The future holds nothing: a new one goes on where the last one stopped.
        ReadInto::Spare(buffer) => pin!(stream.read_buf(buffer)).poll(cx),
    }
}

/// A stream of a type that does not matter.
pub(crate) struct OtherStream {
    stream: Box<dyn AsyncReadWrite>,
    kind: Kind,
    binding: Box<[u8]>,
    address: Option<SocketAddr>,
}

impl OtherStream {
    pub(super) fn new(stream: Box<dyn AsyncReadWrite>, kind: Kind, binding: Box<[u8]>) -> Self {
        OtherStream {
            stream,
            kind,
            binding,
            address: None,
        }
    }

    /// The same stream, of which it is known what it is connected to.
    pub(super) fn connected_to(self, address: SocketAddr) -> Self {
        Self {
            address: Some(address),
            ..self
        }
    }

    pub(super) fn address(&self) -> Option<SocketAddr> {
        self.address
    }

    pub(super) fn kind(&self) -> Kind {
        self.kind
    }

    pub(super) fn binding(&self) -> &[u8] {
        &self.binding
    }

    pub(super) fn poll_read(
        &mut self,
        cx: &mut Context<'_>,
        into: ReadInto<'_>,
    ) -> Poll<io::Result<usize>> {
        poll_read(&mut self.stream, cx, into)
    }

    pub(super) fn try_read(&mut self, into: ReadInto<'_>) -> io::Result<usize> {
        // Nobody is woken by this; whoever wants to be polls again.
        match self.poll_read(&mut Context::from_waker(Waker::noop()), into) {
            Poll::Ready(result) => result,
            Poll::Pending => Err(io::ErrorKind::WouldBlock.into()),
        }
    }

    pub(super) fn poll_write(
        &mut self,
        cx: &mut Context<'_>,
        segments: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let stream = Pin::new(&mut self.stream);
        if stream.is_write_vectored() {
            return stream.poll_write_vectored(cx, segments);
        }
        let first = segments.iter().find(|segment| !segment.is_empty());
        match first {
            Some(segment) => stream.poll_write(cx, segment),
            None => Poll::Ready(Ok(0)),
        }
    }

    pub(super) fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    pub(super) fn poll_shutdown(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
