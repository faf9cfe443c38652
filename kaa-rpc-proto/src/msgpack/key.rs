//! Keys of maps, compared by what they mean and not by how they are written.

use super::scan::Scanner;
use super::token::{self, Token};
use super::{MAX_NESTING, ScanError, Timestamp};

/// Maps up to this size are checked without allocation.
const INLINE: usize = 8;

/// A key. Two keys that are equal would be one key of a Rust map.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Key<'a> {
    Nil,
    Bool(bool),
    Negative(i64),
    Uint(u64),
    /// The bits of the number as f64.
    Float(u64),
    Str(&'a [u8]),
    Bytes(&'a [u8]),
    Timestamp(Timestamp),
    /// A list, a map or an impossible timestamp, as it is written.
    Other(&'a [u8]),
}

impl<'a> Key<'a> {
    /// Takes a key from the front of `input`.
    #[inline]
    pub(super) fn take(input: &mut &'a [u8]) -> Result<Self, ScanError> {
        let whole = *input;
        Ok(match token::next(input)? {
            Token::Nil => Self::Nil,
            Token::Bool(b) => Self::Bool(b),
            Token::Int(n) => Self::Negative(n),
            Token::Uint(n) => Self::Uint(n),
            Token::F32(n) => Self::Float(f64::from(n).to_bits()),
            Token::F64(n) => Self::Float(n.to_bits()),
            Token::Str(text) => Self::Str(text),
            Token::Bin(bytes) => Self::Bytes(bytes),
            Token::Timestamp(data) => {
                Timestamp::from_extension(data).map_or(Self::Other(data), Self::Timestamp)
            }
            Token::List(_) | Token::Map(_) => {
                *input = whole;
                Scanner::within(MAX_NESTING).value(input, 0)?;
                let length = whole.len() - input.len();
                Self::Other(whole.get(..length).unwrap_or(whole))
            }
        })
    }
}

/// A key that occurs twice among the `count` entries that `entries` begin with, if any.
///
/// Sorts, so that hostile keys cost no more than others.
pub(super) fn find_duplicate(entries: &[u8], count: u32) -> Result<Option<Key<'_>>, ScanError> {
    let count = usize::try_from(count).unwrap_or(usize::MAX);
    if count > entries.len() {
        return Err(ScanError::Overclaimed {
            values: count as u64,
            bytes: entries.len(),
        });
    }
    let mut inline = [Key::Nil; INLINE];
    let mut heap = Vec::new();
    let keys = match inline.get_mut(..count) {
        Some(keys) => keys,
        None => {
            heap.resize(count, Key::Nil);
            heap.as_mut_slice()
        }
    };
    let mut rest = entries;
    for key in &mut *keys {
        *key = Key::take(&mut rest)?;
        Scanner::within(MAX_NESTING).value(&mut rest, 0)?;
    }
    keys.sort_unstable();
    let twice = keys.windows(2).find_map(|pair| match pair {
        [one, other] if one == other => Some(*one),
        _ => None,
    });
    Ok(twice)
}
