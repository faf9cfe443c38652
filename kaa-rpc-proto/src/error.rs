//! What the other end can do wrong on an open connection.

use std::fmt;

use crate::connection::MAX_PINGS;

/// The other end broke the protocol; the connection must be closed.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Violation {
    /// A frame's length is 0 or above what we announced.
    FrameLength {
        /// What came.
        length: u32,
        /// What we announced, in bytes.
        max_frame: u32,
    },
    /// A kind of frame that this version does not have.
    UnknownFrame(u8),
    /// A frame whose body is not as its kind says.
    Malformed(&'static str),
    /// A call with an id that is not smaller than the window we announced.
    IdOutOfRange {
        /// What came.
        id: u32,
        /// How many calls we accept at once.
        window: u32,
    },
    /// A call with an id that is still taken.
    IdInUse(u32),
    /// More calls at once than we announced.
    WindowExceeded {
        /// How many calls we accept at once.
        window: u32,
    },
    /// More bytes of unanswered calls than we announced.
    RequestBytesExceeded {
        /// How many we accept.
        max_request_bytes: u64,
    },
    /// An answer to a call that is not live.
    NoSuchCall(u32),
    /// More oneway calls given back than were sent.
    TooManyDone,
    /// A call after goodbye, or goodbye said twice, or of calls that were never sent.
    AfterGoodbye(&'static str),
    /// An answer to a ping that was not sent.
    UnexpectedPong,
    /// More pings at a time without their pong than the protocol allows.
    TooManyPings,
    /// A cancel that does not go with a call: there was none with this id, or it was cancelled before.
    UnexpectedCancel(u32),
    /// An item, end, grant or stop of a stream that does not go with a live call, or is over.
    NoSuchStream {
        /// The call.
        id: u32,
        /// Which of its streams.
        stream: u8,
    },
    /// More items of a stream than there was room for.
    CreditExceeded {
        /// How many we hold before any is taken.
        max_stream_items: u32,
        /// How many bytes of them.
        max_stream_bytes: u64,
    },
    /// Metadata of an answer that has had some already.
    MetadataTwice(u32),
    /// More credit for items than were sent, or for none, or for a stream or call that is over.
    TooMuchCredit,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::FrameLength { length, max_frame } => {
                write!(
                    f,
                    "a frame of {length} bytes, where 1 to {max_frame} are allowed (max_frame)"
                )
            }
            Self::UnknownFrame(kind) => write!(f, "a frame of unknown kind {kind}"),
            Self::Malformed(what) | Self::AfterGoodbye(what) => f.write_str(what),
            Self::IdOutOfRange { id, window } => {
                write!(
                    f,
                    "a call with id {id}, where ids below {window} are allowed (max_calls)"
                )
            }
            Self::IdInUse(id) => write!(f, "a call with id {id}, which is still in use"),
            Self::WindowExceeded { window } => {
                write!(f, "more than {window} calls in flight (max_calls)")
            }
            Self::RequestBytesExceeded { max_request_bytes } => {
                write!(
                    f,
                    "more than {max_request_bytes} bytes of unanswered calls (max_request_bytes)"
                )
            }
            Self::NoSuchCall(id) => write!(f, "an answer to call {id}, which is not in flight"),
            Self::MetadataTwice(id) => {
                write!(f, "metadata of the answer to call {id} for the second time")
            }
            Self::TooManyDone => f.write_str("more oneway calls given back than were sent"),
            Self::UnexpectedPong => f.write_str("a pong without a ping"),
            Self::TooManyPings => write!(f, "more than {MAX_PINGS} pings without a pong"),
            Self::UnexpectedCancel(id) => {
                write!(
                    f,
                    "a cancel of call {id}, which was never made or is cancelled already"
                )
            }
            Self::NoSuchStream { id, stream } => {
                write!(
                    f,
                    "a frame of stream {stream} of call {id}, which is not open"
                )
            }
            Self::CreditExceeded {
                max_stream_items,
                max_stream_bytes,
            } => write!(
                f,
                "more items of a stream than there was credit for: {max_stream_items} (max_stream_items) of \
                 together {max_stream_bytes} bytes (max_stream_bytes)"
            ),
            Self::TooMuchCredit => {
                f.write_str("credit for items of a stream that were not sent, or for none")
            }
        }
    }
}

impl std::error::Error for Violation {}
