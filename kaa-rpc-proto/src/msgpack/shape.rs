//! What a receiver that has limits asks of an encoded value, besides its length.

use std::fmt;

use crate::Limits;

/// How many items an encoded value or the arguments of a call have, and how deep they stand inside
/// each other; counted while encoding, as [`scan`](super::scan) and
/// [`scan_arguments`](super::scan_arguments) count them.
///
/// ```
/// use kaa_rpc_proto::msgpack::{Shape, encode_measured};
///
/// let shape = encode_measured(&mut Vec::new(), &[[1, 2], [3, 4]]).unwrap();
/// assert_eq!(shape, Shape { items: 7, nesting: 2 });
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Shape {
    /// Scalars, lists, maps, and each key and value inside them.
    pub items: u64,
    /// Lists and maps inside each other.
    pub nesting: u32,
}

impl Shape {
    /// The first limit that it exceeds, if any.
    #[must_use]
    pub fn exceeds(&self, limits: &Limits) -> Option<Exceeded> {
        let exceeded = |limit, has, accepted| Exceeded {
            limit,
            has,
            accepted,
        };
        if self.items > u64::from(limits.max_items) {
            Some(exceeded("max_items", self.items, limits.max_items))
        } else if self.nesting > limits.max_nesting {
            let nesting = u64::from(self.nesting);
            Some(exceeded("max_nesting", nesting, limits.max_nesting))
        } else {
            None
        }
    }

    /// Of both, one beside the other.
    pub(super) fn and(self, other: Self) -> Self {
        Self {
            items: self.items + other.items,
            nesting: self.nesting.max(other.nesting),
        }
    }
}

/// A limit that an encoded value exceeds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Exceeded {
    /// The name of the limit, that of the field of [`Limits`].
    pub limit: &'static str,
    /// What the value has.
    pub has: u64,
    /// What is accepted.
    pub accepted: u32,
}

impl fmt::Display for Exceeded {
    /// To go on with after "it has".
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            limit,
            has,
            accepted,
        } = self;
        let what = match *limit {
            "max_items" => "items",
            _ => "lists and maps inside each other",
        };
        write!(
            f,
            "{has} {what}, and the receiver accepts {accepted} (its {limit})"
        )
    }
}
