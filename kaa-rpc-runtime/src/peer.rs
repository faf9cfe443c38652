//! Who is at the other end.

use std::net::SocketAddr;

use crate::transport::PeerCredentials;

/// Who is at the other end of a channel, as far as it is known.
#[derive(Clone, Debug, Default)]
pub struct Peer {
    pub(crate) credentials: Option<PeerCredentials>,
    pub(crate) address: Option<SocketAddr>,
    pub(crate) instance: [u8; 16],
    pub(crate) session: String,
    pub(crate) service: String,
    pub(crate) key_id: String,
}

impl Peer {
    /// User, group and process, where the kernel tells: on Unix sockets.
    #[must_use]
    pub fn credentials(&self) -> Option<&PeerCredentials> {
        self.credentials.as_ref()
    }

    /// The network address from which it comes, or to which this end connected: on TCP.
    #[must_use]
    pub fn address(&self) -> Option<SocketAddr> {
        self.address
    }

    /// Names the [`crate::Server`] or the client's builder at the other end; new each time it is made.
    /// Two channels from one client process may share it.
    #[must_use]
    pub fn instance(&self) -> [u8; 16] {
        self.instance
    }

    /// The service name that the other end announced; empty if none.
    #[must_use]
    pub fn service(&self) -> &str {
        &self.service
    }

    /// The id of the secret by which the two ends know each other; empty for the default one.
    #[must_use]
    pub fn key_id(&self) -> &str {
        &self.key_id
    }

    /// The name that goes with that secret: its id, up to the first `.`. So whoever has an old secret
    /// `alice.1` and a new one `alice.2` is `alice` by both. Empty for the default secret.
    ///
    /// At a server it says who the client is, as far as only that client has the secret.
    #[must_use]
    pub fn name(&self) -> &str {
        let (name, _) = self.key_id.split_once('.').unwrap_or((&self.key_id, ""));
        name
    }

    /// The same at both ends of a connection and never again: for logs.
    #[must_use]
    pub fn session(&self) -> &str {
        &self.session
    }
}
