//! Which tokens each type accepts.

use serde::de::Visitor;

use super::access::Strictness;
use super::variant::Variant;
use super::{Decoder, FIELD_NAME, Wide, schema_name, utf8};
use crate::msgpack::DecodeError;
use crate::msgpack::error::NOT_UTF8;
use crate::msgpack::scan::Scanner;
use crate::msgpack::timestamp::{EXTENSION, ExtensionAccess};
use crate::msgpack::token::{self, Token};

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
                // Rounded to the nearest: scripts know one kind of float, and 0.1 is not exact in f64
                // either. What is out of range must not become infinite.
                let float = n as f32;
                if float.is_finite() || !n.is_finite() {
                    return visitor.visit_f32(float);
                }
                return Err(DecodeError::mismatch("f32", "a float out of its range"));
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

    #[inline]
    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        match token::next_if_bool(&mut self.rest) {
            Some(b) => visitor.visit_bool(b),
            None => Err(DecodeError::mismatch("bool", self.next()?.describe())),
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

    /// Copied before it is looked at, as it is to be owned anyway: where a string of some dozens of bytes begins at a
    /// multiple of eight, to see that it is UTF-8 takes a quarter of the instructions.
    #[inline]
    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        match String::from_utf8(self.text("string")?.to_vec()) {
            Ok(text) => visitor.visit_string(text),
            Err(_) => Err(DecodeError::mismatch("string", NOT_UTF8)),
        }
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

    #[inline]
    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        visitor: V,
    ) -> Result<V::Value, DecodeError> {
        if name == FIELD_NAME {
            return visitor.visit_borrowed_bytes(self.text("string")?);
        }
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
