//! Why a connection did not open.

use std::fmt;

use super::name::{KeyId, ServiceName};
use super::settings::{Features, Role, Transport, Versions};
use crate::limits::LimitOutOfRange;

/// Why a connection did not open.
///
/// Nothing of this goes to the other end: except for an answer with the supported versions, a
/// failed handshake ends with a silent close.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum HandshakeError {
    /// What the other end sent first is not this protocol.
    NotKaa {
        /// The first bytes, at most eight.
        got: Box<[u8]>,
    },
    /// No major version is supported by both ends.
    VersionMismatch {
        /// The versions of this end.
        ours: Versions,
        /// The versions of the other end.
        theirs: Versions,
    },
    /// The client thinks that it uses another transport than the server does.
    TransportMismatch {
        /// What this end uses.
        ours: Transport,
        /// The number that the other end sent.
        theirs: u8,
    },
    /// Both ends name a service, and not the same.
    ServiceMismatch {
        /// The service of this end.
        ours: Box<ServiceName>,
        /// The service of the other end.
        theirs: Box<ServiceName>,
    },
    /// One end requires what the other does not offer.
    UnsupportedFeature {
        /// Which end requires it.
        required_by: Role,
        /// What the other one does not offer.
        missing: Features,
    },
    /// The other end does not play the opposite role.
    RoleConflict {
        /// What it should be.
        expected: Role,
        /// The number that it sent.
        got: u8,
    },
    /// The other end has this end's own instance id: it is this end, or what it sends comes from here.
    SelfConnection,
    /// A limit of this end's own settings makes no sense; nothing was sent.
    OwnLimit(LimitOutOfRange),
    /// This end's own settings require features that they do not offer; nothing was sent.
    OwnFeatures {
        /// What is required and not offered.
        missing: Features,
    },
    /// A limit that the other end announced makes no sense.
    LimitOutOfRange(LimitOutOfRange),
    /// A field of a message has a value that it can never have.
    Malformed {
        /// The message.
        stage: Stage,
        /// Its field.
        field: &'static str,
    },
    /// At the server: the client's proof is wrong, so its secret differs from the one with this key
    /// id, there is none with it, or something on the way changed what was sent.
    WrongSecret {
        /// The key id that the client sent.
        key_id: KeyId,
    },
    /// At the client: the server closed after it got the proof, so the secret differs or the server
    /// refused.
    Refused,
    /// At the client: the server's proof is wrong. It accepted this end's proof or pretended to, but
    /// does not have the secret.
    ServerNotProven,
    /// The cipher of an encrypted transport cannot be used; nothing that the other end did.
    Cipher,
    /// Bytes came where there can be none, after this message and before the next proof.
    UnexpectedBytes {
        /// The last message that was due.
        after: Stage,
        /// How many were found.
        got: usize,
    },
    /// The other end closed before its message was complete.
    Closed {
        /// The message that was due.
        awaiting: Stage,
        /// How many bytes it has.
        expected: usize,
        /// How many of them came.
        got: usize,
    },
}

/// Whom a [`HandshakeError`] is to be blamed on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Blame {
    /// This end was set up wrongly.
    Here,
    /// The other end broke the protocol.
    Peer,
    /// Each end is sound, but they do not fit each other: settings differ, or an end went away.
    Between,
}

/// A message of the handshake.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Stage {
    /// The client's first message.
    Preamble,
    /// The server's answer to it.
    Version,
    /// A message of the Noise handshake, of either end.
    Noise,
    /// The hello of either end.
    Hello,
    /// The proof of either end.
    Proof,
}

impl HandshakeError {
    /// Whom to blame.
    #[must_use]
    pub fn blame(&self) -> Blame {
        match self {
            Self::OwnLimit(_) | Self::OwnFeatures { .. } | Self::Cipher => Blame::Here,
            Self::NotKaa { .. }
            | Self::RoleConflict { .. }
            | Self::LimitOutOfRange(_)
            | Self::Malformed { .. }
            | Self::ServerNotProven
            | Self::UnexpectedBytes { .. } => Blame::Peer,
            Self::VersionMismatch { .. }
            | Self::TransportMismatch { .. }
            | Self::ServiceMismatch { .. }
            | Self::UnsupportedFeature { .. }
            | Self::SelfConnection
            | Self::WrongSecret { .. }
            | Self::Refused
            | Self::Closed { .. } => Blame::Between,
        }
    }
}

