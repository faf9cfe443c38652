//! Values whose type is known only at run time: `any` in a schema.

mod convert;
mod formats;
mod integer;
mod print;

use std::hash::{Hash, Hasher};

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::{Bytes, DecodeError, EncodeError, Timestamp, from_slice, to_vec};

pub use integer::Integer;

/// Any value that can travel.
///
/// Decoding and encoding again gives a value the same type: an f32 stays an f32. Two values are
/// equal if they are of the same type and content; floats compare by their bits (so a NaN equals
/// itself, and 0.0 is not −0.0), and maps with their order.
///
/// Its `Display` and `Debug` are for people, and cut what is long.
///
/// ```
/// use kaa_rpc_proto::msgpack::Value;
///
/// let value = Value::from(vec![1, 2]);
/// assert_eq!(value.to_string(), "[1, 2]");
/// assert_eq!(value.to_typed::<Vec<u8>>().unwrap(), [1, 2]);
/// ```
#[derive(Clone, Default)]
pub enum Value {
    /// Nothing.
    #[default]
    Null,
    /// True or false.
    Bool(bool),
    /// An integer of up to 64 bits, with or without sign.
    Integer(Integer),
    /// A float of 32 bits.
    F32(f32),
    /// A float of 64 bits.
    F64(f64),
    /// Text.
    String(String),
    /// Bytes.
    Bytes(Bytes),
    /// Values in order.
    List(Vec<Value>),
    /// Keys with their values, in the order in which they came. Each key should be there once:
    /// receivers refuse another.
    Map(Vec<(Value, Value)>),
    /// A point in time.
    Timestamp(Timestamp),
}

impl Value {
    /// What `value` becomes when it travels.
    ///
    /// # Errors
    ///
    /// As [`encode`](super::encode()). A value that encodes but cannot be decoded (its map has a key
    /// twice) is an error too.
    pub fn from_serialize<T: Serialize + ?Sized>(value: &T) -> Result<Self, EncodeError> {
        let bytes = to_vec(value)?;
        from_slice(&bytes).map_err(|error| EncodeError::Custom(error.to_string()))
    }

    /// The value as a `T`, as if it had travelled.
    ///
    /// # Errors
    ///
    /// When it has no form that `T` accepts.
    pub fn to_typed<T: DeserializeOwned>(&self) -> Result<T, DecodeError> {
        let bytes = to_vec(self).map_err(<DecodeError as serde::de::Error>::custom)?;
        from_slice(&bytes)
    }

    /// Whether it is [`Value::Null`].
    #[must_use]
    pub fn is_null(&self) -> bool {
        matches!(self, Self::Null)
    }

    /// The bool that it is.
    #[must_use]
    pub fn as_bool(&self) -> Option<bool> {
        if let Self::Bool(value) = self {
            Some(*value)
        } else {
            None
        }
    }

    /// The integer that it is.
    #[must_use]
    pub fn as_integer(&self) -> Option<Integer> {
        if let Self::Integer(value) = self {
            Some(*value)
        } else {
            None
        }
    }

    /// The integer that it is, if it fits.
    #[must_use]
    pub fn as_i64(&self) -> Option<i64> {
        self.as_integer().and_then(Integer::as_i64)
    }

    /// The integer that it is, if it fits.
    #[must_use]
    pub fn as_u64(&self) -> Option<u64> {
        self.as_integer().and_then(Integer::as_u64)
    }

    /// The float that it is, of either size.
    #[must_use]
    pub fn as_f64(&self) -> Option<f64> {
        match self {
            Self::F32(value) => Some((*value).into()),
            Self::F64(value) => Some(*value),
            _ => None,
        }
    }

    /// The text that it is.
    #[must_use]
    pub fn as_str(&self) -> Option<&str> {
        if let Self::String(value) = self {
            Some(value)
        } else {
            None
        }
    }

    /// The bytes that it is.
    #[must_use]
    pub fn as_bytes(&self) -> Option<&[u8]> {
        if let Self::Bytes(value) = self {
            Some(value)
        } else {
            None
        }
    }

    /// The items of the list that it is.
    #[must_use]
    pub fn as_list(&self) -> Option<&[Self]> {
        if let Self::List(items) = self {
            Some(items)
        } else {
            None
        }
    }

    /// The entries of the map that it is.
    #[must_use]
    pub fn as_map(&self) -> Option<&[(Self, Self)]> {
        if let Self::Map(entries) = self {
            Some(entries)
        } else {
            None
        }
    }

    /// The point in time that it is.
    #[must_use]
    pub fn as_timestamp(&self) -> Option<Timestamp> {
        if let Self::Timestamp(value) = self {
            Some(*value)
        } else {
            None
        }
    }

    /// The value that the string `key` has in the map that it is.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&Self> {
        self.as_map()?
            .iter()
            .find(|(k, _)| k.as_str() == Some(key))
            .map(|(_, value)| value)
    }
}

impl PartialEq for Value {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Null, Self::Null) => true,
            (Self::Bool(a), Self::Bool(b)) => a == b,
            (Self::Integer(a), Self::Integer(b)) => a == b,
            (Self::F32(a), Self::F32(b)) => a.to_bits() == b.to_bits(),
            (Self::F64(a), Self::F64(b)) => a.to_bits() == b.to_bits(),
            (Self::String(a), Self::String(b)) => a == b,
            (Self::Bytes(a), Self::Bytes(b)) => a == b,
            (Self::List(a), Self::List(b)) => a == b,
            (Self::Map(a), Self::Map(b)) => a == b,
            (Self::Timestamp(a), Self::Timestamp(b)) => a == b,
            _ => false,
        }
    }
}

impl Eq for Value {}

impl Hash for Value {
    fn hash<H: Hasher>(&self, state: &mut H) {
        std::mem::discriminant(self).hash(state);
        match self {
            Self::Null => {}
            Self::Bool(value) => value.hash(state),
            Self::Integer(value) => value.hash(state),
            Self::F32(value) => value.to_bits().hash(state),
            Self::F64(value) => value.to_bits().hash(state),
            Self::String(value) => value.hash(state),
            Self::Bytes(value) => value.hash(state),
            Self::List(items) => items.hash(state),
            Self::Map(entries) => entries.hash(state),
            Self::Timestamp(value) => value.hash(state),
        }
    }
}
