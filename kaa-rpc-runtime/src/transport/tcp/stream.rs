//! A connected TCP socket.

use std::borrow::Cow;
use std::io::{self, IoSlice};
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::task::{Context, Poll, Waker};

use kaa_rpc_proto::noise::{Records, Secured};
use tokio::io::AsyncWrite;

use super::EncryptedStream;
use crate::transport::socket::Socket;
use crate::transport::stream::poll_read;
use crate::transport::{DirectWriter, Kind, ReadInto};

/// A connected TCP socket, encrypted as soon as the handshake has come so far.
pub(crate) struct TcpSocket {
    over: Over,
    plaintext: bool,
    /// What both ends know of this very connection and of no other: the hash of the handshake.
    binding: Box<[u8]>,
    peer: SocketAddr,
}

enum Over {
    Socket(Socket),
    /// Shared with [`RecordWriter`]s. They and the driver take turns, so nobody ever waits for this lock.
    Records(Arc<Mutex<Encrypted>>),
}

type Encrypted = EncryptedStream<Socket>;

/// Writes to an encrypted [`TcpSocket`] from any thread. Fails once the socket is closed.
#[derive(Clone, Debug)]
pub(crate) struct RecordWriter(Weak<Mutex<Encrypted>>);

fn lock(encrypted: &Mutex<Encrypted>) -> MutexGuard<'_, Encrypted> {
    // What could panic under it is sealing and opening, after which no record is accepted any more.
    encrypted.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What goes into the next record: the first segment, and if that is the head of a frame whose payload follows, as much
/// of this as fits. A record of its own for the head would be two more system calls.
fn first_of<'a>(segments: &'a [IoSlice<'_>]) -> Cow<'a, [u8]> {
    let mut segments = segments.iter().filter(|segment| !segment.is_empty());
    let first = segments.next().map_or(&[][..], |segment| segment);
    let mut rest = segments.peekable();
    if rest.peek().is_none() || first.len() > HEAD {
        return Cow::Borrowed(first);
    }
    let mut joined = first.to_vec();
    for segment in rest {
        let room = Records::MAX_PLAIN - joined.len();
        joined.extend_from_slice(segment.get(..room).unwrap_or(segment));
    }
    Cow::Owned(joined)
}

/// A segment with more bytes is worth a record.
const HEAD: usize = 4 * 1024;

impl TcpSocket {
    /// `plaintext`: both ends want it as it is.
    pub(super) fn new(socket: Socket, peer: SocketAddr, plaintext: bool) -> Self {
        Self {
            over: Over::Socket(socket),
            plaintext,
            binding: Box::default(),
            peer,
        }
    }

    /// The same socket, in encrypted records from now on.
    pub(in super::super) fn encrypted(self, secured: Secured) -> Self {
        let over = match self.over {
            Over::Socket(socket) => {
                let encrypted = EncryptedStream::new(socket, secured.records);
                Over::Records(Arc::new(Mutex::new(encrypted)))
            }
            twice => twice,
        };
        Self {
            over,
            binding: secured.binding.into(),
            ..self
        }
    }

    pub(in super::super) fn kind(&self) -> Kind {
        if self.plaintext {
            Kind::PlainTcp
        } else {
            Kind::Tcp
        }
    }

    pub(in super::super) fn binding(&self) -> &[u8] {
        &self.binding
    }

    pub(in super::super) fn peer(&self) -> SocketAddr {
        self.peer
    }

    /// A handle that writes from any thread.
    pub(in super::super) fn writer(&self) -> DirectWriter {
        match &self.over {
            Over::Socket(socket) => DirectWriter::Socket(socket.writer()),
            Over::Records(encrypted) => {
                DirectWriter::Records(RecordWriter(Arc::downgrade(encrypted)))
            }
        }
    }

    pub(in super::super) fn poll_read(
        &mut self,
        cx: &mut Context<'_>,
        into: ReadInto<'_>,
    ) -> Poll<io::Result<usize>> {
        match &mut self.over {
            Over::Socket(socket) => Socket::poll_read(socket, cx, into),
            Over::Records(encrypted) => poll_read(&mut *lock(encrypted), cx, into),
        }
    }

    pub(in super::super) fn try_read(&mut self, into: ReadInto<'_>) -> io::Result<usize> {
        if let Over::Socket(socket) = &self.over {
            return socket.try_read(into);
        }
        // Nobody is woken by this; whoever wants to be polls again.
        match self.poll_read(&mut Context::from_waker(Waker::noop()), into) {
            Poll::Ready(result) => result,
            Poll::Pending => Err(io::ErrorKind::WouldBlock.into()),
        }
    }

    pub(in super::super) fn poll_write(
        &mut self,
        cx: &mut Context<'_>,
        segments: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match &mut self.over {
            Over::Socket(socket) => Socket::poll_write(socket, cx, segments),
            Over::Records(encrypted) => {
                Pin::new(&mut *lock(encrypted)).poll_write(cx, &first_of(segments))
            }
        }
    }

    pub(in super::super) fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &self.over {
            Over::Socket(_) => Poll::Ready(Ok(())),
            Over::Records(encrypted) => Pin::new(&mut *lock(encrypted)).poll_flush(cx),
        }
    }

    pub(in super::super) fn poll_shutdown(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.over {
            Over::Socket(socket) => Poll::Ready(socket.shutdown_write()),
            Over::Records(encrypted) => Pin::new(&mut *lock(encrypted)).poll_shutdown(cx),
        }
    }
}

impl RecordWriter {
    /// Seals and writes as much as one record holds, without waiting; [`io::ErrorKind::WouldBlock`] if what
    /// was sealed before has not gone yet. Says whether all that was sealed has gone: if not, the driver is to
    /// flush it.
    ///
    /// [`io::ErrorKind::NotConnected`] means that the socket is closed and no byte was written.
    pub(in super::super) fn try_write(
        &self,
        segments: &[IoSlice<'_>],
    ) -> io::Result<(usize, bool)> {
        let encrypted = self.0.upgrade().ok_or(io::ErrorKind::NotConnected)?;
        let mut encrypted = lock(&encrypted);
        // The driver, which flushes, waits for room with its own waker.
        let mut cx = Context::from_waker(Waker::noop());
        match Pin::new(&mut *encrypted).poll_write(&mut cx, &first_of(segments)) {
            Poll::Pending => Err(io::ErrorKind::WouldBlock.into()),
            Poll::Ready(Err(error)) => Err(error),
            Poll::Ready(Ok(count)) => {
                let flushed = Pin::new(&mut *encrypted).poll_flush(&mut cx);
                Ok((count, matches!(flushed, Poll::Ready(Ok(())))))
            }
        }
    }
}
