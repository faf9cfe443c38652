//! The streams that connections run over, and how local ones are made.
//!
//! | module | what it knows |
//! | --- | --- |
//! | `listener` | the listening end of any address |
//! | `given`, `passed` | sockets that somebody else made to listen |
//! | `child` | processes that inherit an end of a socket pair |
//! | `unix`, `connect` | the two ends of a Unix address |
//! | `tcp` | those of a TCP address, and encryption |
//! | `bind`, `folder`, `lock` | sockets in the file system: who may touch them, which are stale |
//! | `peer` | users at the other end |
//! | `socket` | a connected socket |
//! | `stream` | any other stream |
//! | `into` | where bytes go that are read |
//!
//! **Invariant:** nothing here reads more than it is asked for, or knows what the bytes mean.

mod accepting;
mod bind;
#[cfg(feature = "process")]
mod child;
mod connect;
mod error;
mod fds;
mod folder;
mod given;
mod into;
mod listener;
mod lock;
#[cfg(feature = "socket-activation")]
mod passed;
mod peer;
mod socket;
mod stream;
#[cfg(feature = "tcp")]
pub(crate) mod tcp;
mod unix;

#[cfg(test)]
mod tests;

use std::future::poll_fn;
use std::io::{self, IoSlice};
use std::net::SocketAddr;
use std::task::{Context, Poll};

use crate::close::CloseReason;

pub(crate) use bind::SocketFile;
#[cfg(feature = "process")]
pub(crate) use child::{ChildProcess, Hosted};
#[cfg(feature = "process")]
pub use child::{Inherited, InheritedError};
pub(crate) use connect::connect;
pub use error::{UnixBindError, UnixConnectError};
pub(crate) use folder::permissions;
pub(crate) use into::ReadInto;
pub(crate) use listener::{ListenOptions, Listener};
#[cfg(feature = "socket-activation")]
pub use passed::{PassedError, PassedSocket, passed_sockets};
pub(crate) use peer::AllowedUsers;
pub use peer::PeerCredentials;
pub(crate) use socket::{SocketWriter, UnixSocket};
pub(crate) use stream::{AsyncReadWrite, OtherStream};
#[cfg(feature = "tcp")]
pub use tcp::{TcpBindError, TcpConnectError};
#[cfg(test)]
pub(crate) use unix::UnixListener;
pub use unix::UnixOptions;

/// What a connection runs over; both ends must name the same kind in the handshake.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A Unix socket at an address.
    Unix,
    /// TCP, encrypted.
    #[cfg(feature = "tcp")]
    Tcp,
    /// TCP as it is, because both ends want it so.
    #[cfg(feature = "tcp")]
    PlainTcp,
    /// A socket pair, one end of which a child process inherited.
    #[cfg(feature = "process")]
    Inherited,
    /// Whatever the user supplied.
    Other,
}

/// The text of the error for a TCP address without the feature.
#[cfg(not(feature = "tcp"))]
pub(crate) fn no_tcp(address: &crate::address::Address) -> String {
    format!(
        "{address}: this build has Unix sockets only; TCP is the feature `tcp` of kaa-rpc-runtime"
    )
}

/// A connected stream.
pub(crate) enum Transport {
    /// A Unix socket.
    Unix(UnixSocket, Local),
    /// A TCP socket.
    #[cfg(feature = "tcp")]
    Tcp(tcp::TcpSocket),
    /// Any other stream.
    Stream(OtherStream),
}

/// Where a Unix socket comes from.
pub(crate) enum Local {
    /// An address.
    Address,
    /// The host that started this process.
    #[cfg(feature = "process")]
    Inherited,
    /// This process made it, and started the child that has its other end. The child belongs to it as soon as
    /// the channel is open.
    #[cfg(feature = "process")]
    Host(Option<Box<ChildProcess>>),
}

impl Transport {
    /// A socket from an address.
    pub(crate) fn unix(socket: UnixSocket) -> Self {
        Transport::Unix(socket, Local::Address)
    }

    /// The end of a socket pair that this process inherited.
    #[cfg(feature = "process")]
    pub(crate) fn inherited(socket: UnixSocket) -> Self {
        Transport::Unix(socket, Local::Inherited)
    }

    /// The end of a socket pair whose other one a child of this process has.
    #[cfg(feature = "process")]
    fn host(socket: UnixSocket) -> Self {
        Transport::Unix(socket, Local::Host(None))
    }

    /// Ties the child to its channel: it ends with it, and the channel with the child.
    #[cfg(feature = "process")]
    pub(crate) fn keep(&mut self, child: ChildProcess) {
        if let Transport::Unix(_, local @ Local::Host(_)) = self {
            *local = Local::Host(Some(Box::new(child)));
        }
    }

