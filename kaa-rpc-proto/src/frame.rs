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
//! | 7 cancel | id: u32 |
//! | 8 done | calls: u32, bytes: u64 |
//! | 9 ping, 10 pong | token: u64 |
//! | 11 goodbye | calls: u64 |
//!
//! 5 (yield) and 6 (credit) are reserved.

use crate::error::Violation;

/// Bytes of the length field.
pub const LENGTH_BYTES: usize = 4;

/// Bytes of a call's id.
pub(crate) const ID_BYTES: usize = 4;

/// The longest name of a function, in bytes of UTF-8.
pub const MAX_NAME: usize = 255;

const CALL: u8 = 1;
const ONEWAY: u8 = 2;
const RESULT: u8 = 3;
const ERROR: u8 = 4;
const CANCEL: u8 = 7;
const DONE: u8 = 8;
const PING: u8 = 9;
const PONG: u8 = 10;
const GOODBYE: u8 = 11;

/// Flags of a call's head.
const HAS_DEADLINE: u8 = 1;
const HAS_METADATA: u8 = 2;

/// Identifies a live call in one direction: smaller than the window that the callee announced.
pub type CallId = u32;

/// What a call says before its arguments.
///
/// ```text
/// head = flags: u8, depth: u16, [remaining: u64 µs], [length: u32, metadata], length: u8, name
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CallHead<'a> {
    /// The wire name, 1 to 255 bytes.
    pub name: &'a str,
    /// How many handlers' calls stand around this one; 0 outside of any handler.
    pub depth: u16,
    /// The time that the caller still grants, in microseconds; `None`: no deadline.
    pub remaining: Option<u64>,
    /// A MessagePack map from string to string; empty: none.
    pub metadata: &'a [u8],
}

impl<'a> CallHead<'a> {
    /// A head with nothing but a name.
    #[must_use]
    pub fn new(name: &'a str) -> Self {
        Self {
            name,
            depth: 0,
            remaining: None,
            metadata: &[],
        }
    }

    fn encode(&self, out: &mut Vec<u8>) {
        let deadline = if self.remaining.is_some() {
            HAS_DEADLINE
        } else {
            0
        };
        let metadata = if self.metadata.is_empty() {
            0
        } else {
            HAS_METADATA
        };
        out.push(deadline | metadata);
        out.extend_from_slice(&self.depth.to_be_bytes());
        if let Some(remaining) = self.remaining {
            out.extend_from_slice(&remaining.to_be_bytes());
        }
        if !self.metadata.is_empty() {
            // A frame's length is checked against u32 before it is sent, so this cannot truncate.
            out.extend_from_slice(
                &u32::try_from(self.metadata.len())
                    .unwrap_or(u32::MAX)
                    .to_be_bytes(),
            );
            out.extend_from_slice(self.metadata);
        }
        out.push(u8::try_from(self.name.len()).unwrap_or(u8::MAX));
        out.extend_from_slice(self.name.as_bytes());
    }

    fn decode(reader: &mut Reader<'a>) -> Result<Self, Violation> {
        let flags = reader.u8()?;
        if flags & !(HAS_DEADLINE | HAS_METADATA) != 0 {
            return Err(Violation::Malformed("a call with unknown flags"));
        }
        let depth = reader.u16()?;
        let remaining = if flags & HAS_DEADLINE != 0 {
            Some(reader.u64()?)
        } else {
            None
        };
        let metadata = if flags & HAS_METADATA != 0 {
            let length = reader.u32()?;
            reader.take(usize::try_from(length).unwrap_or(usize::MAX))?
        } else {
            &[]
        };
        let length = reader.u8()?;
        let name = std::str::from_utf8(reader.take(usize::from(length))?)
            .map_err(|_| Violation::Malformed("a name that is not UTF-8"))?;
        if name.is_empty() {
            return Err(Violation::Malformed("a call of an empty name"));
        }
        Ok(Self {
            name,
            depth,
            remaining,
            metadata,
        })
    }
}

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
        let start = out.len();
        out.extend_from_slice(&[0; LENGTH_BYTES]);
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
                out.push(ONEWAY);
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
            Self::Cancel { id } => begin(out, CANCEL, id),
            Self::Done { calls, bytes } => {
                begin(out, DONE, calls);
                out.extend_from_slice(&bytes.to_be_bytes());
            }
            Self::Ping { token } => number(out, PING, token),
            Self::Pong { token } => number(out, PONG, token),
            Self::Goodbye { calls } => number(out, GOODBYE, calls),
        }
        let length = u32::try_from(out.len() - start - LENGTH_BYTES).unwrap_or(u32::MAX);
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
        let mut reader = Reader { rest: bytes };
        let frame = match reader.u8()? {
            CALL => {
                let id = reader.u32()?;
                let head = CallHead::decode(&mut reader)?;
                Self::Call {
                    id,
                    head,
                    arguments: reader.all(),
                }
            }
            ONEWAY => {
                let head = CallHead::decode(&mut reader)?;
                Self::Oneway {
                    head,
                    arguments: reader.all(),
                }
            }
            RESULT => Self::Result {
                id: reader.u32()?,
                value: reader.all(),
            },
            ERROR => Self::Error {
                id: reader.u32()?,
                failure: reader.all(),
            },
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
        // length, kind, id, flags, depth, name's length; then what may be there.
        let fixed = LENGTH_BYTES + 1 + ID_BYTES + 1 + 2 + 1;
        let deadline = if head.remaining.is_some() { 8 } else { 0 };
        let metadata = if head.metadata.is_empty() {
            0
        } else {
            4 + head.metadata.len()
        };
        fixed + deadline + metadata + head.name.len()
    }
}

