//! The frames that travel on an open connection: their layout, and nothing of their order.
//!
//! ```text
//! frame   = length: u32, kind: u8, body          all integers big-endian
//! length  = number of bytes that follow it, 1 to the receiver's `max_frame`
//! ```
//!
//! | kind | body |
//! | --- | --- |
//! | 1 call | id: u32, head, arguments |
//! | 2 oneway | head, arguments |
//! | 3 result | id: u32, one value |
//! | 4 error | id: u32, failure |
//! | 5 yield | id: u32, one value |
//! | 6 credit | id: u32, items: u32, bytes: u64 |
//! | 7 cancel | id: u32 |
//! | 8 done | calls: u32, bytes: u64 |
//! | 9 ping, 10 pong | token: u64 |
//! | 11 goodbye | calls: u64 |
//! | 12 item | id: u32, stream: u8, one value |
//! | 13 end | id: u32, stream: u8, broken: u8 |
//! | 14 grant | id: u32, stream: u8, items: u32, bytes: u64 |
//! | 15 stop | id: u32, stream: u8 |
//! | 16 metadata | id: u32, metadata |

mod head;
mod reader;
#[cfg(test)]
mod tests;

use crate::error::Violation;
use crate::metadata::MAX_METADATA;
use reader::Reader;

pub use head::CallHead;

/// Bytes of the length field.
pub const LENGTH_BYTES: usize = 4;

/// Bytes of a call's id.
pub(crate) const ID_BYTES: usize = 4;

/// The length of a credit frame, its length field not counted.
pub(crate) const CREDIT_LENGTH: u32 = 1 + ID_BYTES as u32 + 4 + 8;

/// That of a grant frame, which has the number of a stream besides.
pub(crate) const GRANT_LENGTH: u32 = CREDIT_LENGTH + 1;

/// The longest name of a function, in bytes of UTF-8.
pub const MAX_NAME: usize = 255;

const CALL: u8 = 1;
const ONEWAY: u8 = 2;
const RESULT: u8 = 3;
const ERROR: u8 = 4;
const YIELD: u8 = 5;
const CREDIT: u8 = 6;
const CANCEL: u8 = 7;
const DONE: u8 = 8;
const PING: u8 = 9;
const PONG: u8 = 10;
const GOODBYE: u8 = 11;
const ITEM: u8 = 12;
const END: u8 = 13;
const GRANT: u8 = 14;
const STOP: u8 = 15;
const METADATA: u8 = 16;

/// Identifies a live call in one direction: smaller than the window that the callee announced.
pub type CallId = u32;

/// Numbers the streams that a call brings along, from 0.
pub type StreamNumber = u8;

/// One frame; payloads stay encoded and borrow from the read buffer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Frame<'a> {
    /// A request that is answered by one result or error.
    Call {
        /// Taken until its final frame was read.
        id: CallId,
        /// Name and circumstances.
        head: CallHead<'a>,
        /// An array, then a map.
        arguments: &'a [u8],
    },
    /// A request that is never answered; its slot comes back in a `Done`.
    Oneway {
        /// Name and circumstances.
        head: CallHead<'a>,
        /// An array, then a map.
        arguments: &'a [u8],
    },
    /// The final frame of a call that went well.
    Result {
        /// The call that ends.
        id: CallId,
        /// One value.
        value: &'a [u8],
    },
    /// The final frame of a call that did not.
    Error {
        /// The call that ends.
        id: CallId,
        /// See [`crate::Failure`].
        failure: &'a [u8],
    },
    /// An item that a call gives before its result.
    Yield {
        /// The call that gives it.
        id: CallId,
        /// One value.
        value: &'a [u8],
    },
    /// The caller has taken items that the call gave: there is room for as many more.
    Credit {
        /// The call that gave them.
        id: CallId,
        /// How many.
        items: u32,
        /// The sum of their frames' lengths.
        bytes: u64,
    },
    /// An item of a stream that came with a call.
    Item {
        /// The call that it came with.
        id: CallId,
        /// Which stream of that call.
        stream: StreamNumber,
        /// One value.
        value: &'a [u8],
    },
    /// No more items of a stream that came with a call.
    End {
        /// The call that it came with.
        id: CallId,
        /// Which stream of that call.
        stream: StreamNumber,
        /// It is not complete: whoever made the items has failed or given up.
        broken: bool,
    },
    /// The callee has taken items of a stream: there is room for as many more.
    Grant {
        /// The call that it came with.
        id: CallId,
        /// Which stream of that call.
        stream: StreamNumber,
        /// How many.
        items: u32,
        /// The sum of their frames' lengths.
        bytes: u64,
    },
    /// The callee wants no more items of a stream.
    Stop {
        /// The call that it came with.
        id: CallId,
        /// Which stream of that call.
        stream: StreamNumber,
    },
    /// What the callee tells beside the outcome of a call, whose final frame is yet to come.
    Metadata {
        /// The call that it is told of.
        id: CallId,
        /// A MessagePack map from string to string, of at most [`MAX_METADATA`] bytes.
        metadata: &'a [u8],
    },
    /// The caller no longer wants the result. The final frame still comes.
    Cancel {
        /// The call that is not wanted any more.
        id: CallId,
    },
    /// Oneway calls have ended; their slots are free again.
    Done {
        /// How many.
        calls: u32,
        /// The sum of their frames' lengths.
        bytes: u64,
    },
    /// Are you there?
    Ping {
        /// Comes back in the answer.
        token: u64,
    },
    /// I am.
    Pong {
        /// Of the ping.
        token: u64,
    },
    /// Calls after the first `calls` were not run and never will be; and no more calls will come.
    Goodbye {
        /// How many calls (oneway ones too) were accepted since the connection opened.
        calls: u64,
    },
}

