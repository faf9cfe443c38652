//! Channels over streams that the user made.

use tokio::io::{AsyncRead, AsyncWrite};

use super::{Channel, ChannelBuilder};
use crate::open::ConnectError;
use crate::plan::To;
use crate::transport::{Kind, Transport};

impl<P: From<Channel>> ChannelBuilder<P> {
    /// Opens a channel over a stream that is connected already: TLS, a serial line, a pipe through `ssh`,
    /// something in memory. The other end gives its stream to [`Server::accept`](crate::Server::accept).
    /// It must be reliable and in order; the channel does not encrypt it.
    ///
    /// `binding` ties the proof of the secret to this very stream. It must be
    ///
    /// - **the same at both ends** of this stream, or neither end opens;
    /// - **different for every other stream**, and nothing that somebody in the middle of two streams can
    ///   make the same on both: not a name, a port or a certificate, but what both ends computed from a key
    ///   exchange of theirs. It need not be secret.
    ///
    /// For TLS 1.3 that is the exporter `tls-exporter` of RFC 9266. With it somebody who ends the TLS of one
    /// side and begins that of the other is found out, even if both sides accept the certificates that they
    /// are shown.
    ///
    /// An **empty** binding gives that up: whoever is in the middle of the stream, without knowing the secret,
    /// can pass the opening on from one side to the other and read and change all that follows, unless the
    /// stream itself knows who is at its other end. It is right where nobody can be in the middle.
    ///
    /// Must be called within a tokio runtime.
    ///
    /// # Errors
    ///
    /// When the secrets or the bindings differ, the stream ends, or it takes longer than
    /// [`open_timeout`](Self::open_timeout). With [`retry`](Self::retry), which needs a
    /// [connector](Self::connect_with).
    ///
    /// **Cancel safe:** dropping the future drops the stream.
    pub async fn connect_over<S>(self, stream: S, binding: &[u8]) -> Result<P, ConnectError>
    where
        S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        let transport = Transport::stream(stream, Kind::Other, binding);
        self.open(To::stream(transport)).await
    }
}
