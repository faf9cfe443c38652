//! The strict decoder.

mod access;
mod typed;
mod variant;

use serde::Deserialize;
use serde::de::value::BorrowedStrDeserializer;
use serde::de::{DeserializeSeed, Visitor};

use self::access::{Entries, Items, Strictness};
use super::error::NOT_UTF8;
use super::token::{self, Token};
use super::{DecodeError, MAX_NESTING, ScanError};

/// The newtype as which a type asks for the name of a field that it will compare: it gets the bytes, if the format is
/// this one, and sees itself to what is no UTF-8 and no name of its own.
#[doc(hidden)]
pub const FIELD_NAME: &str = "$kaa::field_name";

/// Decodes a `T` from exactly `bytes`.
///
/// What comes from the network must have passed [`scan`](super::scan()) before: only it limits the
/// number of items. Nesting is limited here too.
///
/// # Errors
///
/// When `bytes` are not one value in a form that `T` accepts, or go on after it.
pub fn from_slice<'de, T: Deserialize<'de>>(bytes: &'de [u8]) -> Result<T, DecodeError> {
    let mut decoder = Decoder::new(bytes);
    let value = decoder.decode()?;
    match decoder.remaining().len() {
        0 => Ok(value),
        bytes => Err(ScanError::Trailing { bytes }.into()),
    }
}

/// Decodes one value after the other from a slice.
///
/// After an error it stands somewhere inside the value that has failed.
#[derive(Clone, Debug)]
pub struct Decoder<'de> {
    rest: &'de [u8],
    /// How many more lists and maps may be opened inside each other.
    nesting_left: u32,
}

impl<'de> Decoder<'de> {
    /// A decoder that stands before the first of `bytes`.
    #[must_use]
    pub fn new(bytes: &'de [u8]) -> Self {
        Self {
            rest: bytes,
            nesting_left: MAX_NESTING,
        }
    }

