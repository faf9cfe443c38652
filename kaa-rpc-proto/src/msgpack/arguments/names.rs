//! Named arguments as they came, and the names that a function declares.

use crate::msgpack::MAX_NESTING;
use crate::msgpack::scan::Scanner;
use crate::msgpack::token::{self, Token};

/// Names up to this length are compared when the closest is sought.
const MAX_COMPARED: usize = 64;

/// Walks the entries of a map that was checked before; stops where it meets anything else.
#[derive(Clone, Copy, Debug)]
pub(super) struct Entries<'a> {
    rest: &'a [u8],
    left: u32,
}

impl<'a> Entries<'a> {
    pub(super) fn new(entries: &'a [u8], count: u32) -> Self {
        Self {
            rest: entries,
            left: count,
        }
    }

    pub(super) fn left(&self) -> u32 {
        self.left
    }
}

impl<'a> Iterator for Entries<'a> {
    /// The name and the encoded value.
    type Item = (&'a [u8], &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        self.left = self.left.checked_sub(1)?;
        let mut rest = self.rest;
        let Ok(Token::Str(name)) = token::next(&mut rest) else {
            return None;
        };
        let from_value = rest;
        Scanner::within(MAX_NESTING).value(&mut rest, 0).ok()?;
        let value = from_value.get(..from_value.len() - rest.len())?;
        self.rest = rest;
        Some((name, value))
    }
}

/// A parameter that was asked for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Declared {
    pub(super) name: &'static str,
    /// Its argument came by position.
    pub(super) by_position: bool,
}

/// The parameters that were asked for.
#[derive(Clone, Debug, Default)]
pub(super) struct Parameters(Vec<Declared>);

impl Parameters {
    pub(super) fn push(&mut self, parameter: Declared) {
        self.0.push(parameter);
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Declared> {
        self.0.iter()
    }

    pub(super) fn find(&self, name: &[u8]) -> Option<&Declared> {
        self.iter()
            .find(|declared| declared.name.as_bytes() == name)
    }

    /// The name that `wrong` was probably meant to be.
    pub(super) fn closest(&self, wrong: &[u8]) -> Option<&'static str> {
        self.iter()
            .map(|declared| (declared.name, distance(declared.name.as_bytes(), wrong)))
            .filter(|(name, distance)| is_close(name.len(), *distance))
            .min_by_key(|(_, distance)| *distance)
            .map(|(name, _)| name)
    }
}

/// Whether that many changes to a name of this length look like a slip.
pub(super) fn is_close(length: usize, distance: usize) -> bool {
    distance <= length.div_ceil(3)
}

/// How many bytes must be inserted, removed or replaced to make `b` of `a`. Long names are far from
/// everything.
pub(super) fn distance(a: &[u8], b: &[u8]) -> usize {
    if a.len() > MAX_COMPARED || b.len() > MAX_COMPARED {
        return usize::MAX;
    }
    // The distances from what was seen of `a` to each beginning of `b`.
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.iter().enumerate() {
        let mut diagonal = i;
        let mut left = i + 1;
        for (y, above) in b.iter().zip(row.iter_mut().skip(1)) {
            let replaced = diagonal + usize::from(x != y);
            diagonal = *above;
            left = replaced.min(left + 1).min(diagonal + 1);
            *above = left;
        }
        if let Some(first) = row.first_mut() {
            *first = i + 1;
        }
    }
    row.last().copied().unwrap_or(usize::MAX)
}
