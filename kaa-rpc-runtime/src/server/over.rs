//! Channels over streams that the user accepted.

use std::net::SocketAddr;

use tokio::io::{AsyncRead, AsyncWrite};

use super::Server;
use crate::transport::{Kind, Transport};

impl<P> Server<P> {
    /// Takes a stream that is connected already, whose other end calls
    /// [`connect_over`](crate::ChannelBuilder::connect_over), with what `binding` has to be said there.
    ///
    /// It goes the way of all connections: it has
    /// [`open_timeout`](crate::ServerBuilder::open_timeout) to prove itself, is shown to
    /// [`on_rejected`](crate::ServerBuilder::on_rejected) or
    /// [`on_connect`](crate::ServerBuilder::on_connect), and is one of [`channels`](Self::channels).
    /// Any server takes streams, also one that listens at an address.
    ///
    /// It does not wait for the proof. If as many connections as may are without theirs
    /// ([`max_opening`](crate::ServerBuilder::max_opening)), another one goes for it. A server that is
    /// closing drops the stream.
    ///
    /// Must be called within a tokio runtime.
    ///
    /// **Cancel safe:** dropping the future drops the stream.
    pub async fn accept<S>(&self, stream: S, binding: &[u8])
    where
        S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        let transport = Transport::stream(stream, Kind::Other, binding);
        self.inner.admit(transport).await;
    }

    /// As [`accept`](Self::accept), of a stream that came over the network from `address`:
    /// [`Peer::address`](crate::Peer::address) and [`Rejected::address`](crate::Rejected::address) tell it.
    pub async fn accept_from<S>(&self, address: SocketAddr, stream: S, binding: &[u8])
    where
        S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        let transport = Transport::stream(stream, Kind::Other, binding).connected_to(address);
        self.inner.admit(transport).await;
    }
}
