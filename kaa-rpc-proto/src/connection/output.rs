//! Bytes that are to be written.

use std::collections::VecDeque;
use std::io::IoSlice;
use std::ops::Deref;

use bytes::Bytes;

use crate::frame::Frame;
use crate::msgpack::{Encoded, Part};

/// A payload from this size on is not copied between the frames: beside that, writing one segment more costs
/// little.
pub const LARGE_PAYLOAD: usize = 16 * 1024;

/// A buffer that grew beyond this is given back as soon as it is empty, in bytes.
const KEPT_CAPACITY: usize = 64 * 1024;

/// An output buffer of more bytes is not for an idle connection to keep. Small calls have one and the same.
const IDLE_CAPACITY: usize = 512;

/// So many segments are written at once.
const SEGMENTS: usize = 8;

/// Where an output buffer comes from, and where it goes once it is empty and larger than 512 bytes.
#[derive(Clone, Copy, Debug)]
pub struct Buffers {
    /// Gives an empty one.
    pub take: fn() -> Vec<u8>,
    /// Takes one that may have bytes in it.
    pub give: fn(Vec<u8>),
}

impl Default for Buffers {
    /// From the allocator, and to it.
    fn default() -> Self {
        Self {
            take: Vec::new,
            give: drop,
        }
    }
}

/// What a call or a result carries, encoded.
#[derive(Debug)]
pub enum Payload<'a> {
    /// To be copied.
    Lent(&'a [u8]),
    /// To be taken, if it has [`LARGE_PAYLOAD`] bytes or more; an empty buffer is left then. Else it is copied,
    /// and the buffer can be used again.
    Given(&'a mut Vec<u8>),
    /// To be copied, but for what it shares.
    Shared(&'a Encoded),
}

impl Payload<'_> {
    #[inline]
    pub(super) fn len(&self) -> usize {
        match self {
            Self::Lent(bytes) => bytes.len(),
            Self::Given(buffer) => buffer.len(),
            Self::Shared(encoded) => encoded.len(),
        }
    }
}

impl<'a> From<&'a Encoded> for Payload<'a> {
    #[inline]
    fn from(encoded: &'a Encoded) -> Self {
        if encoded.is_shared() {
            Self::Shared(encoded)
        } else {
            Self::Lent(encoded.buffer())
        }
    }
}

impl<'a> From<&'a mut Encoded> for Payload<'a> {
    #[inline]
    fn from(encoded: &'a mut Encoded) -> Self {
        if encoded.is_shared() {
            Self::Shared(encoded)
        } else {
            Self::Given(encoded.buffer_mut())
        }
    }
}

impl<'a> From<&'a [u8]> for Payload<'a> {
    fn from(bytes: &'a [u8]) -> Self {
        Self::Lent(bytes)
    }
}

impl<'a, const N: usize> From<&'a [u8; N]> for Payload<'a> {
    fn from(bytes: &'a [u8; N]) -> Self {
        Self::Lent(bytes)
    }
}

impl<'a> From<&'a Vec<u8>> for Payload<'a> {
    fn from(bytes: &'a Vec<u8>) -> Self {
        Self::Lent(bytes)
    }
}

impl<'a> From<&'a mut Vec<u8>> for Payload<'a> {
    fn from(buffer: &'a mut Vec<u8>) -> Self {
        Self::Given(buffer)
    }
}

/// What is to be written, in its order: frames that were gathered, and large payloads between them.
#[derive(Debug, Default)]
pub struct Output {
    /// Frames, without the large payloads.
    bytes: Vec<u8>,
    /// So many of `bytes` were written.
    written: usize,
    large: VecDeque<Large>,
    buffers: Buffers,
    /// What others own, too, and was written: whoever takes it may run code of theirs, and drops it.
    spent: Vec<Bytes>,
}

#[derive(Debug)]
struct Large {
    /// Comes before this index of `bytes`.
    before: usize,
    payload: Segment,
    written: usize,
}

#[derive(Debug)]
enum Segment {
    Own(Vec<u8>),
    Shared(Bytes),
}

impl Deref for Segment {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match self {
            Self::Own(bytes) => bytes,
            Self::Shared(bytes) => bytes,
        }
    }
}

impl Output {
    /// Nothing, yet, for which buffers are used again.
    #[must_use]
    pub fn new(buffers: Buffers) -> Self {
        Self {
            buffers,
            ..Self::default()
        }
    }

