//! What a call, or its answer, tells beside its content: a small map from text to text.

use std::fmt;

use crate::msgpack::{self, ScanLimits, Value};

/// The most entries that metadata have.
pub const MAX_ENTRIES: usize = 64;

/// The most bytes that metadata take, encoded.
pub const MAX_METADATA: usize = 8192;

/// A small map from text to text that travels beside a call or beside its answer.
///
/// It has at most [`MAX_ENTRIES`] entries and takes at most [`MAX_METADATA`] bytes, encoded. Keys are not empty.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Metadata {
    /// In the order in which they were added, each key once.
    entries: Vec<(String, String)>,
}

impl Metadata {
    /// None.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            entries: Vec::new(),
        }
    }

    /// The value of a key.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&str> {
        let found = self.entries.iter().find(|(known, _)| known == key);
        found.map(|(_, value)| value.as_str())
    }

    /// All keys and values, in the order in which they were added.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        let entries = self.entries.iter();
        entries.map(|(key, value)| (key.as_str(), value.as_str()))
    }

    /// How many entries there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Adds an entry, or replaces the value of its key.
    ///
    /// # Errors
    ///
    /// If the key is empty, or the map would be too large. Then it is as before.
    pub fn insert(
        &mut self,
        key: impl Into<String>,
        value: impl Into<String>,
    ) -> Result<(), MetadataError> {
        let (key, value) = (key.into(), value.into());
        if key.is_empty() {
            return Err(MetadataError::EmptyKey);
        }
        let known = self.entries.iter().position(|(known, _)| *known == key);
        let replaced = known.and_then(|index| self.entries.get(index));
        let before = replaced.map_or(0, |(key, value)| text_len(key) + text_len(value));
        if known.is_none() && self.entries.len() == MAX_ENTRIES {
            return Err(MetadataError::TooMany { key });
        }
        let length = self.encoded_len() - before + text_len(&key) + text_len(&value);
        if length > MAX_METADATA {
            return Err(MetadataError::TooLong { key, length });
        }
        match known.and_then(|index| self.entries.get_mut(index)) {
            Some(entry) => entry.1 = value,
            None => self.entries.push((key, value)),
        }
        Ok(())
    }

    /// Takes an entry away.
    pub fn remove(&mut self, key: &str) {
        self.entries.retain(|(known, _)| known != key);
    }

    /// As a MessagePack map. Nothing at all if it is empty.
    #[must_use]
    pub fn encoded(&self) -> Vec<u8> {
        if self.is_empty() {
            return Vec::new();
        }
        let mut out = Vec::with_capacity(self.encoded_len());
        // Writing to a `Vec` does not fail.
        let count = u32::try_from(self.entries.len()).unwrap_or(u32::MAX);
        let _ = rmp::encode::write_map_len(&mut out, count);
        for (key, value) in &self.entries {
            let _ = rmp::encode::write_str(&mut out, key);
            let _ = rmp::encode::write_str(&mut out, value);
        }
        out
    }

    /// At least as much as [`Self::encoded`] gives, and at most two bytes more.
    fn encoded_len(&self) -> usize {
        let texts = self.entries.iter().flat_map(|(key, value)| [key, value]);
        3 + texts.map(|text| text_len(text)).sum::<usize>()
    }

    /// Reads such a map; nothing at all is one that is empty.
    ///
    /// # Errors
    ///
    /// If it is anything else, or larger than it may be.
    pub fn decode(bytes: &[u8]) -> Result<Self, MetadataError> {
        if bytes.is_empty() {
            return Ok(Self::new());
        }
        let limits = ScanLimits {
            max_nesting: 8,
            max_items: 4 * MAX_ENTRIES as u32,
        };
        if bytes.len() > MAX_METADATA || msgpack::scan(bytes, &limits).is_err() {
            return Err(MetadataError::Malformed);
        }
        let Ok(Value::Map(map)) = msgpack::from_slice(bytes) else {
            return Err(MetadataError::Malformed);
        };
        let mut entries: Vec<(String, String)> = Vec::new();
        for (key, value) in map {
            let (Value::String(key), Value::String(value)) = (key, value) else {
                return Err(MetadataError::Malformed);
            };
            if key.is_empty() || entries.iter().any(|(known, _)| *known == key) {
                return Err(MetadataError::Malformed);
            }
            entries.push((key, value));
        }
        if entries.len() > MAX_ENTRIES {
            return Err(MetadataError::Malformed);
        }
        Ok(Self { entries })
    }
}

