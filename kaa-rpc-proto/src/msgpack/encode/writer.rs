//! The serializer.

use std::fmt::{self, Write as _};

use serde::{Serialize, Serializer, ser};

use super::encoded::Shared;
use super::{Container, EncodeError, patch_head};
use crate::LARGE_PAYLOAD;
use crate::msgpack::MAX_NESTING;
use crate::msgpack::scan::{ScanLimits, scan};
use crate::msgpack::shape::Shape;
use crate::msgpack::shared::owned;
use crate::msgpack::timestamp::EXTENSION;

/// Writes one value after the other.
pub(super) struct Writer<'a> {
    inner: rmp_serde::Serializer<&'a mut Vec<u8>>,
    /// Where large bytes go that need not be copied.
    shared: Option<&'a mut Shared>,
    /// How many more lists and maps may be opened inside each other.
    nesting_left: u32,
    /// The smallest value that it had.
    deepest: u32,
    /// Of all lists and maps that were closed, and of variants: their keys and values. Scalars need
    /// not count themselves.
    contents: u64,
}

impl<'a> Writer<'a> {
    pub(super) fn new(out: &'a mut Vec<u8>) -> Self {
        Self::with(out, None)
    }

    /// One that does not copy large bytes that can be shared.
    pub(super) fn sharing(out: &'a mut Vec<u8>, shared: &'a mut Shared) -> Self {
        Self::with(out, Some(shared))
    }

    fn with(out: &'a mut Vec<u8>, shared: Option<&'a mut Shared>) -> Self {
        Self {
            inner: rmp_serde::Serializer::new(out),
            shared,
            nesting_left: MAX_NESTING,
            deepest: MAX_NESTING,
            contents: 0,
        }
    }

    /// Of the one value that was written.
    pub(super) fn shape(&self) -> Shape {
        Shape {
            items: 1 + self.contents,
            nesting: MAX_NESTING - self.deepest,
        }
    }

    fn out(&mut self) -> &mut Vec<u8> {
        self.inner.get_mut()
    }

    /// Shares bytes instead of copying them, if their owner is known. Not inlined, for the sake of small ones.
    #[cold]
    fn share(&mut self, value: &[u8]) -> bool {
        let (Some(shared), Ok(length)) = (&mut self.shared, u32::try_from(value.len())) else {
            return false;
        };
        let Some(bytes) = owned(value) else {
            return false;
        };
        let out = self.inner.get_mut();
        // To a vector, everything can be written.
        _ = rmp::encode::write_bin_len(out, length);
        shared.push(out.len(), bytes);
        true
    }

    fn open(&mut self, levels: u32) -> Result<(), EncodeError> {
        self.nesting_left = self
            .nesting_left
            .checked_sub(levels)
            .ok_or(EncodeError::TooDeep)?;
        self.deepest = self.deepest.min(self.nesting_left);
        Ok(())
    }

    /// Writes the head of a list or map. `levels`: how many containers it closes at its end.
    fn begin<'w>(
        &'w mut self,
        container: Container,
        length: Option<usize>,
        levels: u32,
    ) -> Result<Contents<'w, 'a>, EncodeError> {
        self.open(1)?;
        let at = self.out().len();
        let length = match length {
            Some(length) => Some(u32::try_from(length).map_err(|_| EncodeError::TooLong)?),
            None => None,
        };
        match (length, container) {
            (None, _) => self.out().push(container.empty()),
            (Some(length), Container::Map) => {
                _ = self.inner.serialize_map(Some(length as usize))?;
            }
            (Some(length), _) => _ = self.inner.serialize_seq(Some(length as usize))?,
        }
        Ok(Contents {
            writer: self,
            container,
            at,
            length,
            keys: 0,
            values: 0,
            levels,
        })
    }

    /// Says how many items there are in a container that did not know.
    #[inline(never)]
    fn patch(&mut self, at: usize, container: Container, items: usize) -> Result<(), EncodeError> {
        let grown = patch_head(self.out(), at, container, items)?;
        if let Some(shared) = &mut self.shared {
            shared.shift(at, grown);
        }
        Ok(())
    }

    /// Writes the head of a map of one entry and its key.
    fn variant(&mut self, name: &str) -> Result<(), EncodeError> {
        self.open(1)?;
        self.contents += 2;
        _ = self.inner.serialize_map(Some(1))?;
        Ok(self.inner.serialize_str(name)?)
    }
}