impl fmt::Display for HandshakeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotKaa { got } => write!(
                f,
                "the other end does not speak Kaa RPC: it began with \"{}\"",
                got.escape_ascii()
            ),
            Self::VersionMismatch { ours, theirs } => write!(
                f,
                "no common protocol version: this end has {ours}, the other {theirs}; update the older one"
            ),
            Self::TransportMismatch { ours, theirs } => write!(
                f,
                "the other end is set up for another transport: expected {ours}, got {}",
                DisplayTransport(*theirs)
            ),
            Self::ServiceMismatch { ours, theirs } => write!(
                f,
                "this end is of the service `{ours}`, the other of `{theirs}`: check the address"
            ),
            Self::UnsupportedFeature { required_by, missing } => write!(
                f,
                "the {required_by} requires {missing}, which the other end does not offer"
            ),
            Self::RoleConflict { expected, got } => write!(
                f,
                "the other end does not act as the {expected}: expected role {}, got {got}",
                expected.number()
            ),
            Self::SelfConnection => {
                f.write_str("this end was connected with itself, or someone sends back what it sent")
            }
            Self::OwnLimit(error) => write!(f, "a limit of this end's settings: {error}"),
            Self::OwnFeatures { missing } => {
                write!(f, "this end's settings require {missing} without offering it")
            }
            Self::LimitOutOfRange(error) => write!(f, "a limit of the other end: {error}"),
            Self::Malformed { stage, field } => {
                write!(f, "the other end sent a {stage} with an impossible {field}")
            }
            Self::WrongSecret { key_id } if key_id.is_empty() => f.write_str(
                "wrong secret: the client's proof does not fit the secret of this server",
            ),
            Self::WrongSecret { key_id } => write!(
                f,
                "wrong secret: the client's proof does not fit a secret with the key id `{key_id}`"
            ),
            Self::Refused => f.write_str(
                "closed after our proof: the secret differs from the server's, or the server refused",
            ),
            Self::ServerNotProven => f.write_str(
                "the server did not prove that it has the secret: it is not the one meant, or \
                 someone on the way changed what was sent",
            ),
            Self::Cipher => f.write_str("the cipher of this end cannot be used"),
            Self::UnexpectedBytes { after, got } => write!(
                f,
                "the other end sent {got} bytes after its {after}, before the handshake went on"
            ),
            Self::Closed { awaiting: Stage::Version, expected, got: 0 } => write!(
                f,
                "the other end closed before its version answer: expected {expected} bytes, got none; \
                 it may be no Kaa RPC server, or set up for another transport, such as plain TCP \
                 instead of encrypted"
            ),
            Self::Closed { awaiting, expected, got: 0 } => write!(
                f,
                "the other end closed before its {awaiting}: expected {expected} bytes, got none"
            ),
            Self::Closed { awaiting, expected, got } => write!(
                f,
                "the other end closed within its {awaiting}: expected {expected} bytes, got {got}"
            ),
        }
    }
}

impl std::error::Error for HandshakeError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::OwnLimit(error) | Self::LimitOutOfRange(error) => Some(error),
            _ => None,
        }
    }
}

impl fmt::Display for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Preamble => "preamble",
            Self::Version => "version answer",
            Self::Noise => "Noise message",
            Self::Hello => "hello",
            Self::Proof => "proof",
        })
    }
}

/// A transport as its number, which may be unknown.
struct DisplayTransport(u8);

impl fmt::Display for DisplayTransport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match Transport::ALL
            .iter()
            .find(|transport| transport.number() == self.0)
        {
            Some(transport) => transport.fmt(f),
            None => write!(f, "the unknown number {}", self.0),
        }
    }
}