impl<'a> Frame<'a> {
    /// Appends the frame. Names longer than [`MAX_NAME`] and payloads over 4 GiB are refused by the
    /// connection before they come here.
    pub fn encode(&self, out: &mut Vec<u8>) {
        self.encode_before(0, out);
    }

    /// The same for a frame whose last `payload` bytes are not in it, but will follow.
    #[inline]
    pub(crate) fn encode_before(&self, payload: usize, out: &mut Vec<u8>) {
        let start = out.len();
        match *self {
            Self::Call {
                id,
                ref head,
                arguments,
            } => {
                begin(out, CALL, id);
                head.encode(out);
                out.extend_from_slice(arguments);
            }
            Self::Oneway {
                ref head,
                arguments,
            } => {
                begin_without_id(out, ONEWAY);
                head.encode(out);
                out.extend_from_slice(arguments);
            }
            Self::Result { id, value } => {
                begin(out, RESULT, id);
                out.extend_from_slice(value);
            }
            Self::Error { id, failure } => {
                begin(out, ERROR, id);
                out.extend_from_slice(failure);
            }
            Self::Yield { id, value } => {
                begin(out, YIELD, id);
                out.extend_from_slice(value);
            }
            Self::Credit { id, items, bytes } => {
                begin(out, CREDIT, id);
                room(out, items, bytes);
            }
            Self::Item { id, stream, value } => {
                begin_stream(out, ITEM, id, stream);
                out.extend_from_slice(value);
            }
            Self::End { id, stream, broken } => {
                begin_stream(out, END, id, stream);
                out.push(u8::from(broken));
            }
            Self::Grant {
                id,
                stream,
                items,
                bytes,
            } => {
                begin_stream(out, GRANT, id, stream);
                room(out, items, bytes);
            }
            Self::Stop { id, stream } => begin_stream(out, STOP, id, stream),
            Self::Metadata { id, metadata } => {
                begin(out, METADATA, id);
                out.extend_from_slice(metadata);
            }
            Self::Cancel { id } => begin(out, CANCEL, id),
            Self::Done { calls, bytes } => {
                begin_without_id(out, DONE);
                room(out, calls, bytes);
            }
            Self::Ping { token } => number(out, PING, token),
            Self::Pong { token } => number(out, PONG, token),
            Self::Goodbye { calls } => number(out, GOODBYE, calls),
        }
        let length = out.len() - start - LENGTH_BYTES + payload;
        let length = u32::try_from(length).unwrap_or(u32::MAX);
        if let Some(place) = out.get_mut(start..start + LENGTH_BYTES) {
            place.copy_from_slice(&length.to_be_bytes());
        }
    }

