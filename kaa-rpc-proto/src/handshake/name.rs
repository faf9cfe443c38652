//! Names in fields of fixed size.

use std::fmt;
use std::str::FromStr;

/// A short name in a field of `N` bytes, filled up with zeros.
///
/// It has at most `N` characters out of `A`–`Z`, `a`–`z`, `0`–`9`, `.`, `_` and `-`, so it can be
/// put into logs and file names as it is. It may be empty.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Name<const N: usize> {
    bytes: [u8; N],
}

/// The name of a service. A server and a client with different ones refuse each other; the empty
/// name matches all.
pub type ServiceName = Name<64>;

/// Which of a server's secrets a client has. The empty name is the secret of a server with only one.
pub type KeyId = Name<32>;

impl<const N: usize> Name<N> {
    /// The name without a character.
    pub const EMPTY: Self = Self { bytes: [0; N] };

    /// Checks a name.
    ///
    /// # Errors
    ///
    /// If it is too long, or for its first character that is not allowed.
    pub fn new(name: &str) -> Result<Self, NameError> {
        if let Some(got) = name.chars().find(|&c| !is_allowed(c)) {
            return Err(NameError::Character { got });
        }
        let mut bytes = [0; N];
        let Some(room) = bytes.get_mut(..name.len()) else {
            return Err(NameError::TooLong {
                got: name.len(),
                most: N,
            });
        };
        room.copy_from_slice(name.as_bytes());
        Ok(Self { bytes })
    }

    /// Reads the field of a message: the name, then only zeros.
    pub(crate) fn from_field(bytes: [u8; N]) -> Option<Self> {
        let name = Self { bytes };
        let filling = bytes.get(name.as_str().len()..)?;
        let sound = name.as_str().chars().all(is_allowed) && filling.iter().all(|&byte| byte == 0);
        sound.then_some(name)
    }

    /// The field of a message.
    pub(crate) fn as_field(&self) -> &[u8; N] {
        &self.bytes
    }

    /// The name without its filling.
    #[must_use]
    pub fn as_str(&self) -> &str {
        let name = self
            .bytes
            .split(|&byte| byte == 0)
            .next()
            .unwrap_or_default();
        str::from_utf8(name).unwrap_or_default()
    }

    /// Whether it is the empty name.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::EMPTY
    }
}

fn is_allowed(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-')
}

impl<const N: usize> Default for Name<N> {
    fn default() -> Self {
        Self::EMPTY
    }
}

impl<const N: usize> FromStr for Name<N> {
    type Err = NameError;

    fn from_str(name: &str) -> Result<Self, NameError> {
        Self::new(name)
    }
}

impl<const N: usize> fmt::Display for Name<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl<const N: usize> fmt::Debug for Name<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), f)
    }
}

/// Why something is not a [`Name`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum NameError {
    /// It has more characters than its field has bytes.
    TooLong {
        /// How many it has.
        got: usize,
        /// How many it may have.
        most: usize,
    },
    /// It has a character that is not allowed.
    Character {
        /// The first such.
        got: char,
    },
}

impl fmt::Display for NameError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLong { got, most } => {
                write!(f, "the name has {got} characters: expected at most {most}")
            }
            Self::Character { got } => write!(
                f,
                "{got:?} stands in the name: expected letters, digits, `.`, `_` or `-` of ASCII"
            ),
        }
    }
}

impl std::error::Error for NameError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_checked_in_both_directions() {
        let name = Name::<8>::new("a-B_9.z").unwrap();
        assert_eq!(name.to_string(), "a-B_9.z");
        assert_eq!(name.as_field(), b"a-B_9.z\0");
        assert_eq!(Name::from_field(*name.as_field()), Some(name));
        assert_eq!(Name::<8>::new("12345678").unwrap().as_str(), "12345678");
        assert_eq!(
            Name::<8>::new("123456789"),
            Err(NameError::TooLong { got: 9, most: 8 })
        );
        assert_eq!(
            Name::<8>::new("a b"),
            Err(NameError::Character { got: ' ' })
        );
        assert_eq!(Name::<8>::new("é"), Err(NameError::Character { got: 'é' }));
        assert_eq!("".parse(), Ok(Name::<8>::EMPTY));
        for field in [*b"ab\0c", *b"\0\0\0c", *b"a b\0", *b"a\xffb\0", *b"a\n\0\0"] {
            assert_eq!(Name::from_field(field), None, "{field:?}");
        }
    }
}