fn begin(out: &mut Vec<u8>, kind: u8, id: u32) {
    out.push(kind);
    out.extend_from_slice(&id.to_be_bytes());
}

fn number(out: &mut Vec<u8>, kind: u8, value: u64) {
    out.push(kind);
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

/// Takes fields from the front; what is left over at the end is an error.
struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    fn take(&mut self, count: usize) -> Result<&'a [u8], Violation> {
        let (taken, rest) = self
            .rest
            .split_at_checked(count)
            .ok_or(Violation::Malformed("a frame that ends too early"))?;
        self.rest = rest;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], Violation> {
        let (taken, rest) = self
            .rest
            .split_first_chunk::<N>()
            .ok_or(Violation::Malformed("a frame that ends too early"))?;
        self.rest = rest;
        Ok(*taken)
    }

    fn u8(&mut self) -> Result<u8, Violation> {
        self.array().map(u8::from_be_bytes)
    }

    fn u16(&mut self) -> Result<u16, Violation> {
        self.array().map(u16::from_be_bytes)
    }

    fn u32(&mut self) -> Result<u32, Violation> {
        self.array().map(u32::from_be_bytes)
    }

    fn u64(&mut self) -> Result<u64, Violation> {
        self.array().map(u64::from_be_bytes)
    }

    fn all(&mut self) -> &'a [u8] {
        std::mem::take(&mut self.rest)
    }

    fn end(&self) -> Result<(), Violation> {
        if self.rest.is_empty() {
            Ok(())
        } else {
            Err(Violation::Malformed("bytes after the end of a frame"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all_kinds() -> Vec<Frame<'static>> {
        let head = CallHead {
            name: "track.play",
            depth: 3,
            remaining: Some(5_000_000),
            metadata: b"\x80",
        };
        vec![
            Frame::Call {
                id: 7,
                head,
                arguments: b"\x91\x01\x80",
            },
            Frame::Call {
                id: 0,
                head: CallHead::new("f"),
                arguments: b"\x90\x80",
            },
            Frame::Oneway {
                head: CallHead::new("log"),
                arguments: b"\x90\x80",
            },
            Frame::Result {
                id: 1,
                value: b"\xc0",
            },
            Frame::Error {
                id: 2,
                failure: b"\x80",
            },
            Frame::Cancel { id: 3 },
            Frame::Done {
                calls: 4,
                bytes: 99,
            },
            Frame::Ping { token: 5 },
            Frame::Pong { token: 6 },
            Frame::Goodbye { calls: 8 },
        ]
    }

    #[test]
    fn what_is_encoded_decodes_to_the_same() {
        for frame in all_kinds() {
            let mut bytes = Vec::new();
            frame.encode(&mut bytes);
            let Ok(Split::Frame(body, consumed)) = split(&bytes, 1000) else {
                panic!("{frame:?}")
            };
            assert_eq!(consumed, bytes.len());
            assert_eq!(Frame::decode(body), Ok(frame));
            if let Frame::Call {
                head, arguments, ..
            } = frame
            {
                assert_eq!(Frame::overhead(&head) + arguments.len(), bytes.len());
            }
        }
    }

    #[test]
    fn hostile_17_every_truncation_of_a_body_is_refused_or_a_shorter_payload() {
        for frame in all_kinds() {
            let mut bytes = Vec::new();
            frame.encode(&mut bytes);
            for end in LENGTH_BYTES..bytes.len() {
                assert_ne!(Frame::decode(&bytes[LENGTH_BYTES..end]), Ok(frame));
                assert_eq!(
                    split(&bytes[..end], 1000),
                    Ok(Split::Incomplete(bytes.len()))
                );
            }
        }
    }

    #[test]
    fn hostile_15_bad_lengths_are_refused_before_the_body_comes() {
        for (length, max_frame) in [(0, 1000), (1001, 1000), (u32::MAX, 1000)] {
            let bytes = length.to_be_bytes();
            assert_eq!(
                split(&bytes, max_frame),
                Err(Violation::FrameLength { length, max_frame })
            );
        }
    }

    #[test]
    fn hostile_21_unknown_kinds_flags_and_left_overs_are_refused() {
        assert_eq!(Frame::decode(&[99]), Err(Violation::UnknownFrame(99)));
        assert!(Frame::decode(&[CALL, 0, 0, 0, 1, 0x80, 0, 0, 1, b'f']).is_err());
        assert!(Frame::decode(&[CANCEL, 0, 0, 0, 1, 0]).is_err());
        assert!(Frame::decode(&[ONEWAY, 0, 0, 0, 0]).is_err());
        assert!(Frame::decode(&[ONEWAY, 0, 0, 0, 1, 0xff]).is_err());
        assert!(Frame::decode(&[]).is_err());
    }
}
