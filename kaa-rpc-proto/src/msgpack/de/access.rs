//! The contents of lists and maps, one after the other.

use serde::de::{DeserializeSeed, MapAccess, SeqAccess};

use super::Decoder;
use crate::msgpack::DecodeError;
use crate::msgpack::key::{Key, find_duplicate};

/// The items of a list.
pub(super) struct Items<'a, 'de> {
    decoder: &'a mut Decoder<'de>,
    length: u32,
    left: u32,
}

impl<'a, 'de> Items<'a, 'de> {
    pub(super) fn new(decoder: &'a mut Decoder<'de>, length: u32) -> Self {
        Self {
            decoder,
            length,
            left: length,
        }
    }

    /// Refuses items that nobody asked for.
    pub(super) fn finish(&self) -> Result<(), DecodeError> {
        if self.left == 0 {
            return Ok(());
        }
        let taken = self.length - self.left;
        Err(DecodeError::mismatch(
            format!("{taken} items"),
            format!("a list of {}", self.length),
        ))
    }
}

impl<'de> SeqAccess<'de> for Items<'_, 'de> {
    type Error = DecodeError;

    #[inline]
    fn next_element_seed<S: DeserializeSeed<'de>>(
        &mut self,
        seed: S,
    ) -> Result<Option<S::Value>, DecodeError> {
        let Some(left) = self.left.checked_sub(1) else {
            return Ok(None);
        };
        let index = self.length - self.left;
        self.left = left;
        seed.deserialize(&mut *self.decoder)
            .map(Some)
            .map_err(|e| e.in_item(index.into()))
    }

    fn size_hint(&self) -> Option<usize> {
        usize::try_from(self.left).ok()
    }
}

/// Who sees to it that a key comes only once.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Strictness {
    /// The visitor: it knows its fields, and ignores others.
    Fields,
    /// We.
    Distinct,
}

/// The entries of a map.
pub(super) struct Entries<'a, 'de> {
    decoder: &'a mut Decoder<'de>,
    length: u32,
    left: u32,
    /// All entries, and whatever follows them.
    body: &'de [u8],
    /// What begins with the key of the current entry.
    current: &'de [u8],
    /// The last key, if all keys must be distinct and have come in ascending order until now.
    /// Encoders of sorted maps write them so, which makes the check nearly free.
    ascending: Option<Key<'de>>,
    unproven: bool,
}

impl<'a, 'de> Entries<'a, 'de> {
    pub(super) fn new(decoder: &'a mut Decoder<'de>, length: u32, strictness: Strictness) -> Self {
        let body = decoder.rest;
        let unproven = strictness == Strictness::Distinct;
        Self {
            decoder,
            length,
            left: length,
            body,
            current: body,
            ascending: None,
            unproven,
        }
    }

    /// Refuses entries that nobody asked for.
    pub(super) fn finish(&self) -> Result<(), DecodeError> {
        if self.left == 0 {
            return Ok(());
        }
        let taken = self.length - self.left;
        Err(DecodeError::mismatch(
            format!("{taken} entries"),
            format!("a map of {}", self.length),
        ))
    }

    fn check_distinct(&mut self) -> Result<(), DecodeError> {
        let mut rest = self.current;
        let key = Key::take(&mut rest)?;
        if self.ascending.is_none_or(|last| last < key) {
            self.ascending = Some(key);
            return Ok(());
        }
        self.unproven = false;
        match find_duplicate(self.body, self.length)? {
            None => Ok(()),
            Some(key) => Err(at_key(
                DecodeError::mismatch("each key once", "one twice"),
                key,
            )),
        }
    }
}

/// An error in the value that has this key.
fn at_key(error: DecodeError, key: Key<'_>) -> DecodeError {
    match key {
        Key::Str(name) => error.in_field(name),
        Key::Uint(n) => error.in_item(n),
        Key::Negative(n) => error.in_field(n.to_string().as_bytes()),
        Key::Bool(b) => error.in_field(b.to_string().as_bytes()),
        _ => error.in_field(b"?"),
    }
}

impl<'de> MapAccess<'de> for Entries<'_, 'de> {
    type Error = DecodeError;

    #[inline]
    fn next_key_seed<S: DeserializeSeed<'de>>(
        &mut self,
        seed: S,
    ) -> Result<Option<S::Value>, DecodeError> {
        let Some(left) = self.left.checked_sub(1) else {
            return Ok(None);
        };
        self.left = left;
        self.current = self.decoder.rest;
        if self.unproven {
            self.check_distinct()?;
        }
        seed.deserialize(&mut *self.decoder).map(Some)
    }

    #[inline]
    fn next_value_seed<S: DeserializeSeed<'de>>(
        &mut self,
        seed: S,
    ) -> Result<S::Value, DecodeError> {
        let mut key = self.current;
        seed.deserialize(&mut *self.decoder)
            .map_err(|error| match Key::take(&mut key) {
                Ok(key) => at_key(error, key),
                Err(_) => error,
            })
    }

    fn size_hint(&self) -> Option<usize> {
        usize::try_from(self.left).ok()
    }
}
