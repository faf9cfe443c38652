//! The shared secret and its text form.

use std::fmt;

use base64ct::{Base64, Encoding};
use zeroize::{Zeroize, Zeroizing};

/// What a secret file starts with; the number is the version of the file's format.
const HEADER: &str = "kaa-secret-1";

/// The key that both ends share.
///
/// It has 16 to 1024 bytes, which must be random: whoever records one handshake can try guesses
/// offline, so a phrase that a person thought of is no secret. Its memory is cleared when it is
/// dropped, and neither [`fmt::Debug`] nor any error ever shows a byte of it.
///
/// ```
/// use kaa_rpc_proto::Secret;
///
/// # let random = [0x5a; 32];
/// let secret = Secret::from(random); // 32 bytes from the operating system
/// let line = secret.to_line();
/// assert!(line.starts_with("kaa-secret-1 "));
/// Secret::parse(&line)?;
/// # Ok::<(), kaa_rpc_proto::SecretError>(())
/// ```
#[derive(Clone)]
pub struct Secret {
    // Made once at its final size, so that no shorter copy stays behind in freed memory.
    bytes: Zeroizing<Box<[u8]>>,
}

impl Secret {
    /// The fewest bytes of a secret.
    pub const MIN_LEN: usize = 16;
    /// The most bytes of a secret.
    pub const MAX_LEN: usize = 1024;

    /// Takes a copy of random bytes; clearing the original is up to the caller.
    ///
    /// # Errors
    ///
    /// If there are fewer than [`Self::MIN_LEN`] or more than [`Self::MAX_LEN`] bytes.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, SecretError> {
        match bytes.len() {
            got if got < Self::MIN_LEN => Err(SecretError::TooShort { got }),
            got if got > Self::MAX_LEN => Err(SecretError::TooLong { got }),
            _ => Ok(Self {
                bytes: Zeroizing::new(bytes.into()),
            }),
        }
    }

    /// Reads the text form, one line `kaa-secret-1 BASE64`. White space at its end does not matter.
    ///
    /// The Base64 is that of RFC 4648 §4, with padding.
    ///
    /// # Errors
    ///
    /// If the text is not one such line, or the secret in it is too short or too long.
    pub fn parse(text: &str) -> Result<Self, SecretError> {
        let line = text.trim_end_matches(|c: char| c.is_ascii_whitespace());
        if line.is_empty() {
            return Err(SecretError::Empty);
        }
        let encoded = line
            .strip_prefix(HEADER)
            .and_then(|rest| rest.strip_prefix(' '))
            .ok_or(SecretError::NoHeader)?;
        if encoded.contains(['\n', '\r']) {
            return Err(SecretError::SeveralLines);
        }
        // The decoder works in constant time; its own error would name the place, so it is dropped.
        let bytes =
            Zeroizing::new(Base64::decode_vec(encoded).map_err(|_| SecretError::NotBase64)?);
        Self::from_bytes(&bytes)
    }

    /// The text form, with a line feed at its end: what a secret file holds.
    #[must_use]
    pub fn to_line(&self) -> Zeroizing<String> {
        // Room for all of it at once: a string that grows would leave copies behind.
        let mut line = Zeroizing::new(String::with_capacity(
            HEADER.len() + 2 + Base64::encoded_len(&self.bytes),
        ));
        let encoded = Zeroizing::new(Base64::encode_string(&self.bytes));
        line.push_str(HEADER);
        line.push(' ');
        line.push_str(&encoded);
        line.push('\n');
        line
    }

    /// The raw key, for the key derivation only.
    pub(crate) fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }
}

/// Takes 32 random bytes, the recommended size.
impl From<[u8; 32]> for Secret {
    fn from(mut random: [u8; 32]) -> Self {
        let secret = Self {
            bytes: Zeroizing::new(random.as_slice().into()),
        };
        random.zeroize();
        secret
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(redacted)")
    }
}

