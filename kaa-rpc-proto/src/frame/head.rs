//! What a call says before its arguments.

use super::reader::Reader;
use crate::error::Violation;

/// Flags of a call's head.
const HAS_DEADLINE: u8 = 1;
const HAS_METADATA: u8 = 2;
const HAS_STREAMS: u8 = 4;

/// What a call says before its arguments.
///
/// ```text
/// head = flags: u8, depth: u16, [remaining: u64 µs], [length: u32, metadata], [streams: u8],
///        length: u8, name
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
    /// How many streams of items come with the call, numbered from 0. None with a oneway call.
    pub streams: u8,
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
            streams: 0,
        }
    }

    pub(super) fn encode(&self, out: &mut Vec<u8>) {
        let flag = |there: bool, flag| if there { flag } else { 0 };
        let flags = flag(self.remaining.is_some(), HAS_DEADLINE)
            | flag(!self.metadata.is_empty(), HAS_METADATA)
            | flag(self.streams > 0, HAS_STREAMS);
        let [high, low] = self.depth.to_be_bytes();
        out.extend_from_slice(&[flags, high, low]);
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
        if self.streams > 0 {
            out.push(self.streams);
        }
        out.push(u8::try_from(self.name.len()).unwrap_or(u8::MAX));
        out.extend_from_slice(self.name.as_bytes());
    }

    pub(super) fn decode(reader: &mut Reader<'a>) -> Result<Self, Violation> {
        let [flags, high, low] = reader.array()?;
        if flags & !(HAS_DEADLINE | HAS_METADATA | HAS_STREAMS) != 0 {
            return Err(Violation::Malformed("a call with unknown flags"));
        }
        let depth = u16::from_be_bytes([high, low]);
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
        let streams = if flags & HAS_STREAMS != 0 {
            reader.u8()?
        } else {
            0
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
            streams,
        })
    }

    /// The bytes that it takes.
    pub(super) fn len(&self) -> usize {
        // Flags, depth, the name's length; then what may be there.
        let fixed = 1 + 2 + 1;
        let deadline = if self.remaining.is_some() { 8 } else { 0 };
        let metadata = if self.metadata.is_empty() {
            0
        } else {
            4 + self.metadata.len()
        };
        let streams = usize::from(self.streams > 0);
        fixed + deadline + metadata + streams + self.name.len()
    }
}
