//! Keys of maps, compared by what they mean and not by how they are written.

use std::cmp::Ordering;

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
    /// A timestamp that is none.
    Impossible(&'a [u8]),
    /// The number of items, and the items.
    List(u32, Contents<'a>),
    /// The number of entries, and the entries.
    Map(u32, Contents<'a>),
}

/// Well-formed values that follow each other. They are equal if all are, in the same order.
#[derive(Clone, Copy, Debug)]
pub(super) struct Contents<'a>(&'a [u8]);

impl Contents<'_> {
    /// What stands in a list or map follows it, so that comparing needs no stack.
    const BEHIND: Self = Self(&[]);
}

impl<'a> Key<'a> {
    /// Takes a key from the front of `input`.
    #[inline]
    pub(super) fn take(input: &mut &'a [u8]) -> Result<Self, ScanError> {
        Ok(match Self::take_head(input)? {
            Self::List(count, _) => Self::List(count, Contents::take(input, count.into())?),
            Self::Map(count, _) => Self::Map(count, Contents::take(input, 2 * u64::from(count))?),
            scalar => scalar,
        })
    }

    /// Takes a scalar, or as much of a list or map as stands before its contents.
    #[inline]
    fn take_head(input: &mut &'a [u8]) -> Result<Self, ScanError> {
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
                Timestamp::from_extension(data).map_or(Self::Impossible(data), Self::Timestamp)
            }
            Token::List(count) => Self::List(count, Contents::BEHIND),
            Token::Map(count) => Self::Map(count, Contents::BEHIND),
        })
    }
}

impl<'a> Contents<'a> {
    /// Takes `values` values from the front of `input`.
    fn take(input: &mut &'a [u8], values: u64) -> Result<Self, ScanError> {
        let whole = *input;
        for _ in 0..values {
            Scanner::within(MAX_NESTING).value(input, 0)?;
        }
        let length = whole.len() - input.len();
        Ok(Self(whole.get(..length).unwrap_or(whole)))
    }
}

impl Ord for Contents<'_> {
    fn cmp(&self, other: &Self) -> Ordering {
        let (mut one, mut other) = (self.0, other.0);
        while !one.is_empty() && !other.is_empty() {
            // What was scanned has no errors.
            let heads = (Key::take_head(&mut one), Key::take_head(&mut other));
            let (Ok(left), Ok(right)) = heads else { break };
            match left.cmp(&right) {
                Ordering::Equal => {}
                unequal => return unequal,
            }
        }
        one.len().cmp(&other.len())
    }
}

impl PartialOrd for Contents<'_> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Contents<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Contents<'_> {}

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
