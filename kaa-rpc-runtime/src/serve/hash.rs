//! A hash for keys that no stranger chooses.

use std::hash::{BuildHasherDefault, Hasher};

/// Hashes with a multiplication for each eight bytes, where the standard hash, which withstands keys that
/// are chosen to collide, takes a tenth of what dispatching a call takes.
///
/// **Invariant:** only what the program itself registers, or what is bounded by a window of dense ids, becomes
/// a key. Strangers may look up whatever they like: that adds nothing.
pub(crate) type QuickHash = BuildHasherDefault<QuickHasher>;

/// See [`QuickHash`].
#[derive(Default)]
pub(crate) struct QuickHasher(u64);

/// 2⁶⁴ divided by the golden ratio, made odd: Knuth, The Art of Computer Programming, volume 3, 6.4.
const FACTOR: u64 = 0x9e37_79b9_7f4a_7c15;

impl QuickHasher {
    fn add(&mut self, word: u64) {
        self.0 = (self.0.rotate_left(5) ^ word).wrapping_mul(FACTOR);
    }
}

impl Hasher for QuickHasher {
    #[inline]
    fn write(&mut self, bytes: &[u8]) {
        let (words, rest) = bytes.as_chunks::<8>();
        for word in words {
            self.add(u64::from_le_bytes(*word));
        }
        let last = rest
            .iter()
            .fold(1, |last, byte| (last << 8) | u64::from(*byte));
        self.add(last);
    }

    #[inline]
    fn write_u8(&mut self, n: u8) {
        self.add(n.into());
    }

    #[inline]
    fn write_u32(&mut self, n: u32) {
        self.add(n.into());
    }

    #[inline]
    fn write_u64(&mut self, n: u64) {
        self.add(n);
    }

    #[inline]
    fn finish(&self) -> u64 {
        // The product's best bits are its highest; tables look at the lowest, too.
        self.0 ^ (self.0 >> 32)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;
    use std::hash::BuildHasher;

    use super::*;

    #[test]
    fn names_and_ids_spread() {
        let hash = QuickHash::default();
        let names = (0..5000).map(|n| hash.hash_one(format!("player.function_{n}").as_str()));
        let ids = (0..5000_u32).map(|id| hash.hash_one(id));
        for hashes in [names.collect::<Vec<_>>(), ids.collect()] {
            let whole: HashSet<_> = hashes.iter().collect();
            let low: HashSet<_> = hashes.iter().map(|hash| hash % 8192).collect();
            let high: HashSet<_> = hashes.iter().map(|hash| hash >> 57).collect();
            assert_eq!(whole.len(), 5000);
            // Of 5,000 balls in 8,192 bins, about 3,743 bins get one.
            assert!(low.len() > 3500, "{}", low.len());
            assert_eq!(high.len(), 128);
        }
    }
}
