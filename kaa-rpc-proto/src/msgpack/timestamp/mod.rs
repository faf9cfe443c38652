//! Points in time: MessagePack's extension −1.

mod rfc3339;

use std::fmt;
use std::str::FromStr;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::de::value::{BorrowedBytesDeserializer, I8Deserializer};
use serde::de::{DeserializeSeed, Error as _, SeqAccess, Unexpected, Visitor};
use serde::ser::SerializeTuple;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::DecodeError;
use super::encode::AsBytes;
use super::token::TIMESTAMP;

pub use rfc3339::ParseTimestampError;

/// The name of the newtype struct by which `rmp-serde` knows an extension.
pub(super) const EXTENSION: &str = rmp_serde::MSGPACK_EXT_STRUCT_NAME;

const NANOS_PER_SEC: u32 = 1_000_000_000;

/// A point in time, to the nanosecond, in UTC without leap seconds.
///
/// Its text is that of RFC 3339, which is also its form in human-readable formats such as JSON.
///
/// ```
/// use kaa_rpc_proto::msgpack::Timestamp;
///
/// let time: Timestamp = "2026-11-22T15:04:05.5+01:00".parse().unwrap();
/// assert_eq!(time.nanos(), 500_000_000);
/// assert_eq!(time.to_string(), "2026-11-22T14:04:05.5Z");
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp {
    secs: i64,
    nanos: u32,
}

impl Timestamp {
    /// 1970-01-01T00:00:00Z.
    pub const UNIX_EPOCH: Self = Self { secs: 0, nanos: 0 };

    /// The time `secs` seconds and `nanos` nanoseconds after 1970-01-01T00:00:00Z; `None` if
    /// `nanos` is a whole second or more. Before 1970 `secs` is negative, `nanos` still counts
    /// forward.
    #[must_use]
    pub const fn new(secs: i64, nanos: u32) -> Option<Self> {
        if nanos < NANOS_PER_SEC {
            Some(Self { secs, nanos })
        } else {
            None
        }
    }

    /// Whole seconds since 1970-01-01T00:00:00Z, rounded down.
    #[must_use]
    pub const fn secs(self) -> i64 {
        self.secs
    }

    /// Nanoseconds since that second, below 10⁹.
    #[must_use]
    pub const fn nanos(self) -> u32 {
        self.nanos
    }

    /// What the system's clock says. The protocol itself never asks it.
    #[must_use]
    pub fn now() -> Self {
        SystemTime::now().into()
    }

    /// Reads the pair inside an extension, of its type and its data.
    pub(super) fn from_pair<'de, D: Deserializer<'de>>(pair: D) -> Result<Self, D::Error> {
        pair.deserialize_tuple(2, TimestampVisitor)
    }

    /// Reads the data of the extension: 4 bytes of seconds, or 8 with 30 bits of nanoseconds and 34
    /// of seconds, or 12 with 32 and 64. Any of them may hold what a shorter one could.
    pub(super) fn from_extension(data: &[u8]) -> Option<Self> {
        if let Ok(secs) = data.try_into().map(u32::from_be_bytes) {
            return Self::new(secs.into(), 0);
        }
        if let Ok(both) = data.try_into().map(u64::from_be_bytes) {
            return Self::new(
                (both & 0x3_ffff_ffff).cast_signed(),
                u32::try_from(both >> 34).ok()?,
            );
        }
        let (nanos, secs) = data.split_first_chunk()?;
        let secs = i64::from_be_bytes(secs.try_into().ok()?);
        Self::new(secs, u32::from_be_bytes(*nanos))
    }

    /// The shortest data of the extension, in the front of the array, and its length.
    fn to_extension(self) -> ([u8; 12], usize) {
        let mut data = [0; 12];
        let length = match u64::try_from(self.secs) {
            Ok(secs) if secs >> 34 == 0 => {
                let both = u64::from(self.nanos) << 34 | secs;
                match u32::try_from(both) {
                    Ok(secs) => fill(&mut data, &secs.to_be_bytes()),
                    Err(_) => fill(&mut data, &both.to_be_bytes()),
                }
            }
            _ => {
                fill(&mut data, &self.nanos.to_be_bytes());
                for (to, from) in data.iter_mut().skip(4).zip(self.secs.to_be_bytes()) {
                    *to = from;
                }
                data.len()
            }
        };
        (data, length)
    }
}

fn fill(data: &mut [u8; 12], front: &[u8]) -> usize {
    for (to, from) in data.iter_mut().zip(front) {
        *to = *from;
    }
    front.len()
}

impl From<SystemTime> for Timestamp {
    /// Times that are further away than 64 bits of seconds, which no system has, are cut to that.
    fn from(time: SystemTime) -> Self {
        match time.duration_since(UNIX_EPOCH) {
            Ok(after) => {
                let secs = i64::try_from(after.as_secs()).unwrap_or(i64::MAX);
                Self {
                    secs,
                    nanos: after.subsec_nanos(),
                }
            }
            Err(before) => {
                let before = before.duration();
                let secs = 0_i64.saturating_sub_unsigned(before.as_secs());
                match before.subsec_nanos() {
                    0 => Self { secs, nanos: 0 },
                    nanos => Self {
                        secs: secs.saturating_sub(1),
                        nanos: NANOS_PER_SEC - nanos,
                    },
                }
            }
        }
    }
}