    /// Reads a frame from what follows the length field.
    ///
    /// # Errors
    ///
    /// If kind or body are not as they must be.
    pub fn decode(bytes: &'a [u8]) -> Result<Self, Violation> {
        let mut reader = Reader::new(bytes);
        let frame = match reader.u8()? {
            // Those that calls are made of take all that there is, and go the short way.
            CALL => {
                let id = reader.u32()?;
                let head = CallHead::decode(&mut reader)?;
                let arguments = reader.all();
                return Ok(Self::Call {
                    id,
                    head,
                    arguments,
                });
            }
            RESULT => {
                let (id, value) = (reader.u32()?, reader.all());
                return Ok(Self::Result { id, value });
            }
            YIELD => {
                let (id, value) = (reader.u32()?, reader.all());
                return Ok(Self::Yield { id, value });
            }
            ONEWAY => {
                let head = CallHead::decode(&mut reader)?;
                if head.streams > 0 {
                    return Err(Violation::Malformed("a oneway call with streams"));
                }
                Self::Oneway {
                    head,
                    arguments: reader.all(),
                }
            }
            ERROR => Self::Error {
                id: reader.u32()?,
                failure: reader.all(),
            },
            CREDIT => Self::Credit {
                id: reader.u32()?,
                items: reader.u32()?,
                bytes: reader.u64()?,
            },
            ITEM => Self::Item {
                id: reader.u32()?,
                stream: reader.u8()?,
                value: reader.all(),
            },
            END => Self::End {
                id: reader.u32()?,
                stream: reader.u8()?,
                broken: reader.bool()?,
            },
            GRANT => Self::Grant {
                id: reader.u32()?,
                stream: reader.u8()?,
                items: reader.u32()?,
                bytes: reader.u64()?,
            },
            STOP => Self::Stop {
                id: reader.u32()?,
                stream: reader.u8()?,
            },
            METADATA => {
                let (id, metadata) = (reader.u32()?, reader.all());
                if metadata.len() > MAX_METADATA {
                    return Err(Violation::Malformed(
                        "metadata of an answer that are too long",
                    ));
                }
                Self::Metadata { id, metadata }
            }
            CANCEL => Self::Cancel { id: reader.u32()? },
            DONE => Self::Done {
                calls: reader.u32()?,
                bytes: reader.u64()?,
            },
            PING => Self::Ping {
                token: reader.u64()?,
            },
            PONG => Self::Pong {
                token: reader.u64()?,
            },
            GOODBYE => Self::Goodbye {
                calls: reader.u64()?,
            },
            kind => return Err(Violation::UnknownFrame(kind)),
        };
        reader.end()?;
        Ok(frame)
    }

    /// The bytes that a call's frame takes beside its arguments, length field included.
    #[must_use]
    pub fn overhead(head: &CallHead<'_>) -> usize {
        LENGTH_BYTES + 1 + ID_BYTES + head.len()
    }

    /// The length of the frame of an item that a call gives, its length field not counted.
    pub(crate) fn yield_length(value: &[u8]) -> usize {
        1 + ID_BYTES + value.len()
    }

    /// The length of the frame of an item of a stream that comes with a call, likewise.
    pub(crate) fn item_length(value: &[u8]) -> usize {
        1 + ID_BYTES + 1 + value.len()
    }
}

/// Room for the length, the kind and the id, in one go: most frames are short, and nearly all of what they take
/// is to look whether there is room.
#[inline]
fn begin(out: &mut Vec<u8>, kind: u8, id: u32) {
    let [a, b, c, d] = id.to_be_bytes();
    out.extend_from_slice(&[0, 0, 0, 0, kind, a, b, c, d]);
}

fn begin_without_id(out: &mut Vec<u8>, kind: u8) {
    out.extend_from_slice(&[0, 0, 0, 0, kind]);
}

fn begin_stream(out: &mut Vec<u8>, kind: u8, id: u32, stream: u8) {
    begin(out, kind, id);
    out.push(stream);
}

/// A count of calls or items, and the bytes of their frames.
fn room(out: &mut Vec<u8>, count: u32, bytes: u64) {
    out.extend_from_slice(&count.to_be_bytes());
    out.extend_from_slice(&bytes.to_be_bytes());
}

fn number(out: &mut Vec<u8>, kind: u8, value: u64) {
    begin_without_id(out, kind);
    out.extend_from_slice(&value.to_be_bytes());
}

/// What [`split`] found at the beginning of a buffer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Split<'a> {
    /// A whole frame (without its length field) and how many bytes of the buffer it took.
    Frame(&'a [u8], usize),
    /// Not yet: so many bytes are needed from the beginning of the buffer, as far as can be told.
    Incomplete(usize),
}

/// Looks for a whole frame at the beginning of `buffer`.
///
/// # Errors
///
/// A length of 0 or above `max_frame`, which is told before a byte of the body has come.
pub fn split(buffer: &[u8], max_frame: u32) -> Result<Split<'_>, Violation> {
    let Some((length, rest)) = buffer.split_first_chunk::<LENGTH_BYTES>() else {
        return Ok(Split::Incomplete(LENGTH_BYTES));
    };
    let length = u32::from_be_bytes(*length);
    if length == 0 || length > max_frame {
        return Err(Violation::FrameLength { length, max_frame });
    }
    let length = length as usize;
    match rest.get(..length) {
        Some(frame) => Ok(Split::Frame(frame, LENGTH_BYTES + length)),
        None => Ok(Split::Incomplete(LENGTH_BYTES + length)),
    }
}