    /// Decodes the next value.
    ///
    /// # Errors
    ///
    /// When there is none, or in no form that `T` accepts.
    pub fn decode<T: Deserialize<'de>>(&mut self) -> Result<T, DecodeError> {
        T::deserialize(self)
    }

    /// The bytes after the values that were decoded.
    #[must_use]
    pub fn remaining(&self) -> &'de [u8] {
        self.rest
    }

    /// Takes nil if it comes next.
    pub(super) fn take_nil(&mut self) -> bool {
        token::next_if_nil(&mut self.rest)
    }

    #[inline]
    fn next(&mut self) -> Result<Token<'de>, DecodeError> {
        Ok(token::next(&mut self.rest)?)
    }

    #[inline]
    fn integer<T: TryFrom<u64> + TryFrom<i64>>(
        &mut self,
        expected: &'static str,
    ) -> Result<T, DecodeError> {
        let integer = match token::next_if_small(&mut self.rest) {
            Some(small) => T::try_from(u64::from(small)).ok(),
            None => self.any_integer(expected)?,
        };
        integer.ok_or_else(|| DecodeError::mismatch(expected, "an integer out of its range"))
    }

    /// In any form; `None`: out of range.
    fn any_integer<T: TryFrom<u64> + TryFrom<i64>>(
        &mut self,
        expected: &'static str,
    ) -> Result<Option<T>, DecodeError> {
        match self.next()? {
            Token::Uint(n) => Ok(T::try_from(n).ok()),
            Token::Int(n) => Ok(T::try_from(n).ok()),
            other => Err(DecodeError::mismatch(expected, other.describe())),
        }
    }

    /// An integer of 128 bits: in any form of an integer or, for those beyond 64 bits, as 16 bytes.
    fn wide(&mut self, expected: &'static str) -> Result<Wide, DecodeError> {
        Ok(match self.next()? {
            Token::Uint(n) => Wide::Integer(n.into()),
            Token::Int(n) => Wide::Integer(n.into()),
            Token::Bin(bytes) => match bytes.try_into() {
                Ok(bytes) => Wide::Bytes(bytes),
                Err(_) => return Err(DecodeError::mismatch(expected, "bytes, not 16 of them")),
            },
            other => return Err(DecodeError::mismatch(expected, other.describe())),
        })
    }

    #[inline]
    fn str(&mut self, expected: &'static str) -> Result<&'de str, DecodeError> {
        utf8(self.text(expected)?, expected)
    }

    /// A string that is not yet known to be UTF-8.
    #[inline]
    fn text(&mut self, expected: &'static str) -> Result<&'de [u8], DecodeError> {
        match token::next_if_short_str(&mut self.rest) {
            Some(text) => Ok(text),
            None => self.any_text(expected),
        }
    }

    /// Not inlined, as most strings are short.
    #[inline(never)]
    fn any_text(&mut self, expected: &'static str) -> Result<&'de [u8], DecodeError> {
        match self.next()? {
            Token::Str(text) => Ok(text),
            other => Err(DecodeError::mismatch(expected, other.describe())),
        }
    }

    /// Runs `inside` for a container that claims `values` values.
    fn nested<R>(
        &mut self,
        values: u64,
        inside: impl FnOnce(&mut Self) -> Result<R, DecodeError>,
    ) -> Result<R, DecodeError> {
        if values > self.rest.len() as u64 {
            return Err(ScanError::Overclaimed {
                values,
                bytes: self.rest.len(),
            }
            .into());
        }
        let Some(left) = self.nesting_left.checked_sub(1) else {
            return Err(ScanError::TooDeep { limit: MAX_NESTING }.into());
        };
        self.nesting_left = left;
        let result = inside(self);
        self.nesting_left = left + 1;
        result
    }

    fn list<V: Visitor<'de>>(&mut self, length: u32, visitor: V) -> Result<V::Value, DecodeError> {
        self.nested(length.into(), |decoder| {
            let mut items = Items::new(decoder, length);
            let value = visitor.visit_seq(&mut items)?;
            items.finish()?;
            Ok(value)
        })
    }

    fn tuple<V: Visitor<'de>>(
        &mut self,
        length: usize,
        visitor: V,
    ) -> Result<V::Value, DecodeError> {
        match self.next()? {
            Token::List(got) if got as usize == length => self.list(got, visitor),
            Token::List(got) => Err(DecodeError::mismatch(
                format!("{length} items"),
                format!("a list of {got}"),
            )),
            other => Err(DecodeError::mismatch(
                format!("a list of {length}"),
                other.describe(),
            )),
        }
    }

    fn map<V: Visitor<'de>>(
        &mut self,
        length: u32,
        strictness: Strictness,
        visitor: V,
    ) -> Result<V::Value, DecodeError> {
        self.nested(u64::from(length) * 2, |decoder| {
            let mut entries = Entries::new(decoder, length, strictness);
            let value = visitor.visit_map(&mut entries)?;
            entries.finish()?;
            Ok(value)
        })
    }

    fn fields<V: Visitor<'de>>(
        &mut self,
        expected: &'static str,
        visitor: V,
    ) -> Result<V::Value, DecodeError> {
        if let Some(length) = token::next_if_small_map(&mut self.rest) {
            return self.map(length, Strictness::Fields, visitor);
        }
        match self.next()? {
            Token::Map(length) => self.map(length, Strictness::Fields, visitor),
            other => Err(DecodeError::mismatch(expected, other.describe())),
        }
    }
}

enum Wide {
    Integer(i128),
    /// Big-endian.
    Bytes([u8; 16]),
}

fn utf8<'de>(text: &'de [u8], expected: &'static str) -> Result<&'de str, DecodeError> {
    std::str::from_utf8(text).map_err(|_| DecodeError::mismatch(expected, NOT_UTF8))
}

/// The name of a struct in the words of the schema.
fn schema_name(name: &'static str) -> &'static str {
    // The one struct that serde itself implements for a type of the schema.
    if name == "Duration" { "duration" } else { name }
}

/// Gives a name that was read to a seed that wants one.
fn name_into<'de, S: DeserializeSeed<'de>>(
    seed: S,
    name: &'de str,
) -> Result<S::Value, DecodeError> {
    seed.deserialize(BorrowedStrDeserializer::new(name))
}
