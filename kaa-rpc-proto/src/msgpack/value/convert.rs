//! Rust values that are values.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

use super::{Bytes, Integer, Timestamp, Value};

macro_rules! from {
    ($($type:ty: $value:ident => $result:expr;)*) => {$(
        impl From<$type> for Value {
            fn from($value: $type) -> Self {
                $result
            }
        }
    )*};
}

from! {
    (): _nothing => Self::Null;
    bool: value => Self::Bool(value);
    Integer: value => Self::Integer(value);
    i8: value => Self::Integer(value.into());
    i16: value => Self::Integer(value.into());
    i32: value => Self::Integer(value.into());
    i64: value => Self::Integer(value.into());
    u8: value => Self::Integer(value.into());
    u16: value => Self::Integer(value.into());
    u32: value => Self::Integer(value.into());
    u64: value => Self::Integer(value.into());
    f32: value => Self::F32(value);
    f64: value => Self::F64(value);
    &str: value => Self::String(value.to_owned());
    String: value => Self::String(value);
    Bytes: value => Self::Bytes(value);
    Timestamp: value => Self::Timestamp(value);
    SystemTime: value => Self::Timestamp(value.into());
    Duration: value => Self::Map(vec![
        ("secs".into(), value.as_secs().into()),
        ("nanos".into(), value.subsec_nanos().into()),
    ]);
}

impl<T: Into<Value>> From<Option<T>> for Value {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Null, Into::into)
    }
}

impl<T: Into<Value>> From<Vec<T>> for Value {
    /// A list, also of a `Vec<u8>`: bytes are [`Bytes`].
    fn from(items: Vec<T>) -> Self {
        items.into_iter().collect()
    }
}

impl<T: Into<Value>, const N: usize> From<[T; N]> for Value {
    fn from(items: [T; N]) -> Self {
        items.into_iter().collect()
    }
}

impl<K: Into<Value>, V: Into<Value>> From<BTreeMap<K, V>> for Value {
    fn from(entries: BTreeMap<K, V>) -> Self {
        Self::Map(
            entries
                .into_iter()
                .map(|(key, value)| (key.into(), value.into()))
                .collect(),
        )
    }
}

impl<T: Into<Value>> FromIterator<T> for Value {
    /// A list.
    fn from_iter<I: IntoIterator<Item = T>>(items: I) -> Self {
        Self::List(items.into_iter().map(Into::into).collect())
    }
}
