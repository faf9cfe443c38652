//! A call that is to be sent, and how it can end.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use kaa_rpc_proto::msgpack::{Encoded, Owner, Shape};
use kaa_rpc_proto::{CannotCall, Connection};
use tokio::time::Instant;

use crate::buffers;
use crate::close::CloseReason;
use crate::error::Error;

/// A function's wire name: an optional prefix and the name of the schema, or any name.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Name<'a> {
    /// Of a schema.
    Static(&'static str),
    /// Any other.
    Any(&'a str),
}

impl Name<'_> {
    pub(crate) fn as_str(&self) -> &str {
        #[expect(
            clippy::match_same_arms,
            reason = "an or-pattern would want one lifetime"
        )]
        match self {
            Self::Static(name) => name,
            Self::Any(name) => name,
        }
    }

    pub(super) fn keep(&self) -> Cow<'static, str> {
        match *self {
            Self::Static(name) => Cow::Borrowed(name),
            Self::Any(name) => Cow::Owned(name.to_owned()),
        }
    }
}

/// A call that is to be sent.
pub(crate) struct Request<'a> {
    pub(crate) name: Name<'a>,
    /// In a buffer of the pool.
    pub(crate) arguments: Encoded,
    pub(crate) shape: Shape,
    /// Encoded; empty if there is none.
    pub(crate) metadata: Vec<u8>,
    pub(crate) timeout: Option<Duration>,
    pub(crate) deadline: Option<Instant>,
    pub(crate) depth: u16,
    pub(crate) oneway: bool,
    /// Made inside a handler, where waiting for the window could wait forever.
    pub(crate) nested: bool,
    /// Made by the hook that greets this very connection.
    pub(crate) greets: bool,
    /// Whether it waits while the channel is not connected; `None`: as the channel says.
    pub(crate) waits: Option<bool>,
    /// So often it may go over one more connection, if one was lost.
    pub(crate) resends: u32,
    /// Running it twice does no harm.
    pub(crate) idempotent: bool,
    /// How many streams go with it.
    pub(crate) streams: u8,
    /// What it yields is wanted.
    pub(crate) wants_items: bool,
}

/// A call that was taken on.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Started {
    /// Its outcome will be found here.
    Waiting(usize),
    /// A oneway call that was sent.
    Sent,
}

/// A result, in a buffer that begins with it or with the frame that it came in.
pub(crate) struct Kept {
    buffer: Vec<u8>,
    start: usize,
}

impl Kept {
    /// What stands in the buffer from `start` on.
    pub(super) fn tail(buffer: Vec<u8>, start: usize) -> Self {
        Self { buffer, start }
    }

    pub(crate) fn value(&self) -> &[u8] {
        self.buffer.get(self.start..).unwrap_or_default()
    }

    /// The buffer, to be shared, and where in it the result begins.
    pub(crate) fn share(self) -> (Owner, usize) {
        (buffers::share(self.buffer), self.start)
    }

    /// The buffer, which is needed no more.
    pub(crate) fn into_buffer(self) -> Vec<u8> {
        self.buffer
    }
}

impl From<Vec<u8>> for Kept {
    fn from(buffer: Vec<u8>) -> Self {
        Self { buffer, start: 0 }
    }
}

/// How a call ended.
pub(crate) enum Ended {
    Value(Kept),
    /// With the time that the caller gave.
    Failure(Vec<u8>, Option<Duration>),
    Error(Error),
    /// A oneway call was sent.
    Sent,
}

/// How a call ended, and what the other end told beside that.
pub(crate) struct Outcome {
    pub(crate) ended: Ended,
    /// Encoded, as it came.
    pub(crate) metadata: Option<Box<[u8]>>,
}

/// The time that a call may take, and when it is over.
#[derive(Clone, Copy)]
pub(super) struct Time {
    pub(super) timeout: Option<Duration>,
    pub(super) deadline: Option<Instant>,
}

impl Time {
    /// In microseconds, rounded up so that what is left is never told as nothing.
    pub(super) fn remaining(self, now: Instant) -> Option<u64> {
        let left = self.deadline?.saturating_duration_since(now);
        Some(in_micros(left))
    }

    /// The same for a call that begins now: its whole time.
    pub(super) fn whole(self) -> Option<u64> {
        self.deadline.and(self.timeout).map(in_micros)
    }

    pub(super) fn is_over(self, now: Instant) -> bool {
        self.deadline.is_some_and(|deadline| deadline <= now)
    }
}

fn in_micros(time: Duration) -> u64 {
    let micros = u64::from(time.subsec_nanos().div_ceil(1000));
    let seconds = time.as_secs().saturating_mul(1_000_000);
    seconds.saturating_add(micros)
}

pub(super) fn timed_out(function: &str, after: Option<Duration>, sent: bool) -> Error {
    Error::TimedOut {
        function: function.to_owned(),
        after,
        sent,
    }
}

/// What a call meets that finds no room and does not wait for it.
pub(super) fn full(connection: &Connection) -> Error {
    let limits = connection.opened().peer_limits();
    if connection.calls_in_flight() < limits.max_calls {
        let max_request_bytes = limits.max_request_bytes;
        Error::RequestBytesFull { max_request_bytes }
    } else {
        let window = limits.max_calls;
        Error::WindowFull { window }
    }
}

/// Whether the other end accepts so many items, so deep.
pub(super) fn check_shape(shape: Shape, connection: &Connection, name: &str) -> Result<(), Error> {
    match shape.exceeds(connection.opened().peer_limits()) {
        None => Ok(()),
        Some(exceeded) => Err(Error::TooLarge {
            sent: false,
            message: format!("the arguments of `{name}` have {exceeded}"),
        }),
    }
}

pub(super) fn refused(cannot: CannotCall, name: &str) -> Error {
    match cannot {
        CannotCall::TooLarge(too_large) => Error::TooLarge {
            sent: false,
            message: format!(
                "the call of `{name}` takes {} bytes, and the other end accepts {} (its max_frame)",
                too_large.length, too_large.max_frame
            ),
        },
        CannotCall::BadName => Error::Unencodable(format!(
            "a function's name is 1 to {} bytes long, and this one is {}",
            kaa_rpc_proto::frame::MAX_NAME,
            name.len()
        )),
        CannotCall::TooManyStreams {
            cost,
            max_request_bytes,
        } => Error::TooLarge {
            sent: false,
            message: format!(
                "the call of `{name}` and its streams may take {cost} bytes, and the other end accepts {max_request_bytes} \
                 (its max_request_bytes; each stream counts with its max_stream_bytes)"
            ),
        },
        CannotCall::Closing | CannotCall::WindowFull => {
            Error::NotConnected(Arc::new(CloseReason::Closed))
        }
    }
}
