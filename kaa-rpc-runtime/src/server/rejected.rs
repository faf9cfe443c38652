//! Connections that did not become channels.

use std::net::SocketAddr;

use crate::open::ConnectError;
use crate::transport::{PeerCredentials, Transport};

/// A connection that did not become a channel.
#[derive(Debug)]
pub struct Rejected {
    /// Why: a wrong secret, most often.
    pub error: ConnectError,
    /// Who it was, where the kernel tells: on Unix sockets.
    pub credentials: Option<PeerCredentials>,
    /// The network address from which it came: on TCP.
    pub address: Option<SocketAddr>,
}

/// Who connected, as far as it is known before a byte is read.
#[derive(Clone, Copy)]
pub(super) struct Visitor {
    pub(super) credentials: Option<PeerCredentials>,
    pub(super) address: Option<SocketAddr>,
}

impl Visitor {
    pub(super) fn of(transport: &Transport) -> Self {
        Self {
            credentials: transport.peer_credentials(),
            address: transport.peer_address(),
        }
    }

    pub(super) fn rejected(self, error: ConnectError) -> Rejected {
        Rejected {
            error,
            credentials: self.credentials,
            address: self.address,
        }
    }
}
