//! Large buffers, which all threads share: what is decoded may keep one, and be dropped anywhere.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// A process keeps so many bytes: enough for a frame with 64 MiB.
const KEPT_BYTES: usize = 65 << 20;

/// In so many buffers.
const KEPT: usize = 64;

/// What nobody needed for so long is given up.
pub(crate) const UNUSED: Duration = Duration::from_secs(10);

static POOL: Mutex<Pool> = Mutex::new(Pool::new());

/// Whether there may be any, for those who only want to know that. A taker does not say that it took the last one.
static KEEPS: AtomicBool = AtomicBool::new(false);

/// Buffers that wait to be used again. Without them, glibc's allocator gave each to the system and got it back page by
/// page: an echo of 1 MiB took more than twice as long.
struct Pool {
    /// Since when each is here, the oldest first.
    kept: Vec<(Vec<u8>, Instant)>,
    bytes: usize,
}

impl Pool {
    const fn new() -> Self {
        Self {
            kept: Vec::new(),
            bytes: 0,
        }
    }

    /// Whether there are two that would be taken in place of one of this size, or nearly.
    fn has_two_like(&self, size: usize) -> bool {
        let sizes = self.kept.iter().map(|(buffer, _)| buffer.capacity());
        let like = sizes.filter(|other| (size..=size.saturating_add(size / 2)).contains(other));
        like.count() >= 2
    }

    /// The smallest one that has room for so many bytes, and for not more than half as many again: what is decoded may
    /// keep all of it for long.
    fn take(&mut self, needed: usize) -> Option<Vec<u8>> {
        let most = needed.saturating_add(needed / 2);
        let sizes = self.kept.iter().map(|(buffer, _)| buffer.capacity());
        let fitting = sizes
            .enumerate()
            .filter(|(_, size)| (needed..=most).contains(size));
        let (index, size) = fitting.min_by_key(|(_, size)| *size)?;
        self.bytes -= size;
        Some(self.kept.remove(index).0)
    }

    /// Keeps a buffer, in place of the oldest ones if need be. Gives those that it does not keep.
    #[must_use = "large buffers are dropped without the lock"]
    fn give(&mut self, buffer: Vec<u8>, now: Instant) -> Vec<(Vec<u8>, Instant)> {
        let size = buffer.capacity();
        if size > KEPT_BYTES {
            return vec![(buffer, now)];
        }
        self.kept.push((buffer, now));
        self.bytes += size;
        self.give_up(now)
    }

    /// Gives those that nobody needs, or that are too many.
    #[must_use = "large buffers are dropped without the lock"]
    fn give_up(&mut self, now: Instant) -> Vec<(Vec<u8>, Instant)> {
        let (mut count, mut bytes) = (self.kept.len(), self.bytes);
        let old = self.kept.iter().take_while(|(buffer, since)| {
            let old = count > KEPT
                || bytes > KEPT_BYTES
                || now.saturating_duration_since(*since) >= UNUSED;
            count -= 1;
            bytes -= buffer.capacity();
            old
        });
        let old = old.count();
        let old: Vec<_> = self.kept.drain(..old).collect();
        self.bytes -= old
            .iter()
            .map(|(buffer, _)| buffer.capacity())
            .sum::<usize>();
        old
    }
}

fn pool() -> MutexGuard<'static, Pool> {
    POOL.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Changes the pool, and drops what it gives up without the lock.
fn change(change: impl FnOnce(&mut Pool) -> Vec<(Vec<u8>, Instant)>) {
    let mut pool = pool();
    let old = change(&mut pool);
    KEEPS.store(!pool.kept.is_empty(), Ordering::Relaxed);
    drop(pool);
    drop(old);
}

/// An empty buffer with room for so many bytes, if there is one.
pub(super) fn take(needed: usize) -> Option<Vec<u8>> {
    pool().take(needed)
}

/// Gives an empty buffer back.
pub(super) fn give(buffer: Vec<u8>) {
    change(|pool| pool.give(buffer, Instant::now()));
}

