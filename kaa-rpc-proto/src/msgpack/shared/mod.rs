//! Bytes that are shared rather than copied: `bytes` in a schema.

mod argument;
mod formats;
mod lend;

use std::borrow::Borrow;
use std::fmt::{self, Write as _};
use std::ops::{Deref, RangeBounds};

use formats::serialize;

pub use argument::BytesArgument;
pub use lend::Owner;
pub(crate) use lend::owned;

/// So many bytes `Debug` shows.
const SHOWN: usize = 32;

/// Bytes that may have several owners, who share them: a clone or a [slice](Self::slice) copies nothing.
///
/// They travel as the bytes of MessagePack, and through other formats of serde as the bytes that these have. In calls
/// and their outcomes, [large](crate::LARGE_PAYLOAD) ones are not copied either: those that are sent are written to the
/// socket from where they are, and what is received is a part of the buffer into which it was read, if it is at least
/// half as large as that. So what is received keeps at most as much memory again as it shows.
///
/// ```
/// use kaa_rpc_proto::msgpack::Bytes;
///
/// let bytes = Bytes::from(vec![1, 2, 3]);
/// let end = bytes.slice(1..);
/// assert_eq!(end, [2, 3]);
/// assert_eq!(Vec::from(bytes), [1, 2, 3]);
/// ```
#[derive(Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Bytes(bytes::Bytes);

impl Bytes {
    /// None.
    #[must_use]
    pub const fn new() -> Self {
        Self(bytes::Bytes::new())
    }

    /// These, which nobody has to keep.
    #[must_use]
    pub const fn from_static(bytes: &'static [u8]) -> Self {
        Self(bytes::Bytes::from_static(bytes))
    }

    /// A copy of these.
    #[must_use]
    pub fn copy_from_slice(bytes: &[u8]) -> Self {
        Self(bytes::Bytes::copy_from_slice(bytes))
    }

    /// A part, which keeps all of it in memory.
    ///
    /// # Panics
    ///
    /// If the range ends before it begins, or behind the last byte.
    #[must_use]
    pub fn slice(&self, range: impl RangeBounds<usize>) -> Self {
        Self(self.0.slice(range))
    }
}

impl Deref for Bytes {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.0
    }
}

impl AsRef<[u8]> for Bytes {
    fn as_ref(&self) -> &[u8] {
        self
    }
}

impl Borrow<[u8]> for Bytes {
    fn borrow(&self) -> &[u8] {
        self
    }
}

macro_rules! from {
    ($($type:ty)*) => {$(
        impl From<$type> for Bytes {
            fn from(bytes: $type) -> Self {
                Self(bytes.into())
            }
        }
    )*};
}

from! { bytes::Bytes Vec<u8> Box<[u8]> String &'static [u8] &'static str }

impl<const N: usize> From<&'static [u8; N]> for Bytes {
    fn from(bytes: &'static [u8; N]) -> Self {
        Self::from_static(bytes)
    }
}

impl From<Bytes> for bytes::Bytes {
    fn from(bytes: Bytes) -> Self {
        bytes.0
    }
}

impl From<Bytes> for Vec<u8> {
    /// Copies nothing if nobody else has the bytes, and all of the vector that they came from.
    fn from(bytes: Bytes) -> Self {
        bytes.0.into()
    }
}

impl FromIterator<u8> for Bytes {
    fn from_iter<I: IntoIterator<Item = u8>>(bytes: I) -> Self {
        Self(bytes.into_iter().collect())
    }
}

impl<'a> IntoIterator for &'a Bytes {
    type Item = &'a u8;
    type IntoIter = std::slice::Iter<'a, u8>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

macro_rules! equal {
    ($(($($generics:tt)*) $type:ty;)*) => {$(
        impl<$($generics)*> PartialEq<$type> for Bytes {
            fn eq(&self, other: &$type) -> bool {
                let other: &[u8] = other.as_ref();
                **self == *other
            }
        }

        impl<$($generics)*> PartialEq<Bytes> for $type {
            fn eq(&self, other: &Bytes) -> bool {
                other == self
            }
        }
    )*};
}

equal! {
    () [u8];
    () &[u8];
    () Vec<u8>;
    (const N: usize) [u8; N];
    (const N: usize) &[u8; N];
    () str;
    () &str;
    () bytes::Bytes;
}

impl fmt::Debug for Bytes {
    /// As the literal of a byte string, cut if they are many.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("b\"")?;
        for byte in self.iter().take(SHOWN) {
            write!(f, "{}", byte.escape_ascii())?;
        }
        f.write_char('"')?;
        match self.len().saturating_sub(SHOWN) {
            0 => Ok(()),
            more => write!(f, "… {more} more"),
        }
    }
}
