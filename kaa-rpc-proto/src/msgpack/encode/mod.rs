//! Encoding: `rmp-serde` chooses the bytes of scalars and heads; what stands here sees to nesting,
//! to lengths, to containers that do not know theirs, and to large bytes, which are shared.

mod encoded;
mod writer;

use std::fmt;

use serde::{Serialize, Serializer, ser};

use self::writer::Writer;
use super::MAX_NESTING;
use super::error::printable;
use super::shape::Shape;

pub(super) use self::encoded::Shared;
pub use self::encoded::{Encoded, Part};

/// Appends `value` to `out`, as MessagePack.
///
/// Structs become maps by field name, variants go by name, integers take the shortest form. Nothing
/// is allocated besides the growth of `out`, unless by the value's own `Serialize`.
///
/// # Errors
///
/// When `value` nests deeper than [`MAX_NESTING`], when a collection gives another number of items
/// than it said, or when its `Serialize` fails. Then `out` is as it was. If that panics, `out` may
/// end in a part of the value.
pub fn encode<T: Serialize + ?Sized>(out: &mut Vec<u8>, value: &T) -> Result<(), EncodeError> {
    encode_measured(out, value).map(drop)
}

/// [`encode`], and what a receiver that has limits asks of the value.
///
/// # Errors
///
/// As [`encode`].
pub fn encode_measured<T: Serialize + ?Sized>(
    out: &mut Vec<u8>,
    value: &T,
) -> Result<Shape, EncodeError> {
    let start = out.len();
    let mut writer = Writer::new(out);
    let result = value.serialize(&mut writer).map(|()| writer.shape());
    if result.is_err() {
        out.truncate(start);
    }
    result
}

/// The same, but for large bytes, which come into `shared` if they can be. On an error, that is not as it was.
#[inline]
pub(super) fn encode_sharing<T: Serialize + ?Sized>(
    out: &mut Vec<u8>,
    shared: &mut Shared,
    value: &T,
) -> Result<Shape, EncodeError> {
    let start = out.len();
    let mut writer = Writer::sharing(out, shared);
    let result = value.serialize(&mut writer).map(|()| writer.shape());
    if result.is_err() {
        out.truncate(start);
    }
    result
}

/// `value` as MessagePack, in a buffer of its own.
///
/// # Errors
///
/// As [`encode`].
pub fn to_vec<T: Serialize + ?Sized>(value: &T) -> Result<Vec<u8>, EncodeError> {
    let mut out = Vec::new();
    encode(&mut out, value)?;
    Ok(out)
}

/// Encodes a slice as bytes; serde alone would make a list of integers of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct AsBytes<'a>(pub &'a [u8]);

impl Serialize for AsBytes<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(self.0)
    }
}

/// Why a value or the arguments of a call could not be encoded. It is the fault of this side.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum EncodeError {
    /// Lists and maps stand more than [`MAX_NESTING`] deep inside each other.
    TooDeep,
    /// A collection, string or byte string has 2³² items or bytes, or more.
    TooLong,
    /// A collection gave another number of items than it had said.
    Length {
        /// What it said.
        said: u32,
        /// What it gave.
        gave: u32,
    },
    /// An extension of MessagePack that is not a timestamp.
    Extension,
    /// A positional argument after a named one.
    PositionalAfterNamed,
    /// Two arguments with this name.
    NameTwice(String),
    /// The value's own `Serialize` failed, with this message.
    Custom(String),
}

impl fmt::Display for EncodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooDeep => {
                write!(
                    f,
                    "the value has lists and maps more than {MAX_NESTING} deep"
                )
            }
            Self::TooLong => f.write_str("the value has a part of 4 GiB or more"),
            Self::Length { said, gave } => {
                write!(
                    f,
                    "a collection said that it has {said} items and gave {gave}"
                )
            }
            Self::Extension => f.write_str("the value has an extension that is no timestamp"),
            Self::PositionalAfterNamed => f.write_str(
                "a positional argument after a named one: give the positional ones first",
            ),
            Self::NameTwice(name) => write!(f, "argument `{name}` is given twice"),
            Self::Custom(message) => f.write_str(message),
        }
    }
}

impl std::error::Error for EncodeError {}

impl ser::Error for EncodeError {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Self::Custom(message.to_string())
    }
}

impl From<rmp_serde::encode::Error> for EncodeError {
    fn from(error: rmp_serde::encode::Error) -> Self {
        Self::Custom(error.to_string())
    }
}

/// What a head announces.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Container {
    List,
    Map,
    Text,
}

impl Container {
    /// The head of an empty one. It has room for no more than 15 items, 31 bytes of a text.
    pub(super) const fn empty(self) -> u8 {
        match self {
            Self::List => 0x90,
            Self::Map => 0x80,
            Self::Text => 0xa0,
        }
    }
}

/// Puts `count` into the head that stands at `at`, where [`Container::empty`] was written. What
/// follows it is shifted if the head needs more than one byte; gives by how many.
#[inline]
pub(super) fn patch_head(
    out: &mut Vec<u8>,
    at: usize,
    container: Container,
    count: usize,
) -> Result<usize, EncodeError> {
    // The common case, without a shift.
    let room = if container == Container::Text { 31 } else { 15 };
    if let Ok(small) = u8::try_from(count)
        && small <= room
        && let Some(head) = out.get_mut(at)
    {
        *head = container.empty() | small;
        return Ok(0);
    }
    patch_long(out, at, container, count)
}

#[cold]
fn patch_long(
    out: &mut Vec<u8>,
    at: usize,
    container: Container,
    count: usize,
) -> Result<usize, EncodeError> {
    let count = u32::try_from(count).map_err(|_| EncodeError::TooLong)?;
    let mut head = [0; 5];
    let mut rest = head.as_mut_slice();
    // Five bytes are enough for every head.
    _ = match container {
        Container::List => rmp::encode::write_array_len(&mut rest, count),
        Container::Map => rmp::encode::write_map_len(&mut rest, count),
        Container::Text => rmp::encode::write_str_len(&mut rest, count),
    };
    let unused = rest.len();
    let length = head.len() - unused;
    out.splice(at..=at, head.into_iter().take(length));
    Ok(length - 1)
}

/// A name that is given twice, told so.
pub(super) fn name_twice(name: &[u8]) -> EncodeError {
    EncodeError::NameTwice(printable(name, 64))
}