/// Gives a buffer back into which something was encoded. What is encoded grows by itself and takes none of these, so few
/// are enough for those who read.
pub(super) fn give_some(buffer: Vec<u8>) {
    let enough = pool().has_two_like(buffer.capacity());
    if !enough {
        give(buffer);
    }
}

/// Whether there is anything to [give up](give_up), now or later.
pub(crate) fn keeps_any() -> bool {
    KEEPS.load(Ordering::Relaxed)
}

/// Gives up what nobody has needed for a while. Says when there will be more of that.
pub(crate) fn give_up() -> Option<Instant> {
    let mut oldest = None;
    change(|pool| {
        let old = pool.give_up(Instant::now());
        oldest = pool.kept.first().map(|(_, since)| *since);
        old
    });
    Some(oldest? + UNUSED)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: usize = 1 << 20;

    fn with(sizes: &[usize], now: Instant) -> Pool {
        let mut pool = Pool::new();
        for &size in sizes {
            assert!(pool.give(Vec::with_capacity(size), now).is_empty());
        }
        pool
    }

    fn sizes(pool: &Pool) -> Vec<usize> {
        let sizes: Vec<usize> = pool
            .kept
            .iter()
            .map(|(buffer, _)| buffer.capacity())
            .collect();
        assert_eq!(pool.bytes, sizes.iter().sum::<usize>());
        sizes
    }

    #[test]
    fn the_smallest_that_fits_is_taken_and_none_that_is_much_too_large() {
        let mut pool = with(&[3 * MIB, MIB, 2 * MIB], Instant::now());
        let mut taken = |needed| pool.take(needed).map(|buffer| buffer.capacity());
        assert_eq!(taken(4 * MIB), None);
        assert_eq!(taken(MIB / 3 * 2 - 1), None);
        assert_eq!(taken(2 * MIB - 1), Some(2 * MIB));
        assert_eq!(taken(2 * MIB), Some(3 * MIB));
        assert_eq!(taken(MIB / 4 * 3), Some(MIB));
        assert!(sizes(&pool).is_empty());
    }

    #[test]
    fn the_oldest_make_room_and_what_is_huge_is_not_kept() {
        let now = Instant::now();
        let mut pool = with(&[20 * MIB, 30 * MIB], now);
        assert_eq!(pool.give(Vec::with_capacity(16 * MIB), now).len(), 1);
        assert_eq!(sizes(&pool), [30 * MIB, 16 * MIB]);
        assert_eq!(pool.give(Vec::with_capacity(KEPT_BYTES + 1), now).len(), 1);
        assert_eq!(sizes(&pool), [30 * MIB, 16 * MIB]);
        assert_eq!(pool.give(Vec::with_capacity(KEPT_BYTES), now).len(), 2);
        assert_eq!(sizes(&pool), [KEPT_BYTES]);
        let mut pool = with(&[MIB / 4; KEPT], now);
        assert_eq!(pool.give(Vec::with_capacity(MIB), now).len(), 1);
        assert_eq!(sizes(&pool).len(), KEPT);
    }

    #[test]
    fn of_what_was_encoded_two_are_enough() {
        let mut pool = with(&[MIB, 2 * MIB], Instant::now());
        assert!(!pool.has_two_like(MIB));
        assert!(
            pool.give(Vec::with_capacity(MIB), Instant::now())
                .is_empty()
        );
        assert!(pool.has_two_like(MIB));
        assert!(!pool.has_two_like(2 * MIB));
    }

    #[test]
    fn what_nobody_needs_is_given_up() {
        let now = Instant::now();
        let mut pool = with(&[MIB], now);
        assert!(
            pool.give(Vec::with_capacity(2 * MIB), now + UNUSED / 2)
                .is_empty()
        );
        assert_eq!(pool.give_up(now + UNUSED).len(), 1);
        assert_eq!(sizes(&pool), [2 * MIB]);
        assert_eq!(pool.give_up(now + 2 * UNUSED).len(), 1);
        assert!(sizes(&pool).is_empty());
    }
}
