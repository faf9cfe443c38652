//! Why a channel is closed.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

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
    /// This end aborted it.
    Aborted,
    /// So many events waited for the other end already, as many as
    /// [`ServerBuilder::max_behind`](crate::ServerBuilder::max_behind) allows, and it was to be closed then.
    FellBehind(usize),
    /// The time for an orderly close, the `close_timeout` of one of the ends, was over before all calls had
    /// ended.
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
    /// The other end took nothing of what was sent to it for this time: the builder's
    /// [`write_timeout`](crate::ChannelBuilder::write_timeout).
    WriteTimedOut(Duration),
    /// The other end began a frame and did not send the rest of it within this time; see the builder's
    /// [`frame_timeout`](crate::ChannelBuilder::frame_timeout).
    FrameTimedOut(Duration),
    /// The other end was silent for this time, and was asked whether it lives: see the builder's
    /// [`keepalive`](crate::ChannelBuilder::keepalive).
    Unresponsive(Duration),
    /// The other end made more calls that cannot be run than the builder's
    /// [`bad_calls`](crate::ChannelBuilder::bad_calls) allows.
    TooManyBadCalls,
    /// The child process at the other end has ended so, without a goodbye or with a failure after it.
    #[cfg(feature = "process")]
    ChildEnded(std::process::ExitStatus),
    /// It is not open yet. A call that was not to wait for that meets it; no channel is closed so.
    NotYetOpen,
    /// It did not open.
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
            Self::Aborted => f.write_str("this end aborted the channel"),
            Self::FellBehind(events) => write!(
                f,
                "{events} events waited for the other end, and no more may (max_behind)"
            ),
            Self::CloseTimedOut => {
                f.write_str("the channel was closed before all its calls had ended (close_timeout)")
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
            Self::WriteTimedOut(time) => write!(
                f,
                "the other end took nothing of what was sent to it for {time:?} (write_timeout)"
            ),
            Self::FrameTimedOut(time) => write!(
                f,
                "the other end began a frame and did not complete it within {time:?} (frame_timeout)"
            ),
            Self::Unresponsive(time) => write!(
                f,
                "nothing came from the other end for {time:?}, also when it was asked (keepalive)"
            ),
            Self::TooManyBadCalls => f.write_str(
                "the other end made too many calls of unknown functions or with bad arguments (bad_calls)",
            ),
            #[cfg(feature = "process")]
            Self::ChildEnded(status) => write!(f, "the child process ended: {status}"),
            Self::NotYetOpen => f.write_str("the channel is not open yet"),
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
