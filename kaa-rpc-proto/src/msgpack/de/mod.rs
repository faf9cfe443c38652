//! The strict decoder.

mod access;
mod variant;

use serde::Deserialize;
use serde::de::value::BorrowedStrDeserializer;
use serde::de::{DeserializeSeed, Visitor};

use self::access::{Entries, Items, Strictness};
use self::variant::Variant;
use super::scan::Scanner;
use super::timestamp::{EXTENSION, ExtensionAccess};
use super::token::{self, Token};
use super::{DecodeError, MAX_NESTING, ScanError};

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
        let integer = match self.next()? {
            Token::Uint(n) => T::try_from(n).ok(),
            Token::Int(n) => T::try_from(n).ok(),
            other => return Err(DecodeError::mismatch(expected, other.describe())),
        };
        integer.ok_or_else(|| DecodeError::mismatch(expected, "an integer out of its range"))
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

    fn str(&mut self, expected: &'static str) -> Result<&'de str, DecodeError> {
        match self.next()? {
            Token::Str(text) => utf8(text, expected),
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
    std::str::from_utf8(text)
        .map_err(|_| DecodeError::mismatch(expected, "a string that is not UTF-8"))
}

/// The name of a struct in the words of the schema.
fn schema_name(name: &'static str) -> &'static str {
    // The one struct that serde itself implements for a type of the schema.
    if name == "Duration" { "duration" } else { name }
}

macro_rules! integers {
    ($($deserialize:ident $visit:ident $type:ident;)*) => {$(
        #[inline]
        fn $deserialize<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
            let integer: $type = self.integer(stringify!($type))?;
            visitor.$visit(integer)
        }
    )*};
}

impl<'de> serde::Deserializer<'de> for &mut Decoder<'de> {
    type Error = DecodeError;

    integers! {
        deserialize_i8 visit_i8 i8;
        deserialize_i16 visit_i16 i16;
        deserialize_i32 visit_i32 i32;
        deserialize_i64 visit_i64 i64;
        deserialize_u8 visit_u8 u8;
        deserialize_u16 visit_u16 u16;
        deserialize_u32 visit_u32 u32;
        deserialize_u64 visit_u64 u64;
    }

    fn deserialize_i128<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        visitor.visit_i128(match self.wide("i128")? {
            Wide::Integer(n) => n,
            Wide::Bytes(bytes) => i128::from_be_bytes(bytes),
        })
    }

    fn deserialize_u128<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        visitor.visit_u128(match self.wide("u128")? {
            Wide::Integer(n) => u128::try_from(n)
                .map_err(|_| DecodeError::mismatch("u128", "an integer out of its range"))?,
            Wide::Bytes(bytes) => u128::from_be_bytes(bytes),
        })
    }

    fn deserialize_f64<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        let (integer, float) = match self.next()? {
            Token::F64(n) => return visitor.visit_f64(n),
            Token::F32(n) => return visitor.visit_f64(n.into()),
            Token::Uint(n) => (i128::from(n), n as f64),
            Token::Int(n) => (i128::from(n), n as f64),
            other => return Err(DecodeError::mismatch("f64", other.describe())),
        };
        if float as i128 == integer {
            return visitor.visit_f64(float);
        }
        Err(DecodeError::mismatch(
            "f64",
            "an integer that it cannot hold exactly",
        ))
    }

    fn deserialize_f32<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        let (integer, float) = match self.next()? {
            Token::F32(n) => return visitor.visit_f32(n),
            Token::F64(n) => {
                let float = n as f32;
                if n.is_nan() || f64::from(float) == n {
                    return visitor.visit_f32(float);
                }
                return Err(DecodeError::mismatch(
                    "f32",
                    "a float that it cannot hold exactly",
                ));
            }
            Token::Uint(n) => (i128::from(n), n as f32),
            Token::Int(n) => (i128::from(n), n as f32),
            other => return Err(DecodeError::mismatch("f32", other.describe())),
        };
        if float as i128 == integer {
            return visitor.visit_f32(float);
        }
        Err(DecodeError::mismatch(
            "f32",
            "an integer that it cannot hold exactly",
        ))
    }

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        match self.next()? {
            Token::Bool(b) => visitor.visit_bool(b),
            other => Err(DecodeError::mismatch("bool", other.describe())),
        }
    }

    fn deserialize_char<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        let text = self.str("a string of one character")?;
        let mut characters = text.chars();
        match (characters.next(), characters.next()) {
            (Some(character), None) => visitor.visit_char(character),
            _ => Err(DecodeError::mismatch(
                "a string of one character",
                "another string",
            )),
        }
    }

    #[inline]
    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        visitor.visit_borrowed_str(self.str("string")?)
    }

    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        self.deserialize_str(visitor)
    }

    fn deserialize_identifier<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        visitor.visit_borrowed_str(self.str("a string as name of a field or variant")?)
    }

    fn deserialize_bytes<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        match self.next()? {
            Token::Bin(bytes) => visitor.visit_borrowed_bytes(bytes),
            other => Err(DecodeError::mismatch("bytes", other.describe())),
        }
    }

    fn deserialize_byte_buf<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        self.deserialize_bytes(visitor)
    }

    #[inline]
    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        if self.take_nil() {
            visitor.visit_none()
        } else {
            visitor.visit_some(self)
        }
    }

    fn deserialize_unit<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        match self.next()? {
            Token::Nil => visitor.visit_unit(),
            other => Err(DecodeError::mismatch("null", other.describe())),
        }
    }

    fn deserialize_unit_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        visitor: V,
    ) -> Result<V::Value, DecodeError> {
        self.deserialize_unit(visitor)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        visitor: V,
    ) -> Result<V::Value, DecodeError> {
        if name != EXTENSION {
            return visitor.visit_newtype_struct(self);
        }
        match self.next()? {
            Token::Timestamp(data) => visitor.visit_newtype_struct(ExtensionAccess::new(data)),
            other => Err(DecodeError::mismatch("timestamp", other.describe())),
        }
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        match self.next()? {
            Token::List(length) => self.list(length, visitor),
            other => Err(DecodeError::mismatch("list", other.describe())),
        }
    }

    fn deserialize_tuple<V: Visitor<'de>>(
        self,
        length: usize,
        visitor: V,
    ) -> Result<V::Value, DecodeError> {
        self.tuple(length, visitor)
    }

    fn deserialize_tuple_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        length: usize,
        visitor: V,
    ) -> Result<V::Value, DecodeError> {
        self.tuple(length, visitor)
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        match self.next()? {
            Token::Map(length) => self.map(length, Strictness::Distinct, visitor),
            other => Err(DecodeError::mismatch("map", other.describe())),
        }
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        _fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, DecodeError> {
        self.fields(schema_name(name), visitor)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        name: &'static str,
        _variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, DecodeError> {
        match self.next()? {
            Token::Str(text) => visitor.visit_enum(Variant::bare(utf8(text, name)?)),
            Token::Map(1) => self.nested(2, |decoder| {
                let variant = decoder.str("a string as name of a variant")?;
                visitor.visit_enum(Variant::with_payload(variant, decoder))
            }),
            Token::Map(entries) => Err(DecodeError::mismatch(
                name,
                format!("a map of {entries} entries, not of one"),
            )),
            other => Err(DecodeError::mismatch(name, other.describe())),
        }
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        Scanner::within(self.nesting_left).value(&mut self.rest, 0)?;
        visitor.visit_unit()
    }

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        match self.next()? {
            Token::Nil => visitor.visit_unit(),
            Token::Bool(b) => visitor.visit_bool(b),
            Token::Uint(n) => visitor.visit_u64(n),
            Token::Int(n) => visitor.visit_i64(n),
            Token::F32(n) => visitor.visit_f32(n),
            Token::F64(n) => visitor.visit_f64(n),
            Token::Str(text) => visitor.visit_borrowed_str(utf8(text, "string")?),
            Token::Bin(bytes) => visitor.visit_borrowed_bytes(bytes),
            Token::List(length) => self.list(length, visitor),
            Token::Map(length) => self.map(length, Strictness::Distinct, visitor),
            Token::Timestamp(data) => visitor.visit_newtype_struct(ExtensionAccess::new(data)),
        }
    }

    fn is_human_readable(&self) -> bool {
        false
    }
}

/// Gives a name that was read to a seed that wants one.
fn name_into<'de, S: DeserializeSeed<'de>>(
    seed: S,
    name: &'de str,
) -> Result<S::Value, DecodeError> {
    seed.deserialize(BorrowedStrDeserializer::new(name))
}