/// A time that the system's clock cannot represent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TimestampOutOfRange(Timestamp);

impl fmt::Display for TimestampOutOfRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} is beyond what this system can represent", self.0)
    }
}

impl std::error::Error for TimestampOutOfRange {}

impl TryFrom<Timestamp> for SystemTime {
    type Error = TimestampOutOfRange;

    fn try_from(time: Timestamp) -> Result<Self, TimestampOutOfRange> {
        let whole = Duration::from_secs(time.secs.unsigned_abs());
        let second = if time.secs < 0 {
            UNIX_EPOCH.checked_sub(whole)
        } else {
            UNIX_EPOCH.checked_add(whole)
        };
        second
            .and_then(|second| second.checked_add(Duration::from_nanos(time.nanos.into())))
            .ok_or(TimestampOutOfRange(time))
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        rfc3339::write(*self, f)
    }
}

impl fmt::Debug for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Timestamp {
    type Err = ParseTimestampError;

    /// Reads RFC 3339, with any offset and up to nine digits after the second.
    fn from_str(text: &str) -> Result<Self, ParseTimestampError> {
        rfc3339::parse(text).ok_or(ParseTimestampError)
    }
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if serializer.is_human_readable() {
            return serializer.collect_str(self);
        }
        serializer.serialize_newtype_struct(EXTENSION, &Extension(*self))
    }
}

/// The pair of type and data that `rmp-serde` makes an extension of.
struct Extension(Timestamp);

impl Serialize for Extension {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let (data, length) = self.0.to_extension();
        let mut pair = serializer.serialize_tuple(2)?;
        pair.serialize_element(&TIMESTAMP)?;
        pair.serialize_element(&AsBytes(data.get(..length).unwrap_or(&data)))?;
        pair.end()
    }
}

impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        if deserializer.is_human_readable() {
            // A text, or what serde has buffered of another format (it calls that readable too).
            deserializer.deserialize_any(TimestampVisitor)
        } else {
            deserializer.deserialize_newtype_struct(EXTENSION, TimestampVisitor)
        }
    }
}

/// Takes a text, an extension, and the pair inside an extension.
struct TimestampVisitor;

impl<'de> Visitor<'de> for TimestampVisitor {
    type Value = Timestamp;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("timestamp")
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Timestamp, E> {
        text.parse()
            .map_err(|_| E::invalid_value(Unexpected::Str(text), &self))
    }

    fn visit_newtype_struct<D: Deserializer<'de>>(self, inner: D) -> Result<Timestamp, D::Error> {
        Timestamp::from_pair(inner)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut pair: A) -> Result<Timestamp, A::Error> {
        let tag: Option<i8> = pair.next_element()?;
        let time = pair.next_element_seed(Data)?;
        match (tag, time) {
            (Some(TIMESTAMP), Some(time)) => Ok(time),
            _ => Err(A::Error::invalid_value(
                Unexpected::Other("extension"),
                &self,
            )),
        }
    }
}

/// Reads the data of an extension.
struct Data;

impl<'de> DeserializeSeed<'de> for Data {
    type Value = Timestamp;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Timestamp, D::Error> {
        deserializer.deserialize_bytes(self)
    }
}

impl Visitor<'_> for Data {
    type Value = Timestamp;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("timestamp with less than 1000000000 nanoseconds")
    }

    fn visit_bytes<E: serde::de::Error>(self, data: &[u8]) -> Result<Timestamp, E> {
        Timestamp::from_extension(data)
            .ok_or_else(|| E::invalid_value(Unexpected::Other("timestamp"), &self))
    }
}

/// An extension as serde sees it: a pair of its type and its data.
pub(super) struct ExtensionAccess<'de> {
    tag: Option<i8>,
    data: Option<&'de [u8]>,
}

impl<'de> ExtensionAccess<'de> {
    pub(super) fn new(data: &'de [u8]) -> Self {
        Self {
            tag: Some(TIMESTAMP),
            data: Some(data),
        }
    }
}

impl<'de> Deserializer<'de> for ExtensionAccess<'de> {
    type Error = DecodeError;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        visitor.visit_seq(self)
    }

    serde::forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option
        unit unit_struct newtype_struct seq tuple tuple_struct map struct enum identifier ignored_any
    }

    fn is_human_readable(&self) -> bool {
        false
    }
}

impl<'de> SeqAccess<'de> for ExtensionAccess<'de> {
    type Error = DecodeError;

    fn next_element_seed<S: DeserializeSeed<'de>>(
        &mut self,
        seed: S,
    ) -> Result<Option<S::Value>, DecodeError> {
        if let Some(tag) = self.tag.take() {
            return seed.deserialize(I8Deserializer::new(tag)).map(Some);
        }
        let Some(data) = self.data.take() else {
            return Ok(None);
        };
        seed.deserialize(BorrowedBytesDeserializer::new(data))
            .map(Some)
    }
}