    /// After the channel was closed for this reason: ends what belongs to it, and says what there is to add.
    #[cfg_attr(
        not(feature = "process"),
        expect(clippy::unused_async, reason = "child processes are waited for")
    )]
    pub(crate) async fn end(&mut self, reason: CloseReason) -> CloseReason {
        match self {
            #[cfg(feature = "process")]
            Transport::Unix(_, Local::Host(child)) => match child.take() {
                Some(child) => child.end_after(reason).await,
                None => reason,
            },
            _ => reason,
        }
    }

    /// Any other stream. `binding` is what both ends know of this very stream and of no other (a TLS
    /// exporter value, a handshake hash); empty if there is no such thing.
    pub(crate) fn stream(
        stream: impl AsyncReadWrite + 'static,
        kind: Kind,
        binding: impl Into<Box<[u8]>>,
    ) -> Self {
        Transport::Stream(OtherStream::new(Box::new(stream), kind, binding.into()))
    }

    /// The same stream, of which it is known what it is connected to.
    pub(crate) fn connected_to(self, address: SocketAddr) -> Self {
        match self {
            Transport::Stream(stream) => Transport::Stream(stream.connected_to(address)),
            other => other,
        }
    }

    /// The same stream, in encrypted records from now on. What is no TCP socket stays as it is.
    #[cfg(feature = "tcp")]
    pub(crate) fn encrypted(self, secured: kaa_rpc_proto::noise::Secured) -> Self {
        match self {
            Transport::Tcp(socket) => Transport::Tcp(socket.encrypted(secured)),
            other => other,
        }
    }

    /// What it is, for the handshake.
    pub(crate) fn kind(&self) -> Kind {
        match self {
            Transport::Unix(_, Local::Address) => Kind::Unix,
            #[cfg(feature = "process")]
            Transport::Unix(..) => Kind::Inherited,
            #[cfg(feature = "tcp")]
            Transport::Tcp(socket) => socket.kind(),
            Transport::Stream(stream) => stream.kind(),
        }
    }

    /// Whether the handshake will make an encrypted stream of it.
    pub(crate) fn encrypts(&self) -> bool {
        #[cfg(feature = "tcp")]
        return self.kind() == Kind::Tcp;
        #[cfg(not(feature = "tcp"))]
        false
    }

    /// Whether closing it may destroy what was written, if something that came is not read. The kernel
    /// keeps what was written to a Unix socket.
    pub(crate) fn resets_when_unread(&self) -> bool {
        !matches!(self, Transport::Unix(..))
    }

    /// Whether the other end may be on another machine, and vanish without a sign.
    pub(crate) fn is_network(&self) -> bool {
        match self.kind() {
            Kind::Unix => false,
            // Of a stream that a user made, only what it is connected to tells.
            Kind::Other => self.peer_address().is_some(),
            #[cfg(feature = "process")]
            Kind::Inherited => false,
            #[cfg(feature = "tcp")]
            Kind::Tcp | Kind::PlainTcp => true,
        }
    }

    /// What tells this stream from all others, for the handshake. Empty for a Unix socket, which the
    /// kernel isolates.
    pub(crate) fn binding(&self) -> &[u8] {
        match self {
            Transport::Unix(..) => &[],
            #[cfg(feature = "tcp")]
            Transport::Tcp(socket) => socket.binding(),
            Transport::Stream(stream) => stream.binding(),
        }
    }

    /// Who is at the other end, if the kernel tells.
    pub(crate) fn peer_credentials(&self) -> Option<PeerCredentials> {
        match self {
            // The kernel tells who made the pair, and that is this process.
            #[cfg(feature = "process")]
            Transport::Unix(_, Local::Host(_)) => None,
            Transport::Unix(socket, _) => Some(socket.peer()),
            #[cfg(feature = "tcp")]
            Transport::Tcp(_) => None,
            Transport::Stream(_) => None,
        }
    }

    /// The network address at the other end, if it has one.
    pub(crate) fn peer_address(&self) -> Option<SocketAddr> {
        match self {
            Transport::Unix(..) => None,
            #[cfg(feature = "tcp")]
            Transport::Tcp(socket) => Some(socket.peer()),
            Transport::Stream(stream) => stream.address(),
        }
    }

    /// A handle with which callers may write themselves, from any thread, while the driver does not.
    pub(crate) fn direct_writer(&self) -> Option<DirectWriter> {
        match self {
            Transport::Unix(socket, _) => Some(DirectWriter::Socket(socket.writer())),
            #[cfg(feature = "tcp")]
            Transport::Tcp(socket) => Some(socket.writer()),
            Transport::Stream(_) => None,
        }
    }

    /// Reads what is there, as much as fits, for which there must be room. 0 means the peer has ended.
    pub(crate) fn poll_read<'a>(
        &mut self,
        cx: &mut Context<'_>,
        into: impl Into<ReadInto<'a>>,
    ) -> Poll<io::Result<usize>> {
        let mut into = into.into();
        match self {
            Transport::Unix(socket, local) => match socket.poll_read(cx, into.reborrow()) {
                Poll::Pending if local.has_ended(cx) => match socket.try_read(into) {
                    // Whoever else holds its end has no business with it.
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => Poll::Ready(Ok(0)),
                    rest => Poll::Ready(rest),
                },
                other => other,
            },
            #[cfg(feature = "tcp")]
            Transport::Tcp(socket) => socket.poll_read(cx, into),
            Transport::Stream(stream) => stream.poll_read(cx, into),
        }
    }

    /// Reads without waiting; [`io::ErrorKind::WouldBlock`] if nothing has come.
    ///
    /// The handshake asks this for bytes that came too early.
    pub(crate) fn try_read<'a>(&mut self, into: impl Into<ReadInto<'a>>) -> io::Result<usize> {
        let into = into.into();
        match self {
            Transport::Unix(socket, _) => socket.try_read(into),
            #[cfg(feature = "tcp")]
            Transport::Tcp(socket) => socket.try_read(into),
            Transport::Stream(stream) => stream.try_read(into),
        }
    }

    /// Writes as much as fits, and waits if nothing does. [`Self::poll_flush`] sends it on its way.
    pub(crate) fn poll_write(
        &mut self,
        cx: &mut Context<'_>,
        segments: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match self {
            Transport::Unix(socket, _) => socket.poll_write(cx, segments),
            #[cfg(feature = "tcp")]
            Transport::Tcp(socket) => socket.poll_write(cx, segments),
            Transport::Stream(stream) => stream.poll_write(cx, segments),
        }
    }

    /// Sends what the stream itself holds back. Nothing for a Unix socket.
    pub(crate) fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self {
            Transport::Unix(..) => Poll::Ready(Ok(())),
            #[cfg(feature = "tcp")]
            Transport::Tcp(socket) => socket.poll_flush(cx),
            Transport::Stream(stream) => stream.poll_flush(cx),
        }
    }

    /// Tells the peer that nothing more comes. Reading goes on.
    pub(crate) fn poll_shutdown(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self {
            Transport::Unix(socket, _) => Poll::Ready(socket.shutdown_write()),
            #[cfg(feature = "tcp")]
            Transport::Tcp(socket) => socket.poll_shutdown(cx),
            Transport::Stream(stream) => stream.poll_shutdown(cx),
        }
    }

    /// Writes all of `bytes` and flushes.
    pub(crate) async fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        let mut done = 0;
        while let Some(rest) = bytes.get(done..).filter(|rest| !rest.is_empty()) {
            match poll_fn(|cx| self.poll_write(cx, &[IoSlice::new(rest)])).await? {
                0 => return Err(io::ErrorKind::WriteZero.into()),
                count => done += count,
            }
        }
        poll_fn(|cx| self.poll_flush(cx)).await
    }
}

