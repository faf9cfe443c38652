//! How generated enums and errors are read and written.
//!
//! A variant without fields travels as its name, one with fields as a map of one entry from its name
//! to the map of its fields. A variant whose fields may all be absent is accepted in both forms, so
//! that fields can be added to a plain one.

use std::fmt;
use std::marker::PhantomData;

use serde::de::{
    self, DeserializeSeed, Deserializer, Error as _, IgnoredAny, MapAccess, Unexpected,
};
use serde::ser::{Serialize, SerializeStructVariant, Serializer};

use super::record::Fields;
use crate::{Unknown, Value};

/// A type that travels as the name of one of its variants, or as a map from it to its fields.
pub trait Variants<'de>: Sized {
    /// The type's name in the schema, for errors.
    const NAME: &'static str;
    /// The names of its variants.
    const VARIANTS: &'static [&'static str];

    /// The variant of index `variant` with all its fields absent; `None` if one of them is required.
    fn plain(variant: usize) -> Option<Self>;

    /// Reads the fields of the variant of index `variant`. As it stands, for enums of which no variant
    /// has fields.
    fn read<A: MapAccess<'de>>(variant: usize, fields: Fields<A>) -> Result<Self, A::Error> {
        read_plain(variant, fields)
    }

    /// Keeps a variant that the schema does not know. As it stands, for strict enums: gives it back.
    fn unknown(unknown: Unknown) -> Result<Self, Unknown> {
        Err(unknown)
    }
}

/// Reads an enum: the whole body of its `Deserialize`.
pub fn read_variant<'de, T: Variants<'de>, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<T, D::Error> {
    // Not `deserialize_enum`, which lets some formats give an index.
    deserializer.deserialize_any(EnumVisitor(PhantomData))
}

/// Reads a variant that has no fields in this schema, but came as a map.
pub fn read_plain<'de, T: Variants<'de>, A: MapAccess<'de>>(
    variant: usize,
    mut fields: Fields<A>,
) -> Result<T, A::Error> {
    fields.skip_all()?;
    T::plain(variant).ok_or_else(|| fields_wanted::<T, A::Error>(variant))
}

#[cold]
fn fields_wanted<'de, T: Variants<'de>, E: de::Error>(variant: usize) -> E {
    let expected = WithFields(T::VARIANTS.get(variant).copied().unwrap_or_default());
    E::invalid_type(Unexpected::UnitVariant, &expected)
}

/// A variant that cannot be a mere name.
struct WithFields(&'static str);

impl de::Expected for WithFields {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "variant `{}` with its fields", self.0)
    }
}

#[cold]
fn refuse<'de, T: Variants<'de>, E: de::Error>(unknown: &Unknown) -> E {
    E::unknown_variant(unknown.name(), T::VARIANTS)
}

struct EnumVisitor<T>(PhantomData<T>);

impl<'de, T: Variants<'de>> de::Visitor<'de> for EnumVisitor<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "a variant of {}: its name, or a map from its name to its fields",
            T::NAME
        )
    }

    fn visit_str<E: de::Error>(self, name: &str) -> Result<T, E> {
        match T::VARIANTS.iter().position(|known| *known == name) {
            Some(variant) => T::plain(variant).ok_or_else(|| fields_wanted::<T, E>(variant)),
            None => {
                T::unknown(Unknown::new(name.to_owned(), None)).map_err(|it| refuse::<T, E>(&it))
            }
        }
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<T, A::Error> {
        let Some(name) = map.next_key_seed(Name { names: T::VARIANTS })? else {
            return Err(A::Error::invalid_length(0, &ONE_ENTRY));
        };
        let value = match name {
            Found::Known(variant) => map.next_value_seed(Payload::<T> {
                variant,
                marker: PhantomData,
            })?,
            Found::Unknown(name) => {
                let payload = map.next_value::<Value>()?;
                T::unknown(Unknown::new(name, Some(payload)))
                    .map_err(|it| refuse::<T, A::Error>(&it))?
            }
        };
        match map.next_key::<IgnoredAny>()? {
            None => Ok(value),
            Some(_) => Err(A::Error::invalid_length(2, &ONE_ENTRY)),
        }
    }
}

const ONE_ENTRY: &str = "a map of one entry, from a variant's name to its fields";

enum Found {
    Known(usize),
    Unknown(String),
}

/// Reads a variant's name.
struct Name {
    names: &'static [&'static str],
}

impl<'de> DeserializeSeed<'de> for Name {
    type Value = Found;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Found, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl de::Visitor<'_> for Name {
    type Value = Found;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the name of a variant, as a string")
    }

    fn visit_str<E: de::Error>(self, name: &str) -> Result<Found, E> {
        Ok(match self.names.iter().position(|known| *known == name) {
            Some(variant) => Found::Known(variant),
            None => Found::Unknown(name.to_owned()),
        })
    }
}

/// Reads the fields of a variant.
struct Payload<T> {
    variant: usize,
    marker: PhantomData<T>,
}

impl<'de, T: Variants<'de>> DeserializeSeed<'de> for Payload<T> {
    type Value = T;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<T, D::Error> {
        // As a struct: formats leave it to us to see fields that come twice.
        deserializer.deserialize_struct(T::NAME, &[], self)
    }
}

impl<'de, T: Variants<'de>> de::Visitor<'de> for Payload<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a map of the fields of a variant of {}", T::NAME)
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<T, A::Error> {
        T::read(self.variant, Fields::new(map))
    }
}

/// Begins to write a variant of `count` fields, absent ones not counted.
pub fn write_variant<S: Serializer>(
    serializer: S,
    name: &'static str,
    index: u32,
    variant: &'static str,
    count: usize,
) -> Result<VariantWriter<S::SerializeStructVariant>, S::Error> {
    serializer
        .serialize_struct_variant(name, index, variant, count)
        .map(VariantWriter)
}

/// Writes the fields of a variant.
#[derive(Debug)]
pub struct VariantWriter<W>(W);

impl<W: SerializeStructVariant> VariantWriter<W> {
    /// Writes a field.
    pub fn field<T: Serialize + ?Sized>(
        &mut self,
        name: &'static str,
        value: &T,
    ) -> Result<(), W::Error> {
        self.0.serialize_field(name, value)
    }

    /// Writes a field that may be absent: nothing if it is.
    pub fn optional<T: Serialize>(
        &mut self,
        name: &'static str,
        value: &Option<T>,
    ) -> Result<(), W::Error> {
        match value {
            Some(value) => self.0.serialize_field(name, value),
            None => self.0.skip_field(name),
        }
    }

    /// Ends the variant.
    pub fn end(self) -> Result<W::Ok, W::Error> {
        self.0.end()
    }
}

#[cfg(test)]
mod tests;
