//! Buffers that are used again, so that a call allocates none.

use std::cell::RefCell;
use std::thread::LocalKey;

use kaa_rpc_proto::Buffers;

/// A thread keeps so many buffers …
const KEPT: usize = 16;
/// … of so many bytes at most.
const KEPT_CAPACITY: usize = 64 * 1024;

/// Of larger ones, a thread keeps so many …
const KEPT_LARGE: usize = 2;
/// … of so many bytes at most; what is larger still goes back to the allocator. Without them, glibc's allocator gave
/// each to the system and got it back page by page: an echo of 1 MiB took more than twice as long.
const KEPT_LARGE_CAPACITY: usize = 2 << 20;

thread_local! {
    static POOL: RefCell<Vec<Vec<u8>>> = const { RefCell::new(Vec::new()) };
    static LARGE: RefCell<Vec<Vec<u8>>> = const { RefCell::new(Vec::new()) };
}

type Pool = RefCell<Vec<Vec<u8>>>;

fn take_from(pool: &'static LocalKey<Pool>) -> Vec<u8> {
    // A thread that is ending has no pool any more.
    pool.try_with(|pool| pool.try_borrow_mut().ok().and_then(|mut pool| pool.pop()))
        .ok()
        .flatten()
        .unwrap_or_default()
}

fn give_to(pool: &'static LocalKey<Pool>, most: usize, buffer: Vec<u8>) {
    let _ = pool.try_with(|pool| {
        if let Ok(mut pool) = pool.try_borrow_mut()
            && pool.len() < most
        {
            pool.push(buffer);
        }
    });
}

/// An empty buffer.
pub(crate) fn take() -> Vec<u8> {
    take_from(&POOL)
}

/// An empty buffer for so many bytes, perhaps with room already: at most for three times as many, as what is kept in it
/// may be kept for long.
pub(crate) fn take_large(needed: usize) -> Vec<u8> {
    let buffer = take_from(&LARGE);
    if buffer.capacity() / 3 <= needed {
        return buffer;
    }
    give(buffer);
    Vec::new()
}

/// Gives a buffer back, emptied.
pub(crate) fn give(mut buffer: Vec<u8>) {
    buffer.clear();
    let capacity = buffer.capacity();
    if capacity > KEPT_LARGE_CAPACITY || capacity == 0 {
        return;
    }
    if capacity > KEPT_CAPACITY {
        give_to(&LARGE, KEPT_LARGE, buffer);
    } else {
        give_to(&POOL, KEPT, buffer);
    }
}

/// For what connections write: an idle one owns no buffer.
pub(crate) const OUTPUT: Buffers = Buffers { take, give };

/// The buffer into which drivers read, one a thread: an idle connection owns none.
pub(crate) const READ_CAPACITY: usize = 64 * 1024;

thread_local! {
    static READ: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// The thread's read buffer: empty, with room for [`READ_CAPACITY`] bytes. A nested taker gets one of its own.
pub(crate) fn take_read() -> Vec<u8> {
    let kept = READ.try_with(|read| {
        read.try_borrow_mut()
            .map(|mut read| std::mem::take(&mut *read))
    });
    let mut buffer = kept.ok().and_then(Result::ok).unwrap_or_default();
    buffer.reserve_exact(READ_CAPACITY);
    buffer
}

/// Gives the read buffer back.
pub(crate) fn give_read(mut buffer: Vec<u8>) {
    buffer.clear();
    let _ = READ.try_with(|read| {
        if let Ok(mut read) = read.try_borrow_mut() {
            *read = buffer;
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    /// In a thread of its own, whose pools are empty.
    #[test]
    fn a_thread_keeps_few_buffers_and_no_huge_ones() {
        let kept = std::thread::spawn(|| {
            let sizes = [
                0,
                100,
                KEPT_CAPACITY,
                KEPT_CAPACITY + 1,
                KEPT_LARGE_CAPACITY,
            ];
            for _ in 0..2 * KEPT {
                for size in sizes {
                    give(Vec::with_capacity(size));
                }
            }
            give(Vec::with_capacity(KEPT_LARGE_CAPACITY + 1));
            let count = |take: fn() -> Vec<u8>, within: usize| {
                let buffers: Vec<_> = std::iter::repeat_with(take)
                    .take_while(|buffer| buffer.capacity() > 0)
                    .collect();
                assert!(buffers.iter().all(|buffer| buffer.capacity() <= within));
                buffers.len()
            };
            assert_eq!(take_large(KEPT_CAPACITY / 3 - 1).capacity(), 0);
            let large = count(|| take_large(KEPT_LARGE_CAPACITY), KEPT_LARGE_CAPACITY);
            (count(take, KEPT_CAPACITY), large)
        });
        assert_eq!(kept.join().unwrap(), (KEPT, KEPT_LARGE));
    }
}