macro_rules! scalars {
    ($($serialize:ident $type:ty;)*) => {$(
        #[inline]
        fn $serialize(self, value: $type) -> Result<(), EncodeError> {
            Ok(self.inner.$serialize(value)?)
        }
    )*};
}

impl<'w, 'a> Serializer for &'w mut Writer<'a> {
    type Ok = ();
    type Error = EncodeError;
    type SerializeSeq = Contents<'w, 'a>;
    type SerializeTuple = Contents<'w, 'a>;
    type SerializeTupleStruct = Contents<'w, 'a>;
    type SerializeTupleVariant = Contents<'w, 'a>;
    type SerializeMap = Contents<'w, 'a>;
    type SerializeStruct = Contents<'w, 'a>;
    type SerializeStructVariant = Contents<'w, 'a>;

    scalars! {
        serialize_bool bool;
        serialize_i8 i8;
        serialize_i16 i16;
        serialize_i32 i32;
        serialize_i64 i64;
        serialize_u8 u8;
        serialize_u16 u16;
        serialize_u32 u32;
        serialize_u64 u64;
        serialize_f32 f32;
        serialize_f64 f64;
        serialize_char char;
    }

    fn serialize_i128(self, value: i128) -> Result<(), EncodeError> {
        match (i64::try_from(value), u64::try_from(value)) {
            (Ok(value), _) => self.serialize_i64(value),
            (_, Ok(value)) => self.serialize_u64(value),
            _ => self.serialize_bytes(&value.to_be_bytes()),
        }
    }

    fn serialize_u128(self, value: u128) -> Result<(), EncodeError> {
        match u64::try_from(value) {
            Ok(value) => self.serialize_u64(value),
            Err(_) => self.serialize_bytes(&value.to_be_bytes()),
        }
    }

    #[inline]
    fn serialize_str(self, value: &str) -> Result<(), EncodeError> {
        check_length(value.len())?;
        Ok(self.inner.serialize_str(value)?)
    }

    fn serialize_bytes(self, value: &[u8]) -> Result<(), EncodeError> {
        check_length(value.len())?;
        if value.len() >= LARGE_PAYLOAD && self.share(value) {
            return Ok(());
        }
        Ok(self.inner.serialize_bytes(value)?)
    }

    fn collect_str<T: fmt::Display + ?Sized>(self, value: &T) -> Result<(), EncodeError> {
        let at = self.out().len();
        self.out().push(Container::Text.empty());
        write!(Text(self.out()), "{value}")
            .map_err(|_| EncodeError::Custom("a value failed to write itself".to_owned()))?;
        let length = self.out().len() - at - 1;
        patch_head(self.out(), at, Container::Text, length).map(drop)
    }

    #[inline]
    fn serialize_none(self) -> Result<(), EncodeError> {
        self.serialize_unit()
    }

    #[inline]
    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<(), EncodeError> {
        value.serialize(self)
    }

    fn serialize_unit(self) -> Result<(), EncodeError> {
        Ok(self.inner.serialize_unit()?)
    }

    fn serialize_unit_struct(self, _name: &'static str) -> Result<(), EncodeError> {
        self.serialize_unit()
    }

