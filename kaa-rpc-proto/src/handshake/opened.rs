//! What a completed handshake gives.

use std::fmt;

use super::error::HandshakeError;
use super::name::{KeyId, ServiceName};
use super::proof::Verified;
use super::settings::{Features, InstanceId, Role, Settings};
use super::wire::Hello;
use crate::limits::Limits;

/// A connection whose ends have proved to each other that they have the same secret.
///
/// It can be had only from the last state of a handshake, and an open connection is made from it
/// alone, so forgetting to verify a proof does not compile.
#[derive(Debug)]
pub struct Opened {
    context: Context,
    peer: Peer,
    version: u8,
    session: SessionId,
    // Never read: that it exists is what counts.
    _verified: Verified,
}

impl Opened {
    pub(crate) fn new(
        context: Context,
        peer: Peer,
        version: u8,
        session: SessionId,
        verified: Verified,
    ) -> Self {
        Self {
            context,
            peer,
            version,
            session,
            _verified: verified,
        }
    }

    /// Which end this is.
    #[must_use]
    pub fn role(&self) -> Role {
        self.context.role
    }

    /// What this end said of itself.
    #[must_use]
    pub fn settings(&self) -> &Settings {
        &self.context.settings
    }

    /// What the other end said of itself.
    #[must_use]
    pub fn peer(&self) -> &Peer {
        &self.peer
    }

    /// The limits that this end announced: the other end keeps to them.
    #[must_use]
    pub fn local_limits(&self) -> &Limits {
        &self.context.settings.limits
    }

    /// The limits that the other end announced: this end must keep to them.
    #[must_use]
    pub fn peer_limits(&self) -> &Limits {
        &self.peer.limits
    }

    /// The features that both ends offered.
    #[must_use]
    pub fn features(&self) -> Features {
        self.context.settings.offered & self.peer.offered
    }

    /// The major version of the protocol.
    #[must_use]
    pub fn version(&self) -> u8 {
        self.version
    }

    /// The key id of the secret.
    #[must_use]
    pub fn key_id(&self) -> KeyId {
        self.context.key_id
    }

    /// A name for this connection that both ends know. It is no secret; use it in logs.
    #[must_use]
    pub fn session(&self) -> SessionId {
        self.session
    }
}

/// What the other end said of itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Peer {
    /// The service that it belongs to; may be empty.
    pub service: ServiceName,
    /// Its name.
    pub instance: InstanceId,
    /// What it accepts, each limit in its range.
    pub limits: Limits,
    /// The features that it offered.
    pub offered: Features,
}

/// The name of one connection, the same at both ends and of no other connection.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct SessionId(pub [u8; 32]);

/// The first eight bytes, in hexadecimal: enough to find a connection in logs.
impl fmt::Display for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0
            .iter()
            .take(8)
            .try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SessionId({self})")
    }
}

/// What every state of an end carries along.
#[derive(Debug)]
pub(crate) struct Context {
    pub(crate) settings: Settings,
    pub(crate) role: Role,
    pub(crate) key_id: KeyId,
    pub(crate) nonce: [u8; 32],
}

impl Context {
    /// This end's hello.
    pub(crate) fn hello(&self) -> Vec<u8> {
        let Settings {
            transport: _,
            service,
            offered,
            required,
            limits,
            instance,
        } = self.settings;
        let role = self.role.number();
        Hello {
            role,
            instance,
            nonce: self.nonce,
            offered,
            required,
            limits,
            service,
        }
        .encode()
    }

    /// Judges the other end's hello; both ends do so alike.
    ///
    /// Its own instance id comes first: a hello that was sent back has the wrong role too, but that
    /// would tell less.
    pub(crate) fn judge(&self, hello: &Hello) -> Result<Peer, HandshakeError> {
        let ours = &self.settings;
        if hello.instance == ours.instance {
            return Err(HandshakeError::SelfConnection);
        }
        let expected = match self.role {
            Role::Client => Role::Server,
            Role::Server => Role::Client,
        };
        if hello.role != expected.number() {
            return Err(HandshakeError::RoleConflict {
                expected,
                got: hello.role,
            });
        }
        if !(hello.service == ours.service || hello.service.is_empty() || ours.service.is_empty()) {
            return Err(HandshakeError::ServiceMismatch {
                ours: Box::new(ours.service),
                theirs: Box::new(hello.service),
            });
        }
        for (required_by, required, offered) in [
            (self.role, ours.required, hello.offered),
            (expected, hello.required, ours.offered),
        ] {
            if !offered.contains(required) {
                let missing = required.without(offered);
                return Err(HandshakeError::UnsupportedFeature {
                    required_by,
                    missing,
                });
            }
        }
        hello
            .limits
            .validate()
            .map_err(HandshakeError::LimitOutOfRange)?;
        let Hello {
            service,
            instance,
            limits,
            offered,
            ..
        } = *hello;
        Ok(Peer {
            service,
            instance,
            limits,
            offered,
        })
    }
}