/// Why something is not a [`Secret`]. It never holds a part of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SecretError {
    /// The text is empty or has only white space.
    Empty,
    /// The text does not start with `kaa-secret-1` and one space.
    NoHeader,
    /// There is more than the one line.
    SeveralLines,
    /// What follows the header is not Base64 with padding.
    NotBase64,
    /// Fewer than [`Secret::MIN_LEN`] bytes.
    TooShort {
        /// How many there are.
        got: usize,
    },
    /// More than [`Secret::MAX_LEN`] bytes.
    TooLong {
        /// How many there are.
        got: usize,
    },
}

impl fmt::Display for SecretError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const FORM: &str = "expected one line `kaa-secret-1 BASE64`";
        match self {
            Self::Empty => write!(f, "the secret is empty: {FORM}"),
            Self::NoHeader => {
                write!(
                    f,
                    "the secret does not start with `{HEADER}` and a space: {FORM}"
                )
            }
            Self::SeveralLines => write!(f, "the secret has more than one line: {FORM}"),
            Self::NotBase64 => {
                write!(
                    f,
                    "what follows `{HEADER}` is not Base64 with padding: {FORM}"
                )
            }
            Self::TooShort { got } => write!(
                f,
                "the secret has {got} bytes: expected at least {}, 32 random ones are usual",
                Secret::MIN_LEN
            ),
            Self::TooLong { got } => {
                write!(
                    f,
                    "the secret has {got} bytes: expected at most {}",
                    Secret::MAX_LEN
                )
            }
        }
    }
}

impl std::error::Error for SecretError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_gives_back_its_secret() {
        for len in [16, 17, 18, 32, 1024] {
            let bytes: Vec<u8> = (0..len).map(|i| i as u8).collect();
            let secret = Secret::from_bytes(&bytes).unwrap();
            let line = secret.to_line();
            assert_eq!(line.matches('\n').count(), 1);
            assert_eq!(Secret::parse(&line).unwrap().as_bytes(), bytes);
        }
    }

    #[test]
    fn white_space_at_the_end_does_not_matter() {
        let line = Secret::from([7; 32]).to_line();
        for end in ["", "\r\n", "\n\n\n", " \t\n"] {
            let text = format!("{}{end}", line.trim_end());
            assert_eq!(Secret::parse(&text).unwrap().as_bytes(), [7; 32]);
        }
    }

    #[test]
    fn what_is_no_secret_is_told_without_showing_it() {
        let encoded = Base64::encode_string(&[0xab; 32]);
        let cases = [
            (String::new(), SecretError::Empty),
            ("\n \n".into(), SecretError::Empty),
            (encoded.clone(), SecretError::NoHeader),
            (format!("kaa-secret-2 {encoded}"), SecretError::NoHeader),
            (format!(" kaa-secret-1 {encoded}"), SecretError::NoHeader),
            (format!("kaa-secret-1\t{encoded}"), SecretError::NoHeader),
            (format!("kaa-secret-1  {encoded}"), SecretError::NotBase64),
            (
                format!("kaa-secret-1 {}", encoded.trim_end_matches('=')),
                SecretError::NotBase64,
            ),
            (
                // Unused bits of the last character that are not zero.
                format!("kaa-secret-1 {}", encoded.replace("s=", "t=")),
                SecretError::NotBase64,
            ),
            (
                format!("kaa-secret-1 {}", encoded.replace('q', "*")),
                SecretError::NotBase64,
            ),
            (
                format!("kaa-secret-1 {encoded}\n{encoded}"),
                SecretError::SeveralLines,
            ),
            (
                format!("kaa-secret-1 {}", Base64::encode_string(&[0xab; 15])),
                SecretError::TooShort { got: 15 },
            ),
            (
                format!("kaa-secret-1 {}", Base64::encode_string(&[0xab; 1025])),
                SecretError::TooLong { got: 1025 },
            ),
        ];
        for (text, expected) in cases {
            let error = Secret::parse(&text).unwrap_err();
            assert_eq!(error, expected, "{text:?}");
            assert!(!format!("{error} {error:?}").contains(&encoded[..4]));
        }
    }

    #[test]
    fn debug_shows_nothing_of_it() {
        assert_eq!(
            format!("{:?}", Secret::from([0xab; 32])),
            "Secret(redacted)"
        );
    }
}
