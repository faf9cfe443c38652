//! What each end accepts, announced in its hello.

use std::fmt;
use std::ops::RangeInclusive;

use crate::handshake::HandshakeError;
use crate::handshake::wire::Reader;

/// What one end accepts from the other.
///
/// Each end announces its own limits while the connection opens; the other end checks them before
/// it sends, so that an honest peer never violates one. They are covered by the proofs.
///
/// ```
/// use kaa_rpc_proto::Limits;
///
/// let limits = Limits { max_calls: 16, ..Limits::default() };
/// assert!(limits.validate().is_ok());
/// let error = Limits { max_calls: 0, ..limits }.validate().unwrap_err();
/// assert_eq!(error.limit(), "max_calls");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of one frame, without its length field. 64 KiB to 1 GiB; by default 16 MiB.
    pub max_frame: u32,
    /// Calls that may be in flight: sent and without their final frame. 1 to 2²⁰; by default 1024.
    pub max_calls: u32,
    /// Bytes of the frames of all calls in flight, together. At least `max_frame`, so that the
    /// largest call fits, and at most 1 TiB; by default 64 MiB.
    pub max_request_bytes: u64,
    /// MessagePack items of one frame: every scalar, key, list and map counts. 1024 to 2³⁰; by
    /// default 2¹⁸: what a hostile frame can make of 1 MiB stays in bounds.
    pub max_items: u32,
    /// MessagePack lists and maps inside each other. 8 to 64, as a reader that recurses would
    /// exhaust a thread's stack beyond; by default 64.
    pub max_nesting: u32,
    /// Calls made inside the handlers of other calls, back and forth. 1 to 1024; by default 32.
    pub max_depth: u32,
    /// Items of one stream that may be sent before the receiver has taken any. 1 to 65536; by
    /// default 256.
    pub max_stream_items: u32,
    /// Bytes of the frames of such items, together. One item takes at most half of it. Each stream that
    /// comes with a call counts with so much against `max_request_bytes`. 64 KiB to 1 GiB; by default
    /// 2 MiB.
    pub max_stream_bytes: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_frame: 16 << 20,
            max_calls: 1024,
            max_request_bytes: 64 << 20,
            max_items: 1 << 18,
            max_nesting: 64,
            max_depth: 32,
            max_stream_items: 256,
            max_stream_bytes: 2 << 20,
        }
    }
}

impl Limits {
    const MAX_FRAME: RangeInclusive<u64> = 64 << 10..=1 << 30;
    const MAX_CALLS: RangeInclusive<u64> = 1..=1 << 20;
    const MAX_REQUEST_BYTES: u64 = 1 << 40;
    const MAX_ITEMS: RangeInclusive<u64> = 1 << 10..=1 << 30;
    const MAX_NESTING: RangeInclusive<u64> = 8..=64;
    const MAX_DEPTH: RangeInclusive<u64> = 1..=1024;
    const MAX_STREAM_ITEMS: RangeInclusive<u64> = 1..=1 << 16;
    const MAX_STREAM_BYTES: RangeInclusive<u64> = 64 << 10..=1 << 30;

    /// Checks that each limit is in its range.
    ///
    /// # Errors
    ///
    /// Names the first one that is not, with its range and value.
    pub fn validate(&self) -> Result<(), LimitOutOfRange> {
        let request_bytes = u64::from(self.max_frame)..=Self::MAX_REQUEST_BYTES;
        check("max_frame", self.max_frame, Self::MAX_FRAME)?;
        check("max_calls", self.max_calls, Self::MAX_CALLS)?;
        check("max_request_bytes", self.max_request_bytes, request_bytes)?;
        check("max_items", self.max_items, Self::MAX_ITEMS)?;
        check("max_nesting", self.max_nesting, Self::MAX_NESTING)?;
        check("max_depth", self.max_depth, Self::MAX_DEPTH)?;
        check(
            "max_stream_items",
            self.max_stream_items,
            Self::MAX_STREAM_ITEMS,
        )?;
        check(
            "max_stream_bytes",
            self.max_stream_bytes,
            Self::MAX_STREAM_BYTES,
        )
    }

