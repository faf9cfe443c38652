//! Writes arguments.

use serde::Serialize;

use super::{Arguments, Kwargs};
use crate::msgpack::encode::{Container, Shared, encode_sharing, name_twice, patch_head};
use crate::msgpack::key::{Key, find_duplicate};
use crate::msgpack::{EncodeError, Shape};

/// Appends `arguments` to `out`, and gives what a receiver that has limits asks of them.
///
/// # Errors
///
/// When they cannot be encoded. Then, and when a `Serialize` panics, `out` is as it was.
pub fn encode_arguments<A: Arguments + ?Sized>(
    out: &mut Vec<u8>,
    arguments: &A,
) -> Result<Shape, EncodeError> {
    Encoder::encode_all(out, None, arguments)
}

/// Gives the buffer back, however the encoding ends.
struct Borrowed<'a> {
    encoder: Encoder,
    out: &'a mut Vec<u8>,
    /// How much of it is to stay.
    length: usize,
}

impl Drop for Borrowed<'_> {
    fn drop(&mut self) {
        *self.out = std::mem::take(&mut self.encoder.buffer);
        self.out.truncate(self.length);
    }
}

/// Encodes the arguments of a call into a buffer, one after the other.
///
/// After an error what it holds is not to be used.
#[derive(Debug)]
pub struct Encoder {
    buffer: Vec<u8>,
    shared: Shared,
    /// Where the head of the list is.
    start: usize,
    positional: usize,
    /// Where the head of the map is, once there is one, and the number of entries.
    named: Option<(usize, usize)>,
    shape: Shape,
}

impl Encoder {
    /// An encoder that appends to `buffer`, after what that holds already.
    #[must_use]
    pub fn new(mut buffer: Vec<u8>) -> Self {
        let start = buffer.len();
        buffer.push(Container::List.empty());
        Self {
            buffer,
            shared: Shared::default(),
            start,
            positional: 0,
            named: None,
            // The list and the map. Nesting counts for each argument by itself.
            shape: Shape {
                items: 2,
                nesting: 0,
            },
        }
    }

    /// Appends to `out` all but large bytes, which come into `shared`, if there is such a thing. On an error and when a
    /// `Serialize` panics, `out` is as it was.
    #[inline]
    pub(in crate::msgpack) fn encode_all<A: Arguments + ?Sized>(
        out: &mut Vec<u8>,
        shared: Option<&mut Shared>,
        arguments: &A,
    ) -> Result<Shape, EncodeError> {
        let length = out.len();
        let mut borrowed = Borrowed {
            encoder: Encoder::new(std::mem::take(out)),
            out,
            length,
        };
        arguments.encode(&mut borrowed.encoder)?;
        borrowed.encoder.complete()?;
        let Encoder {
            buffer,
            shared: own,
            shape,
            ..
        } = &mut borrowed.encoder;
        match shared {
            // Not replaced, as dropping an empty one costs a call, too.
            Some(shared) => std::mem::swap(shared, own),
            None => _ = own.join(buffer, length),
        }
        borrowed.length = buffer.len();
        Ok(*shape)
    }

    /// Adds a positional argument.
    ///
    /// # Errors
    ///
    /// When it cannot be encoded, or follows a named one.
    pub fn positional<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), EncodeError> {
        if self.named.is_some() {
            return Err(EncodeError::PositionalAfterNamed);
        }
        let shape = self.value(value)?;
        self.shape = self.shape.and(shape);
        self.positional += 1;
        Ok(())
    }

    /// Adds a named argument. That it is the only one of this name is checked at the end.
    ///
    /// # Errors
    ///
    /// When it cannot be encoded.
    pub fn named<T: Serialize + ?Sized>(
        &mut self,
        name: &str,
        value: &T,
    ) -> Result<(), EncodeError> {
        self.begin_named(1)?;
        let name = self.value(name)?;
        let value = self.value(value)?;
        self.shape = self.shape.and(name).and(value);
        Ok(())
    }

    /// Adds a named argument if there is one.
    ///
    /// # Errors
    ///
    /// As [`Encoder::named`].
    pub fn optional<T: Serialize>(
        &mut self,
        name: &str,
        value: Option<T>,
    ) -> Result<(), EncodeError> {
        value.map_or(Ok(()), |value| self.named(name, &value))
    }

    /// Adds all of `kwargs`.
    ///
    /// # Errors
    ///
    /// When one of them could not be encoded.
    pub fn kwargs(&mut self, kwargs: &Kwargs) -> Result<(), EncodeError> {
        let (entries, count, shape) = kwargs.encoded()?;
        if count > 0 {
            self.begin_named(count)?;
            self.shape = self.shape.and(shape);
            self.buffer.extend_from_slice(entries);
        }
        Ok(())
    }

    /// The buffer with the complete arguments.
    ///
    /// # Errors
    ///
    /// When a name was given twice.
    pub fn finish(mut self) -> Result<Vec<u8>, EncodeError> {
        self.complete()?;
        self.shared.join(&mut self.buffer, self.start);
        Ok(self.buffer)
    }

    fn value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<Shape, EncodeError> {
        encode_sharing(&mut self.buffer, &mut self.shared, value)
    }

    fn complete(&mut self) -> Result<(), EncodeError> {
        let Some((mut at, count)) = self.named else {
            // The head of an empty map is right as it is.
            return self.end_list().map(drop);
        };
        if count > 1 {
            // Names are looked for where they stand.
            at = self.shared.join(&mut self.buffer, at);
            let entries = self.buffer.get(at + 1..).unwrap_or_default();
            let count = u32::try_from(count).map_err(|_| EncodeError::TooLong)?;
            // What was just encoded can be read.
            if let Ok(Some(Key::Str(name))) = find_duplicate(entries, count) {
                return Err(name_twice(name));
            }
        }
        let grown = patch_head(&mut self.buffer, at, Container::Map, count)?;
        self.shared.shift(at, grown);
        Ok(())
    }

    /// Ends the list, if that is not yet done, and counts `more` entries of the map.
    fn begin_named(&mut self, more: usize) -> Result<(), EncodeError> {
        let (at, count) = match self.named {
            Some(named) => named,
            None => (self.end_list()?, 0),
        };
        self.named = Some((at, count + more));
        Ok(())
    }

    /// Begins the map behind the list, and gives where its head is.
    #[inline]
    fn end_list(&mut self) -> Result<usize, EncodeError> {
        let (start, count) = (self.start, self.positional);
        let grown = patch_head(&mut self.buffer, start, Container::List, count)?;
        self.shared.shift(start, grown);
        let at = self.buffer.len();
        self.buffer.push(Container::Map.empty());
        Ok(at)
    }
}
