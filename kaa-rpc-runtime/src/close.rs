//! Why a channel is closed.

use std::fmt;
use std::sync::Arc;

use kaa_rpc_proto::Violation;

use crate::open::ConnectError;
use crate::text::Escaped;

/// Why a channel is closed.
#[derive(Debug)]
#[non_exhaustive]
pub enum CloseReason {
    /// This end closed it, or dropped its last handle.
    Closed,
    /// The other end said goodbye.
    ClosedByPeer,
    /// The time for an orderly close was over before all calls had ended.
    CloseTimedOut,
    /// The other end went away without a goodbye: it crashed or was killed, most often.
    Ended,
    /// The operating system says that the connection is broken.
    Lost(std::io::Error),
    /// The other end broke the protocol.
    Violation(Violation),
    /// The secret by which this end knew the other one was revoked here.
    Revoked {
        /// Its id.
        key_id: String,
    },
    /// It never opened.
    NotOpened(Arc<ConnectError>),
    /// The runtime that drove it is gone.
    RuntimeGone,
}

impl CloseReason {
    /// Whether both ends parted in order.
    #[must_use]
    pub fn is_orderly(&self) -> bool {
        matches!(self, Self::Closed | Self::ClosedByPeer)
    }
}

impl fmt::Display for CloseReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Closed => f.write_str("this end closed the channel"),
            Self::ClosedByPeer => f.write_str("the other end closed the channel"),
            Self::CloseTimedOut => {
                f.write_str("the channel was closed before all its calls had ended")
            }
            Self::Ended => f.write_str("the other end went away without a goodbye"),
            Self::Lost(error) => write!(f, "the connection broke: {error}"),
            Self::Violation(violation) => {
                write!(
                    f,
                    "the other end broke the protocol: {}",
                    Escaped(&violation.to_string())
                )
            }
            Self::Revoked { key_id } => write!(f, "the secret `{key_id}` was revoked at this end"),
            Self::NotOpened(error) => error.fmt(f),
            Self::RuntimeGone => f.write_str("the runtime that drove the channel was shut down"),
        }
    }
}

impl std::error::Error for CloseReason {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Lost(error) => Some(error),
            Self::Violation(violation) => Some(violation),
            Self::NotOpened(error) => Some(error.as_ref()),
            _ => None,
        }
    }
}
