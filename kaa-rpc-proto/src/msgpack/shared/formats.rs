//! Shared bytes through MessagePack and through other formats.

use std::fmt;

use serde::de::{self, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::{Bytes, Owner, owned};
use crate::LARGE_PAYLOAD;

/// Bytes for which room is made before they have come: a format could claim any number.
const MAX_ROOM: usize = 64 << 10;

impl Serialize for Bytes {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serialize(&self.0, serializer)
    }
}

pub(super) fn serialize<S: Serializer>(
    bytes: &bytes::Bytes,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    if bytes.len() < LARGE_PAYLOAD {
        return serializer.serialize_bytes(bytes);
    }
    let owner = Owner::new(bytes.clone(), bytes.len());
    owner.lend(|| serializer.serialize_bytes(bytes))
}

impl<'de> Deserialize<'de> for Bytes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_byte_buf(BytesVisitor)
    }
}

struct BytesVisitor;

impl<'de> Visitor<'de> for BytesVisitor {
    type Value = Bytes;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("bytes")
    }

    fn visit_bytes<E: de::Error>(self, bytes: &[u8]) -> Result<Bytes, E> {
        let owned = (bytes.len() >= LARGE_PAYLOAD)
            .then(|| owned(bytes))
            .flatten();
        Ok(owned.map_or_else(|| Bytes::copy_from_slice(bytes), Bytes))
    }

    fn visit_byte_buf<E: de::Error>(self, bytes: Vec<u8>) -> Result<Bytes, E> {
        Ok(bytes.into())
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Bytes, E> {
        Ok(Bytes::copy_from_slice(text.as_bytes()))
    }

    fn visit_string<E: de::Error>(self, text: String) -> Result<Bytes, E> {
        Ok(text.into())
    }

    /// Of a format that has no bytes, such as JSON.
    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Bytes, A::Error> {
        let mut bytes = Vec::with_capacity(items.size_hint().unwrap_or(0).min(MAX_ROOM));
        while let Some(byte) = items.next_element()? {
            bytes.push(byte);
        }
        Ok(bytes.into())
    }
}