    /// Appends 64 bytes, 28 of them reserved.
    pub(crate) fn encode(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.max_frame.to_be_bytes());
        out.extend_from_slice(&self.max_calls.to_be_bytes());
        out.extend_from_slice(&self.max_request_bytes.to_be_bytes());
        out.extend_from_slice(&self.max_items.to_be_bytes());
        out.extend_from_slice(&self.max_nesting.to_be_bytes());
        out.extend_from_slice(&self.max_depth.to_be_bytes());
        out.extend_from_slice(&self.max_stream_items.to_be_bytes());
        out.extend_from_slice(&self.max_stream_bytes.to_be_bytes());
        out.extend_from_slice(&[0; 28]);
    }

    /// Reads what [`Self::encode`] wrote, without judging the values.
    pub(crate) fn decode(reader: &mut Reader<'_>) -> Result<Self, HandshakeError> {
        let limits = Self {
            max_frame: reader.u32()?,
            max_calls: reader.u32()?,
            max_request_bytes: reader.u64()?,
            max_items: reader.u32()?,
            max_nesting: reader.u32()?,
            max_depth: reader.u32()?,
            max_stream_items: reader.u32()?,
            max_stream_bytes: reader.u32()?,
        };
        reader.reserved::<28>()?;
        Ok(limits)
    }
}

fn check(
    limit: &'static str,
    got: impl Into<u64>,
    allowed: RangeInclusive<u64>,
) -> Result<(), LimitOutOfRange> {
    let got = got.into();
    if allowed.contains(&got) {
        return Ok(());
    }
    Err(LimitOutOfRange {
        limit,
        got,
        lowest: *allowed.start(),
        highest: *allowed.end(),
    })
}

/// A limit has a value that makes no sense.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LimitOutOfRange {
    limit: &'static str,
    got: u64,
    lowest: u64,
    highest: u64,
}

impl LimitOutOfRange {
    /// The name of the limit, that of the field of [`Limits`].
    #[must_use]
    pub fn limit(&self) -> &'static str {
        self.limit
    }

    /// The value that it has.
    #[must_use]
    pub fn got(&self) -> u64 {
        self.got
    }

    /// The values that it may have.
    #[must_use]
    pub fn allowed(&self) -> RangeInclusive<u64> {
        self.lowest..=self.highest
    }
}

impl fmt::Display for LimitOutOfRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            limit,
            got,
            lowest,
            highest,
        } = self;
        write!(f, "{limit} is {got}: expected {lowest} to {highest}")
    }
}

impl std::error::Error for LimitOutOfRange {}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::handshake::Stage;

    #[test]
    fn the_encoding_is_of_fixed_size_and_gives_the_limits_back() {
        let limits = Limits {
            max_frame: 1,
            max_calls: 2,
            max_request_bytes: 3 << 40,
            max_items: 4,
            max_nesting: 5,
            max_depth: 6,
            max_stream_items: 7,
            max_stream_bytes: 8,
        };
        let mut bytes = Vec::new();
        limits.encode(&mut bytes);
        assert_eq!(bytes.len(), 64);
        assert_eq!(
            Limits::decode(&mut Reader::new(Stage::Hello, &bytes)).unwrap(),
            limits
        );
    }

    #[test]
    fn each_limit_out_of_its_range_is_named() {
        type Set = fn(&mut Limits, u64);
        let cases: [(&str, Set, [u64; 2], [u64; 2]); 8] = [
            (
                "max_frame",
                |l, n| {
                    l.max_frame = n as u32;
                    l.max_request_bytes = 1 << 30;
                },
                [64 << 10, 1 << 30],
                [0, (1 << 30) + 1],
            ),
            (
                "max_calls",
                |l, n| l.max_calls = n as u32,
                [1, 1 << 20],
                [0, (1 << 20) + 1],
            ),
            (
                "max_request_bytes",
                |l, n| l.max_request_bytes = n,
                [16 << 20, 1 << 40],
                [(16 << 20) - 1, u64::MAX],
            ),
            (
                "max_items",
                |l, n| l.max_items = n as u32,
                [1024, 1 << 30],
                [1023, u64::from(u32::MAX)],
            ),
            (
                "max_nesting",
                |l, n| l.max_nesting = n as u32,
                [8, 64],
                [7, 65],
            ),
            (
                "max_depth",
                |l, n| l.max_depth = n as u32,
                [1, 1024],
                [0, 1025],
            ),
            (
                "max_stream_items",
                |l, n| l.max_stream_items = n as u32,
                [1, 65536],
                [0, 65537],
            ),
            (
                "max_stream_bytes",
                |l, n| l.max_stream_bytes = n as u32,
                [64 << 10, 1 << 30],
                [(64 << 10) - 1, (1 << 30) + 1],
            ),
        ];
        for (name, set, good, bad) in cases {
            for value in good {
                let mut limits = Limits::default();
                set(&mut limits, value);
                assert_eq!(limits.validate(), Ok(()), "{name} = {value}");
            }
            for value in bad {
                let mut limits = Limits::default();
                set(&mut limits, value);
                let error = limits.validate().unwrap_err();
                assert_eq!((error.limit(), error.got()), (name, value));
                assert!(!error.allowed().contains(&value));
            }
        }
    }
}