/// Writes to a socket from any thread, while the driver does not.
#[derive(Clone, Debug)]
pub(crate) enum DirectWriter {
    /// As it is.
    Socket(SocketWriter),
    /// In records.
    #[cfg(feature = "tcp")]
    Records(tcp::RecordWriter),
}

impl DirectWriter {
    /// Writes as much as fits, without waiting; [`io::ErrorKind::WouldBlock`] if that is nothing. Says whether
    /// all of that has gone: if not, the driver is to flush it.
    pub(crate) fn try_write(&self, segments: &[IoSlice<'_>]) -> io::Result<(usize, bool)> {
        match self {
            DirectWriter::Socket(writer) => Ok((writer.try_write(segments)?, true)),
            #[cfg(feature = "tcp")]
            DirectWriter::Records(writer) => writer.try_write(segments),
        }
    }
}

impl Local {
    /// Whether the child that has the other end has ended.
    #[cfg(feature = "process")]
    fn has_ended(&mut self, cx: &mut Context<'_>) -> bool {
        match self {
            Local::Host(Some(child)) => child.poll_ended(cx).is_ready(),
            _ => false,
        }
    }

    #[cfg(not(feature = "process"))]
    fn has_ended(&mut self, _: &mut Context<'_>) -> bool {
        false
    }
}
