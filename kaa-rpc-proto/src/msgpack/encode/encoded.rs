//! Encoded values, in which large bytes are shared.

use std::borrow::Cow;

use bytes::Bytes;
use serde::Serialize;

use super::{EncodeError, encode_sharing};
use crate::msgpack::{Arguments, Encoder, Shape};

/// A value or the arguments of a call, encoded, in which [large](crate::LARGE_PAYLOAD) [`Bytes`](crate::msgpack::Bytes)
/// are not copied but shared.
///
/// ```
/// use kaa_rpc_proto::msgpack::{Bytes, Encoded, to_vec};
///
/// let large = Bytes::from(vec![7; 1 << 20]);
/// let mut encoded = Encoded::default();
/// encoded.value(&large).unwrap();
/// assert_eq!(encoded.parts().count(), 2);
/// assert_eq!(encoded.contiguous(), to_vec(&large).unwrap());
/// ```
#[derive(Clone, Debug, Default)]
pub struct Encoded {
    /// All but the shared bytes.
    buffer: Vec<u8>,
    shared: Shared,
}

/// A part of what is encoded.
#[derive(Clone, Copy, Debug)]
pub enum Part<'a> {
    /// Encoded into the buffer.
    Copied(&'a [u8]),
    /// Whoever was encoded has them, too.
    Shared(&'a Bytes),
}

impl Encoded {
    /// Nothing yet; `buffer`, which is emptied, is used again.
    #[must_use]
    #[inline]
    pub fn new(mut buffer: Vec<u8>) -> Self {
        buffer.clear();
        Self {
            buffer,
            shared: Shared::default(),
        }
    }

    /// Encodes a value in place of what was here.
    ///
    /// # Errors
    ///
    /// As [`encode`](super::encode()); then it is empty.
    pub fn value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<Shape, EncodeError> {
        self.clear();
        let result = encode_sharing(&mut self.buffer, &mut self.shared, value);
        if result.is_err() {
            self.clear();
        }
        result
    }

    /// Encodes the arguments of a call in place of what was here.
    ///
    /// # Errors
    ///
    /// As [`encode_arguments`](crate::msgpack::encode_arguments); then it is empty.
    #[inline]
    pub fn arguments<A: Arguments + ?Sized>(
        &mut self,
        arguments: &A,
    ) -> Result<Shape, EncodeError> {
        self.clear();
        Encoder::encode_all(&mut self.buffer, Some(&mut self.shared), arguments)
    }

    /// Forgets all but the buffer.
    #[inline]
    pub fn clear(&mut self) {
        self.buffer.clear();
        if self.is_shared() {
            self.shared.0 = None;
        }
    }

    /// How many bytes it is.
    #[must_use]
    #[inline]
    pub fn len(&self) -> usize {
        self.buffer.len() + self.shared.len()
    }

    /// Whether it is empty.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether it shares something.
    #[must_use]
    #[inline]
    pub fn is_shared(&self) -> bool {
        self.shared.0.is_some()
    }

    /// What it is made of, in order.
    pub fn parts(&self) -> impl Iterator<Item = Part<'_>> {
        self.shared.parts(&self.buffer)
    }

    /// All of it in one piece, copied only if it shares something.
    #[must_use]
    pub fn contiguous(&self) -> Cow<'_, [u8]> {
        if self.is_shared() {
            self.shared.joined(&self.buffer).into()
        } else {
            self.buffer.as_slice().into()
        }
    }

    /// The same, in `buffer`, which is emptied.
    #[must_use]
    pub fn cloned_in(&self, buffer: Vec<u8>) -> Self {
        let mut clone = Self::new(buffer);
        clone.buffer.extend_from_slice(&self.buffer);
        clone.shared = self.shared.clone();
        clone
    }

    /// Takes its buffer away, to be used for something else. What is shared stays.
    #[inline]
    pub fn take_buffer(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.buffer)
    }

    pub(crate) fn buffer(&self) -> &[u8] {
        &self.buffer
    }

    pub(crate) fn buffer_mut(&mut self) -> &mut Vec<u8> {
        &mut self.buffer
    }
}

/// Bytes that belong between others in a buffer. Mostly there are none.
#[derive(Clone, Debug, Default)]
pub(in crate::msgpack) struct Shared(Option<Box<Pieces>>);

#[derive(Clone, Debug, Default)]
struct Pieces {
    /// In order, with the index of the buffer before which each belongs.
    list: Vec<(usize, Bytes)>,
    /// Of all together.
    len: usize,
}

impl Shared {
    fn list(&self) -> &[(usize, Bytes)] {
        self.0.as_ref().map_or(&[], |pieces| &pieces.list)
    }

    #[inline]
    fn len(&self) -> usize {
        self.0.as_ref().map_or(0, |pieces| pieces.len)
    }

    /// Adds bytes before the index `at`, which is that of no earlier ones.
    pub(super) fn push(&mut self, at: usize, bytes: Bytes) {
        let pieces = self.0.get_or_insert_default();
        pieces.len += bytes.len();
        pieces.list.push((at, bytes));
    }

    /// The buffer has `grown` at the index `at`.
    #[inline]
    pub(in crate::msgpack) fn shift(&mut self, at: usize, grown: usize) {
        if let Some(pieces) = &mut self.0 {
            let behind = pieces.list.iter_mut().filter(|(index, _)| *index > at);
            behind.for_each(|(index, _)| *index += grown);
        }
    }

    /// Copies all to where they belong. Gives the index that is `at` now.
    #[inline]
    pub(in crate::msgpack) fn join(&mut self, buffer: &mut Vec<u8>, at: usize) -> usize {
        match self.0 {
            None => at,
            Some(_) => self.join_some(buffer, at),
        }
    }

    #[cold]
    fn join_some(&mut self, buffer: &mut Vec<u8>, at: usize) -> usize {
        let before = self.list().iter().filter(|(index, _)| *index <= at);
        let at = at + before.map(|(_, bytes)| bytes.len()).sum::<usize>();
        *buffer = self.joined(buffer);
        self.0 = None;
        at
    }

    fn joined(&self, buffer: &[u8]) -> Vec<u8> {
        let mut joined = Vec::with_capacity(buffer.len() + self.len());
        for part in self.parts(buffer) {
            joined.extend_from_slice(match part {
                Part::Copied(bytes) => bytes,
                Part::Shared(bytes) => bytes,
            });
        }
        joined
    }

    fn parts<'a>(&'a self, buffer: &'a [u8]) -> impl Iterator<Item = Part<'a>> {
        let mut from = 0;
        let pieces = self.list().iter();
        let pieces = pieces.map(|(before, bytes)| (*before, Some(bytes)));
        let parts = pieces
            .chain([(buffer.len(), None)])
            .flat_map(move |(before, bytes)| {
                let copied = buffer.get(from..before).filter(|copied| !copied.is_empty());
                from = before;
                [copied.map(Part::Copied), bytes.map(Part::Shared)]
            });
        parts.flatten()
    }
}
