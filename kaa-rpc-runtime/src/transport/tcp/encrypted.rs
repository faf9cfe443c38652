//! A stream in encrypted records.

use std::cell::RefCell;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use kaa_rpc_proto::noise::{RecordError, Records, Split};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// Room for a whole record, and as much again, so that what is left of one does not make reads short.
const RECEIVED_CAPACITY: usize = 2 * (Records::HEADER_LEN + u16::MAX as usize);

/// A buffer for what is to be sent that grew beyond this is given back when it is empty.
const KEPT_CAPACITY: usize = 4 * 1024;

/// A stream over another one, whose bytes go in encrypted records.
///
/// What was changed on the way is an error of kind [`io::ErrorKind::InvalidData`], and so is every read
/// after that. The end of the other stream is the end of this one, also within a record: it is for frames
/// to tell an orderly end.
pub(crate) struct EncryptedStream<S> {
    stream: S,
    records: Records,
    received: Received,
    /// What was in a record for which the reader had no room.
    plain: Vec<u8>,
    plain_taken: usize,
    /// Sealed, and not yet all taken by the stream below.
    sealed: Vec<u8>,
    sealed_taken: usize,
}

impl<S> EncryptedStream<S> {
    pub(crate) fn new(stream: S, records: Records) -> Self {
        Self {
            stream,
            records,
            received: Received::default(),
            plain: Vec::new(),
            plain_taken: 0,
            sealed: Vec::new(),
            sealed_taken: 0,
        }
    }

    /// Gives what is left of a record that was opened before. Whether there was something.
    fn take_plain(&mut self, out: &mut ReadBuf<'_>) -> bool {
        let rest = self.plain.get(self.plain_taken..).unwrap_or_default();
        let count = rest.len().min(out.remaining());
        out.put_slice(rest.get(..count).unwrap_or_default());
        self.plain_taken += count;
        if self.plain_taken >= self.plain.len() {
            self.plain = Vec::new();
            self.plain_taken = 0;
        }
        count > 0
    }

    /// Opens the whole records that were received, as many as `out` has room for; the first one in any
    /// case. Whether there was one.
    fn open(&mut self, out: &mut ReadBuf<'_>) -> Result<bool, RecordError> {
        let mut any = false;
        loop {
            let (record, end) = match self.records.split(self.received.bytes()) {
                Ok(Split::Record(record, end)) => (record, end),
                Ok(Split::Incomplete) => break,
                // What was sound before it is still given; the error comes again.
                Err(_) if any => break,
                Err(error) => return Err(error),
            };
            if out.remaining() >= record.len() {
                // No more is cleared than is filled.
                let room = out.initialize_unfilled_to(record.len());
                match self.records.open(record, room) {
                    Ok(length) => out.advance(length),
                    Err(_) if any => break,
                    Err(error) => return Err(error),
                }
            } else if any {
                break;
            } else {
                self.plain.resize(record.len(), 0);
                let length = self.records.open(record, &mut self.plain)?;
                self.plain.truncate(length);
                self.received.consume(end);
                self.take_plain(out);
                return Ok(true);
            }
            any = true;
            self.received.consume(end);
        }
        Ok(any)
    }
}

impl<S: AsyncWrite + Unpin> EncryptedStream<S> {
    /// Hands what is sealed to the stream below.
    fn poll_send(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while let Some(rest) = self
            .sealed
            .get(self.sealed_taken..)
            .filter(|rest| !rest.is_empty())
        {
            match ready!(Pin::new(&mut self.stream).poll_write(cx, rest))? {
                0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                count => self.sealed_taken += count,
            }
        }
        self.sealed_taken = 0;
        self.sealed.clear();
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for EncryptedStream<S> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        out: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if this.take_plain(out) {
            return Poll::Ready(Ok(()));
        }
        while !this.open(out).map_err(tampered)? {
            if ready!(this.received.poll_fill(&mut this.stream, cx))? == 0 {
                break;
            }
        }
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for EncryptedStream<S> {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        // Not more than one record waits here, so a slow reader slows this end.
        ready!(this.poll_send(cx))?;
        let bytes = bytes.get(..Records::MAX_PLAIN).unwrap_or(bytes);
        if bytes.is_empty() {
            return Poll::Ready(Ok(0));
        }
        this.records
            .seal(bytes, &mut this.sealed)
            .map_err(io::Error::other)?;
        // What the stream does not take now goes with the next write or flush, which the caller owes.
        if let Poll::Ready(Err(error)) = this.poll_send(cx) {
            return Poll::Ready(Err(error));
        }
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        ready!(this.poll_send(cx))?;
        if this.sealed.capacity() > KEPT_CAPACITY {
            this.sealed = Vec::new();
        }
        Pin::new(&mut this.stream).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        ready!(this.poll_send(cx))?;
        Pin::new(&mut this.stream).poll_shutdown(cx)
    }
}

fn tampered(error: RecordError) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, error)
}

/// What was received and not yet opened. Owns a buffer only if there is something in it.
#[derive(Default)]
struct Received {
    buffer: Vec<u8>,
    begin: usize,
    end: usize,
}

impl Received {
    fn bytes(&self) -> &[u8] {
        self.buffer.get(self.begin..self.end).unwrap_or_default()
    }

    fn consume(&mut self, count: usize) {
        self.begin += count;
        if self.begin >= self.end {
            self.begin = 0;
            self.end = 0;
            give(std::mem::take(&mut self.buffer));
        }
    }

    /// Reads once; 0 is the end of the stream.
    fn poll_fill(
        &mut self,
        stream: &mut (impl AsyncRead + Unpin),
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<usize>> {
        if self.buffer.is_empty() {
            self.buffer = take();
        }
        if self.begin > 0 {
            self.buffer.copy_within(self.begin..self.end, 0);
            self.end -= self.begin;
            self.begin = 0;
        }
        let mut room = ReadBuf::new(self.buffer.get_mut(self.end..).unwrap_or_default());
        let read = Pin::new(stream).poll_read(cx, &mut room);
        let count = room.filled().len();
        self.end += count;
        // An idle connection owns no buffer.
        self.consume(0);
        read.map_ok(|()| count)
    }
}

/// So many buffers a thread keeps for what is received.
const KEPT: usize = 2;

thread_local! {
    static POOL: RefCell<Vec<Vec<u8>>> = const { RefCell::new(Vec::new()) };
}

/// A buffer of [`RECEIVED_CAPACITY`] bytes.
fn take() -> Vec<u8> {
    // A thread that is ending has no pool any more.
    POOL.try_with(|pool| pool.try_borrow_mut().ok().and_then(|mut pool| pool.pop()))
        .ok()
        .flatten()
        .unwrap_or_else(|| vec![0; RECEIVED_CAPACITY])
}

fn give(buffer: Vec<u8>) {
    let _ = POOL.try_with(|pool| {
        if let Ok(mut pool) = pool.try_borrow_mut()
            && pool.len() < KEPT
            && !buffer.is_empty()
        {
            pool.push(buffer);
        }
    });
}