/// The most bytes that a text takes, encoded.
fn text_len(text: &str) -> usize {
    let header = match text.len() {
        0..=31 => 1,
        32..=255 => 2,
        _ => 3,
    };
    header + text.len()
}

/// Why metadata cannot be sent, or read.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum MetadataError {
    /// A key is empty.
    EmptyKey,
    /// There are [`MAX_ENTRIES`] entries already.
    TooMany {
        /// Of the entry that has no room.
        key: String,
    },
    /// All of them together would take too many bytes.
    TooLong {
        /// Of the entry that has no room.
        key: String,
        /// What they would take with it, encoded.
        length: usize,
    },
    /// What came is not a map from text to text, or a larger one than may be sent.
    Malformed,
}

impl fmt::Display for MetadataError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::EmptyKey => f.write_str("a key of metadata is empty"),
            Self::TooMany { key } => write!(
                f,
                "the metadata `{}` has no room: {MAX_ENTRIES} entries are allowed",
                key.escape_debug()
            ),
            Self::TooLong { key, length } => write!(
                f,
                "the metadata `{}` has no room: with it they take {length} bytes, and {MAX_METADATA} are allowed",
                key.escape_debug()
            ),
            Self::Malformed => write!(
                f,
                "expected metadata as a map from string to string, of at most {MAX_ENTRIES} entries and \
                 {MAX_METADATA} bytes"
            ),
        }
    }
}

impl std::error::Error for MetadataError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_encoded_decodes_to_the_same() {
        let mut metadata = Metadata::new();
        assert_eq!(Metadata::decode(&metadata.encoded()), Ok(metadata.clone()));
        for length in [0, 1, 31, 32, 255, 256, 2000] {
            metadata
                .insert(format!("k{length}"), "ä".repeat(length))
                .unwrap();
            assert_eq!(Metadata::decode(&metadata.encoded()), Ok(metadata.clone()));
        }
        metadata.insert("k1", "other").unwrap();
        assert_eq!(metadata.get("k1"), Some("other"));
        assert_eq!(metadata.len(), 7);
        metadata.remove("k1");
        assert_eq!(metadata.get("k1"), None);
    }

    #[test]
    fn what_is_too_much_is_refused_by_name() {
        let mut metadata = Metadata::new();
        assert_eq!(metadata.insert("", "x"), Err(MetadataError::EmptyKey));
        for number in 0..MAX_ENTRIES {
            metadata.insert(number.to_string(), "x").unwrap();
        }
        let error = metadata.insert("more", "x").unwrap_err();
        assert!(error.to_string().contains("`more`") && error.to_string().contains("64"));
        let error = metadata.insert("1", "x".repeat(MAX_METADATA)).unwrap_err();
        assert!(error.to_string().contains("`1`") && error.to_string().contains("8192"));
        assert_eq!(Metadata::decode(&metadata.encoded()), Ok(metadata));
        // What a sender accepts, a receiver does.
        let mut long = Metadata::new();
        let fits = (0..=MAX_METADATA)
            .rev()
            .find(|length| long.insert("k", "x".repeat(*length)).is_ok())
            .unwrap();
        assert!(fits > MAX_METADATA - 16);
        assert!(long.encoded().len() <= MAX_METADATA);
    }

    #[test]
    fn hostile_metadata_that_are_none_are_refused() {
        let mut many = Vec::from(b"\xde\x00\x41");
        (0..65).for_each(|number| many.extend([0xa1, b'0' + number, 0xa0]));
        for bytes in [
            &b"\xc0"[..],
            b"\x90",
            b"\x81\xa1a\x01",
            b"\x81\x01\xa1a",
            b"\x81\xa1a",
            b"\x80\x80",
            b"\x81\xa0\xa1a",
            b"\x82\xa1a\xa1b\xa1a\xa1c",
            b"\x81\xa1a\xc4\x01b",
            b"\x81\xa1a\xa1\xff",
            &[0x91; 100],
            &many,
            &[0x80; MAX_METADATA + 1],
        ] {
            assert_eq!(
                Metadata::decode(bytes),
                Err(MetadataError::Malformed),
                "{bytes:x?}"
            );
        }
    }
}
