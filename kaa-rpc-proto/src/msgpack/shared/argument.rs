//! Bytes as callers give them.

use serde::{Serialize, Serializer};

use super::{Bytes, serialize};

/// Bytes that a call borrows: of a vector, an array, a slice; or [`Bytes`], of which large ones are not copied.
///
/// ```
/// use kaa_rpc_proto::msgpack::{Bytes, BytesArgument, to_vec};
///
/// fn encode<'a>(bytes: impl Into<BytesArgument<'a>>) -> Vec<u8> {
///     to_vec(&bytes.into()).unwrap()
/// }
///
/// assert_eq!(encode(b"ab"), encode(&Bytes::from(b"ab")));
/// assert_eq!(encode(&vec![b'a', b'b']), encode("ab".as_bytes()));
/// ```
#[derive(Clone, Copy, Debug)]
pub struct BytesArgument<'a>(Given<'a>);

#[derive(Clone, Copy, Debug)]
enum Given<'a> {
    Slice(&'a [u8]),
    Shared(&'a bytes::Bytes),
}

macro_rules! from {
    ($(($($generics:tt)*) $type:ty;)*) => {$(
        impl<'a, $($generics)*> From<&'a $type> for BytesArgument<'a> {
            fn from(bytes: &'a $type) -> Self {
                Self(Given::Slice(bytes))
            }
        }
    )*};
}

from! {
    () [u8];
    () Vec<u8>;
    () Box<[u8]>;
    (const N: usize) [u8; N];
}

impl<'a> From<&'a Bytes> for BytesArgument<'a> {
    fn from(bytes: &'a Bytes) -> Self {
        Self(Given::Shared(&bytes.0))
    }
}

impl<'a> From<&'a bytes::Bytes> for BytesArgument<'a> {
    fn from(bytes: &'a bytes::Bytes) -> Self {
        Self(Given::Shared(bytes))
    }
}

impl Serialize for BytesArgument<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            Given::Slice(bytes) => serializer.serialize_bytes(bytes),
            Given::Shared(bytes) => serialize(bytes, serializer),
        }
    }
}
