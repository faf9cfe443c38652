//! What a connection tells its driver.

use super::Token;
#[cfg(doc)]
use crate::frame::MAX_NAME;
use crate::frame::{CallHead, CallId, StreamNumber};

/// What a frame means for the driver.
#[derive(Debug, PartialEq, Eq)]
pub enum Event<'a> {
    /// Run this. `id` is `None` for a oneway call.
    Call {
        /// To answer with, unless oneway.
        id: Option<CallId>,
        /// Which call since opening this is: ids are used again, numbers are not. 0 for a oneway call.
        number: u64,
        /// The frame's length, to be given back with [`super::Connection::oneway_done`].
        cost: u32,
        /// Name and circumstances.
        head: CallHead<'a>,
        /// An array, then a map; not yet looked at.
        arguments: &'a [u8],
    },
    /// One of our calls ended well; there is a place in the window. No token: it was cancelled.
    Result(Option<Token>, &'a [u8]),
    /// One of our calls failed; there is a place in the window. No token: it was cancelled.
    Error(Option<Token>, &'a [u8]),
    /// One of our calls gave an item. Taking it must be told with [`super::Connection::yields_taken`].
    Yield(Token, &'a [u8]),
    /// A call that we serve may give more items.
    Credit(CallId),
    /// An item of a stream that came with a call that we serve. Taking it must be told with
    /// [`super::Connection::items_taken`].
    Item {
        /// The call, and which one since opening it is.
        id: CallId,
        /// As in [`Self::Call`].
        number: u64,
        /// Which of its streams.
        stream: StreamNumber,
        /// One value, not yet looked at.
        value: &'a [u8],
    },
    /// A stream that came with a call that we serve is over.
    End {
        /// The call, and which one since opening it is.
        id: CallId,
        /// As in [`Self::Call`].
        number: u64,
        /// Which of its streams.
        stream: StreamNumber,
        /// It is not complete.
        broken: bool,
    },
    /// There is room for more items of a stream that goes with one of our calls.
    Grant(Token, StreamNumber),
    /// The callee wants no more items of a stream that goes with one of our calls.
    Stop(Token, StreamNumber),
    /// What the callee tells beside the outcome of one of our calls, whose final frame is yet to come; not
    /// yet looked at.
    Metadata(Token, &'a [u8]),
    /// The caller of a call that we serve no longer wants it.
    Cancel(CallId),
    /// There are places in the window.
    Freed,
    /// The other end makes no more calls and did not run these of ours.
    Goodbye(Vec<Token>),
    /// Nothing is to be done but to write what is queued.
    Liveness,
    /// A call that came after our goodbye: not run.
    Refused,
}

/// Why a call cannot be sent. Nothing of it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CannotCall {
    /// As many calls are in flight as the other end announced: wait for an [`Event::Freed`],
    /// [`Event::Result`] or [`Event::Error`].
    WindowFull,
    /// The frame is longer than the other end accepts.
    TooLarge(TooLarge),
    /// The name is empty or longer than [`MAX_NAME`] bytes.
    BadName,
    /// The streams that go with it may take more than the other end ever holds of calls.
    TooManyStreams {
        /// What the call would count.
        cost: u64,
        /// What the other end announced, in bytes.
        max_request_bytes: u64,
    },
    /// One of the ends has said goodbye.
    Closing,
}

/// Why an item cannot be sent now. Nothing of it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CannotSend {
    /// The other end has not taken enough of what it got: wait for an [`Event::Credit`] or
    /// [`Event::Grant`].
    NoCredit,
    /// Too much is waiting to be written: wait until [`super::Connection::has_backlog`] says no.
    Backlog,
    /// The item is larger than the other end accepts.
    TooLarge(TooLarge),
    /// The call, or the stream, is over, or nobody wants its items any more.
    Over,
}

/// A frame that is longer than the other end accepts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooLarge {
    /// Its length in bytes.
    pub length: usize,
    /// What the other end announced, in bytes.
    pub max_frame: u32,
}

/// How far a call got that will never have an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// Not one byte was given to the kernel.
    NeverSent,
    /// Some were: it may have run.
    MayHaveRun,
}
