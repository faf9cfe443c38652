//! How generated structs, and the fields of generated variants, are read and written.
//!
//! A record travels as a map by field name, never as an array and never by index. Generated code says
//! only which fields there are; the loop over the map, the search for names and what is refused
//! are here, so that a schema of hundreds of types stays quick to compile.

use std::fmt;
use std::marker::PhantomData;

use kaa_rpc_proto::msgpack::{FIELD_NAME, NOT_UTF8};
use serde::de::{self, Deserialize, Deserializer, Error as _, IgnoredAny, MapAccess, Unexpected};
use serde::ser::{Serialize, SerializeStruct, Serializer};

/// A type that travels as a map by field name.
pub trait Record<'de>: Sized {
    /// The type's name in the schema, for errors.
    const NAME: &'static str;
    /// The names of its fields, in the order in which they are written.
    const FIELDS: &'static [&'static str];

    /// Reads the fields, in whatever order they come.
    fn read<A: MapAccess<'de>>(fields: Fields<A>) -> Result<Self, A::Error>;
}

/// Reads a [`Record`]: the whole body of its `Deserialize`.
pub fn read_record<'de, T: Record<'de>, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<T, D::Error> {
    deserializer.deserialize_struct(T::NAME, T::FIELDS, RecordVisitor(PhantomData))
}

struct RecordVisitor<T>(PhantomData<T>);

impl<'de, T: Record<'de>> de::Visitor<'de> for RecordVisitor<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a map of the fields of {}", T::NAME)
    }

    // No `visit_seq`: what is not a map is refused by serde's own words for `expecting`.
    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<T, A::Error> {
        T::read(Fields::new(map))
    }
}

/// The fields of a record while they are read.
#[derive(Debug)]
pub struct Fields<A> {
    map: A,
    /// The name of the field whose value comes next.
    current: &'static str,
    /// Index of the field that comes next if the other end writes them in our order.
    expected: usize,
}

impl<'de, A: MapAccess<'de>> Fields<A> {
    pub(super) const fn new(map: A) -> Self {
        Self {
            map,
            current: "",
            expected: 0,
        }
    }

    /// The index in `names` of the next field; `names.len()` for one that is not among them, whose
    /// value must be [skipped](Self::skip); `None` after the last.
    pub fn next(&mut self, names: &'static [&'static str]) -> Result<Option<usize>, A::Error> {
        let key = Key {
            names,
            expected: self.expected,
        };
        let Some(index) = self.map.next_key_seed(key)? else {
            return Ok(None);
        };
        if let Some(name) = names.get(index) {
            self.current = name;
            self.expected = index + 1;
        } // else a newer schema's field came in between: what was expected still comes
        Ok(Some(index))
    }

    /// Reads the value of the field that [`next`](Self::next) named into `slot`, which must be empty.
    pub fn read<T: Deserialize<'de>>(&mut self, slot: &mut Option<T>) -> Result<(), A::Error> {
        if slot.is_some() {
            return Err(A::Error::duplicate_field(self.current));
        }
        *slot = Some(self.map.next_value()?);
        Ok(())
    }

    /// Passes over the value of a field that this schema does not know.
    pub fn skip(&mut self) -> Result<(), A::Error> {
        self.map.next_value::<IgnoredAny>().map(drop)
    }

    /// Passes over all fields: what has none in this schema may have got some in another.
    pub fn skip_all(&mut self) -> Result<(), A::Error> {
        while self.next(&[])?.is_some() {
            self.skip()?;
        }
        Ok(())
    }

    /// What was read of the field `name`, which may not be absent.
    pub fn required<T>(&self, name: &'static str, slot: Option<T>) -> Result<T, A::Error> {
        slot.ok_or_else(|| A::Error::missing_field(name))
    }
}

/// Finds a field's name among `names`; the expected one first, so that fields in order cost one
/// comparison each.
pub(super) struct Key {
    pub(super) names: &'static [&'static str],
    pub(super) expected: usize,
}

impl<'de> de::DeserializeSeed<'de> for Key {
    type Value = usize;

    #[inline]
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<usize, D::Error> {
        // Not `deserialize_identifier`, which lets some formats give an index.
        deserializer.deserialize_newtype_struct(FIELD_NAME, self)
    }
}

impl<'de> de::Visitor<'de> for Key {
    type Value = usize;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the name of a field, as a string")
    }

    fn visit_newtype_struct<D: Deserializer<'de>>(self, other: D) -> Result<usize, D::Error> {
        other.deserialize_str(OtherKey(self))
    }

    #[inline]
    fn visit_bytes<E: de::Error>(self, name: &[u8]) -> Result<usize, E> {
        self.find(name)
    }

    fn visit_str<E: de::Error>(self, name: &str) -> Result<usize, E> {
        self.find(name.as_bytes())
    }
}

impl Key {
    /// A name that is known is UTF-8. To see that first took some 75 instructions for each.
    #[inline]
    fn find<E: de::Error>(self, name: &[u8]) -> Result<usize, E> {
        let expected = self.names.get(self.expected);
        if expected.is_some_and(|expected| same(expected.as_bytes(), name)) {
            return Ok(self.expected);
        }
        self.search(name)
    }

    /// Not inlined, as fields mostly come in order.
    #[inline(never)]
    fn search<E: de::Error>(self, name: &[u8]) -> Result<usize, E> {
        let mut names = self.names.iter();
        match names.position(|known| known.as_bytes() == name) {
            Some(index) => Ok(index),
            None if std::str::from_utf8(name).is_ok() => Ok(self.names.len()),
            None => Err(E::invalid_value(Unexpected::Other(NOT_UTF8), &"string")),
        }
    }
}

/// Whether two names are equal. To compare both ends of short ones takes a third of the instructions of a call to compare
/// any bytes.
#[inline]
fn same(one: &[u8], other: &[u8]) -> bool {
    if one.len() != other.len() {
        return false;
    }
    match one.len() {
        2..=4 => same_ends::<2>(one, other),
        5..=8 => same_ends::<4>(one, other),
        9..=16 => same_ends::<8>(one, other),
        _ => one == other,
    }
}

#[inline]
fn same_ends<const N: usize>(one: &[u8], other: &[u8]) -> bool {
    one.first_chunk::<N>() == other.first_chunk::<N>()
        && one.last_chunk::<N>() == other.last_chunk::<N>()
}

/// The same in other formats, some of which would give bytes that are no string.
struct OtherKey(Key);

impl de::Visitor<'_> for OtherKey {
    type Value = usize;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.expecting(f)
    }

    fn visit_str<E: de::Error>(self, name: &str) -> Result<usize, E> {
        self.0.find(name.as_bytes())
    }
}

/// Begins to write a record of `count` fields, absent ones not counted.
pub fn write_record<S: Serializer>(
    serializer: S,
    name: &'static str,
    count: usize,
) -> Result<RecordWriter<S::SerializeStruct>, S::Error> {
    serializer.serialize_struct(name, count).map(RecordWriter)
}

/// Writes the fields of a record.
#[derive(Debug)]
pub struct RecordWriter<W>(W);

impl<W: SerializeStruct> RecordWriter<W> {
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

    /// Ends the record.
    pub fn end(self) -> Result<W::Ok, W::Error> {
        self.0.end()
    }
}

#[cfg(test)]
mod tests;