    /// Whether there is nothing left to be written.
    #[must_use]
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.written == self.bytes.len() && self.large.is_empty()
    }

    /// So many bytes are left to be written.
    #[must_use]
    pub fn len(&self) -> usize {
        let large = self.large.iter().map(|one| one.payload.len() - one.written);
        self.bytes.len() - self.written + large.sum::<usize>()
    }

    /// Adds a frame; gives how long it is, its length field included.
    #[inline]
    pub(super) fn push(&mut self, frame: &Frame<'_>) -> usize {
        let bytes = self.bytes();
        let before = bytes.len();
        frame.encode(bytes);
        bytes.len() - before
    }

    /// The same for a frame that ends with a payload, which `frame` has none of.
    pub(super) fn push_large(&mut self, frame: &Frame<'_>, payload: Vec<u8>) -> usize {
        let bytes = self.bytes();
        let begin = bytes.len();
        frame.encode_before(payload.len(), bytes);
        let length = bytes.len() - begin + payload.len();
        self.push_segment(Segment::Own(payload));
        length
    }

    /// The same for a payload that shares bytes with others, which are not copied.
    pub(super) fn push_shared(&mut self, frame: &Frame<'_>, payload: &Encoded) -> usize {
        let bytes = self.bytes();
        let begin = bytes.len();
        frame.encode_before(payload.len(), bytes);
        let length = bytes.len() - begin + payload.len();
        for part in payload.parts() {
            match part {
                Part::Copied(bytes) => self.bytes.extend_from_slice(bytes),
                Part::Shared(bytes) => self.push_segment(Segment::Shared(bytes.clone())),
            }
        }
        length
    }

    fn push_segment(&mut self, payload: Segment) {
        self.large.push_back(Large {
            before: self.bytes.len(),
            payload,
            written: 0,
        });
    }

    #[inline]
    fn bytes(&mut self) -> &mut Vec<u8> {
        if self.bytes.capacity() == 0 {
            self.bytes = (self.buffers.take)();
        }
        &mut self.bytes
    }

    /// Gives a large buffer back that is empty: an idle connection owns none.
    #[inline]
    pub fn give_back(&mut self) {
        if self.is_empty() && self.bytes.capacity() > IDLE_CAPACITY {
            (self.buffers.give)(std::mem::take(&mut self.bytes));
        }
    }

    /// Offers what comes next to `write`: one segment or several, but perhaps not all that there is.
    #[inline]
    pub fn offer<R>(&self, write: impl FnOnce(&[IoSlice<'_>]) -> R) -> R {
        if self.large.is_empty() {
            let rest = self.bytes.get(self.written..).unwrap_or_default();
            return write(&[IoSlice::new(rest)]);
        }
        self.offer_large(write)
    }

    fn offer_large<R>(&self, write: impl FnOnce(&[IoSlice<'_>]) -> R) -> R {
        let mut segments = [IoSlice::new(&[]); SEGMENTS];
        let mut from = self.written;
        let end = (self.bytes.len(), &[][..]);
        let pieces = self.large.iter().map(|one| {
            let payload = one.payload.get(one.written..).unwrap_or_default();
            (one.before, payload)
        });
        let pieces = pieces.chain([end]).flat_map(|(before, payload)| {
            let frames = self.bytes.get(from..before).unwrap_or_default();
            from = before;
            [frames, payload]
        });
        let pieces = pieces.filter(|piece| !piece.is_empty());
        let mut count = 0;
        for (segment, piece) in segments.iter_mut().zip(pieces) {
            *segment = IoSlice::new(piece);
            count += 1;
        }
        write(segments.get(..count).unwrap_or_default())
    }

    /// The next `count` bytes were written. More than there are count as all.
    #[inline]
    pub fn advance(&mut self, count: usize) {
        let left = match self.large.is_empty() {
            true => Some(count),
            false => self.advance_large(count),
        };
        let Some(count) = left else { return };
        self.written = self.bytes.len().min(self.written + count);
        if self.written == self.bytes.len() {
            self.written = 0;
            self.bytes.clear();
            if self.bytes.capacity() > KEPT_CAPACITY {
                (self.buffers.give)(std::mem::take(&mut self.bytes));
            }
        }
    }

    /// The same as far as there are large payloads; gives how many bytes more were written behind them.
    fn advance_large(&mut self, mut count: usize) -> Option<usize> {
        while let Some(one) = self.large.front_mut() {
            let frames = count.min(one.before - self.written);
            self.written += frames;
            count -= frames;
            let payload = count.min(one.payload.len() - one.written);
            one.written += payload;
            count -= payload;
            if self.written < one.before || one.written < one.payload.len() {
                return None;
            }
            match self.large.pop_front().map(|one| one.payload) {
                Some(Segment::Own(buffer)) => (self.buffers.give)(buffer),
                Some(Segment::Shared(bytes)) => self.spent.push(bytes),
                None => {}
            }
        }
        Some(count)
    }

    /// What others own, too, and was written. To be dropped where their code may run.
    #[inline]
    pub fn take_spent(&mut self) -> Option<Vec<Bytes>> {
        match self.spent.is_empty() {
            true => None,
            false => Some(std::mem::take(&mut self.spent)),
        }
    }

    /// Takes up to `count` bytes out of it, as if they had been written.
    pub fn take(&mut self, count: usize) -> Vec<u8> {
        let mut taken = Vec::new();
        while taken.len() < count && !self.is_empty() {
            let before = taken.len();
            self.offer(|segments| {
                for segment in segments {
                    let room = count - taken.len();
                    taken.extend_from_slice(segment.get(..room).unwrap_or(segment));
                }
            });
            self.advance(taken.len() - before);
        }
        taken
    }
}