    fn serialize_unit_variant(
        self,
        _name: &'static str,
        _index: u32,
        variant: &'static str,
    ) -> Result<(), EncodeError> {
        self.serialize_str(variant)
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(
        self,
        name: &'static str,
        value: &T,
    ) -> Result<(), EncodeError> {
        if name != EXTENSION {
            return value.serialize(self);
        }
        let at = self.out().len();
        self.inner.serialize_newtype_struct(name, value)?;
        // The other end would refuse any other extension.
        match scan(
            self.out().get(at..).unwrap_or_default(),
            &ScanLimits::default(),
        ) {
            Ok(()) => Ok(()),
            Err(_) => Err(EncodeError::Extension),
        }
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _name: &'static str,
        _index: u32,
        variant: &'static str,
        value: &T,
    ) -> Result<(), EncodeError> {
        self.variant(variant)?;
        value.serialize(&mut *self)?;
        self.nesting_left += 1;
        Ok(())
    }

    fn serialize_seq(self, length: Option<usize>) -> Result<Contents<'w, 'a>, EncodeError> {
        self.begin(Container::List, length, 1)
    }

    fn serialize_tuple(self, length: usize) -> Result<Contents<'w, 'a>, EncodeError> {
        self.begin(Container::List, Some(length), 1)
    }

    fn serialize_tuple_struct(
        self,
        _name: &'static str,
        length: usize,
    ) -> Result<Contents<'w, 'a>, EncodeError> {
        self.begin(Container::List, Some(length), 1)
    }

    fn serialize_tuple_variant(
        self,
        _name: &'static str,
        _index: u32,
        variant: &'static str,
        length: usize,
    ) -> Result<Contents<'w, 'a>, EncodeError> {
        self.variant(variant)?;
        self.begin(Container::List, Some(length), 2)
    }

    fn serialize_map(self, length: Option<usize>) -> Result<Contents<'w, 'a>, EncodeError> {
        self.begin(Container::Map, length, 1)
    }

    fn serialize_struct(
        self,
        _name: &'static str,
        length: usize,
    ) -> Result<Contents<'w, 'a>, EncodeError> {
        self.begin(Container::Map, Some(length), 1)
    }

    fn serialize_struct_variant(
        self,
        _name: &'static str,
        _index: u32,
        variant: &'static str,
        length: usize,
    ) -> Result<Contents<'w, 'a>, EncodeError> {
        self.variant(variant)?;
        self.begin(Container::Map, Some(length), 2)
    }

    fn is_human_readable(&self) -> bool {
        false
    }
}

fn check_length(length: usize) -> Result<(), EncodeError> {
    u32::try_from(length).map_err(|_| EncodeError::TooLong)?;
    Ok(())
}

/// Formats into the buffer.
struct Text<'a>(&'a mut Vec<u8>);

impl fmt::Write for Text<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.0.extend_from_slice(text.as_bytes());
        Ok(())
    }
}

/// An open list or map.
pub(super) struct Contents<'w, 'a> {
    writer: &'w mut Writer<'a>,
    container: Container,
    /// Where its head is.
    at: usize,
    /// What it said; `None`: the head is patched at the end.
    length: Option<u32>,
    keys: usize,
    /// Also the items of a list.
    values: usize,
    /// How many containers end with it: two for a variant with its payload.
    levels: u32,
}

impl Contents<'_, '_> {
    #[inline]
    fn item<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), EncodeError> {
        self.values += 1;
        value.serialize(&mut *self.writer)
    }

    #[inline]
    fn field<T: Serialize + ?Sized>(&mut self, name: &str, value: &T) -> Result<(), EncodeError> {
        self.keys += 1;
        self.writer.serialize_str(name)?;
        self.item(value)
    }

    fn close(self) -> Result<(), EncodeError> {
        self.writer.nesting_left += self.levels;
        self.writer.contents += (self.keys + self.values) as u64;
        if self.container == Container::Map && self.keys != self.values {
            let message = "a map gave another number of keys than of values";
            return Err(EncodeError::Custom(message.to_owned()));
        }
        match self.length {
            None => self.writer.patch(self.at, self.container, self.values),
            Some(said) if said as usize == self.values => Ok(()),
            Some(said) => {
                let gave = u32::try_from(self.values).unwrap_or(u32::MAX);
                Err(EncodeError::Length { said, gave })
            }
        }
    }
}

macro_rules! lists {
    ($($trait:ident $serialize:ident;)*) => {$(
        impl ser::$trait for Contents<'_, '_> {
            type Ok = ();
            type Error = EncodeError;

            #[inline]
            fn $serialize<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), EncodeError> {
                self.item(value)
            }

            fn end(self) -> Result<(), EncodeError> {
                self.close()
            }
        }
    )*};
}

macro_rules! structs {
    ($($trait:ident)*) => {$(
        impl ser::$trait for Contents<'_, '_> {
            type Ok = ();
            type Error = EncodeError;

            #[inline]
            fn serialize_field<T: Serialize + ?Sized>(
                &mut self,
                name: &'static str,
                value: &T,
            ) -> Result<(), EncodeError> {
                self.field(name, value)
            }

            fn end(self) -> Result<(), EncodeError> {
                self.close()
            }
        }
    )*};
}

lists! {
    SerializeSeq serialize_element;
    SerializeTuple serialize_element;
    SerializeTupleStruct serialize_field;
    SerializeTupleVariant serialize_field;
}

structs! { SerializeStruct SerializeStructVariant }

impl ser::SerializeMap for Contents<'_, '_> {
    type Ok = ();
    type Error = EncodeError;

    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<(), EncodeError> {
        self.keys += 1;
        key.serialize(&mut *self.writer)
    }

    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), EncodeError> {
        self.item(value)
    }

    fn end(self) -> Result<(), EncodeError> {
        self.close()
    }
}
