//! One variant of an enum: a string, or a map of one entry from its name to its payload.

use serde::de::value::MapDeserializer;
use serde::de::{DeserializeSeed, EnumAccess, IgnoredAny, VariantAccess, Visitor};

use super::access::Strictness;
use super::{Decoder, name_into};
use crate::msgpack::DecodeError;
use crate::msgpack::token::Token;

pub(super) struct Variant<'a, 'de> {
    name: &'de str,
    /// `None`: it came as a string.
    payload: Option<&'a mut Decoder<'de>>,
}

impl<'a, 'de> Variant<'a, 'de> {
    pub(super) fn bare(name: &'de str) -> Self {
        Self {
            name,
            payload: None,
        }
    }

    pub(super) fn with_payload(name: &'de str, decoder: &'a mut Decoder<'de>) -> Self {
        Self {
            name,
            payload: Some(decoder),
        }
    }

    /// The payload for a variant that must have one.
    fn payload(&mut self) -> Result<&mut Decoder<'de>, DecodeError> {
        let name = self.name;
        match &mut self.payload {
            Some(decoder) => Ok(decoder),
            None => Err(DecodeError::mismatch(
                format!("variant `{name}` as a map, with its content"),
                "its name alone",
            )),
        }
    }
}

impl<'de> EnumAccess<'de> for Variant<'_, 'de> {
    type Error = DecodeError;
    type Variant = Self;

    fn variant_seed<S: DeserializeSeed<'de>>(
        self,
        seed: S,
    ) -> Result<(S::Value, Self), DecodeError> {
        Ok((name_into(seed, self.name)?, self))
    }
}

impl<'de> VariantAccess<'de> for Variant<'_, 'de> {
    type Error = DecodeError;

    fn unit_variant(self) -> Result<(), DecodeError> {
        let Some(decoder) = self.payload else {
            return Ok(());
        };
        // A newer sender may know optional fields of this variant; like all unknown fields they are
        // ignored.
        let result = match decoder.next() {
            Ok(Token::Map(length)) => decoder
                .map(length, Strictness::Fields, IgnoredAny)
                .map(|_| ()),
            Ok(other) => Err(DecodeError::mismatch(
                "fields, or the name alone",
                other.describe(),
            )),
            Err(error) => Err(error),
        };
        result.map_err(|e| e.in_field(self.name.as_bytes()))
    }

    fn newtype_variant_seed<S: DeserializeSeed<'de>>(
        mut self,
        seed: S,
    ) -> Result<S::Value, DecodeError> {
        let name = self.name;
        seed.deserialize(self.payload()?)
            .map_err(|e| e.in_field(name.as_bytes()))
    }

    fn tuple_variant<V: Visitor<'de>>(
        mut self,
        length: usize,
        visitor: V,
    ) -> Result<V::Value, DecodeError> {
        let name = self.name;
        self.payload()?
            .tuple(length, visitor)
            .map_err(|e| e.in_field(name.as_bytes()))
    }

    fn struct_variant<V: Visitor<'de>>(
        self,
        _fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, DecodeError> {
        let result = match self.payload {
            Some(decoder) => decoder.fields("the fields of the variant", visitor),
            // The name alone says that every field is absent.
            None => visitor.visit_map(MapDeserializer::new(std::iter::empty::<(&str, ())>())),
        };
        result.map_err(|e| e.in_field(self.name.as_bytes()))
    }
}
