//! Buffers that are used again, so that a call allocates none.

mod large;

use std::cell::RefCell;

use bytes::Bytes;
use kaa_rpc_proto::Buffers;
use kaa_rpc_proto::msgpack::Owner;

pub(crate) use large::{UNUSED, give_up, keeps_any};

/// A thread keeps so many buffers …
const KEPT: usize = 16;
/// … of so many bytes at most.
const KEPT_CAPACITY: usize = 64 * 1024;

thread_local! {
    static POOL: RefCell<Vec<Vec<u8>>> = const { RefCell::new(Vec::new()) };
}

/// An empty buffer.
pub(crate) fn take() -> Vec<u8> {
    // A thread that is ending has no pool any more.
    POOL.try_with(|pool| pool.try_borrow_mut().ok().and_then(|mut pool| pool.pop()))
        .ok()
        .flatten()
        .unwrap_or_default()
}

/// An empty buffer for so many bytes, perhaps with room already: at most for half as many again, as what is kept in it
/// may be kept for long.
pub(crate) fn take_large(needed: usize) -> Vec<u8> {
    large::take(needed).unwrap_or_default()
}

/// Gives a buffer back, emptied.
pub(crate) fn give(mut buffer: Vec<u8>) {
    buffer.clear();
    match buffer.capacity() {
        0 => {}
        1..=KEPT_CAPACITY => give_small(buffer),
        _ => large::give(buffer),
    }
}

/// Gives a buffer back that was written.
fn give_written(mut buffer: Vec<u8>) {
    if buffer.capacity() <= KEPT_CAPACITY {
        give(buffer);
    } else {
        buffer.clear();
        large::give_some(buffer);
    }
}

fn give_small(buffer: Vec<u8>) {
    let _ = POOL.try_with(|pool| {
        if let Ok(mut pool) = pool.try_borrow_mut()
            && pool.len() < KEPT
        {
            pool.push(buffer);
        }
    });
}

/// A buffer that several share. When the last part of it is dropped, it goes back.
struct Shared(Vec<u8>);

impl AsRef<[u8]> for Shared {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        give(std::mem::take(&mut self.0));
    }
}

/// A buffer of which what is decoded may keep a part.
pub(crate) fn share(buffer: Vec<u8>) -> Owner {
    let holds = buffer.capacity();
    Owner::new(Bytes::from_owner(Shared(buffer)), holds)
}

/// For what connections write: an idle one owns no buffer.
pub(crate) const OUTPUT: Buffers = Buffers {
    take,
    give: give_written,
};

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

    /// In a thread of its own, whose pool is empty.
    #[test]
    fn a_thread_keeps_few_buffers_and_no_large_ones() {
        let kept = std::thread::spawn(|| {
            for _ in 0..2 * KEPT {
                for size in [0, 100, KEPT_CAPACITY, KEPT_CAPACITY + 1] {
                    give(Vec::with_capacity(size));
                }
            }
            let buffers = std::iter::repeat_with(take).take_while(|buffer| buffer.capacity() > 0);
            let buffers: Vec<_> = buffers.collect();
            assert!(
                buffers
                    .iter()
                    .all(|buffer| buffer.capacity() <= KEPT_CAPACITY)
            );
            buffers.len()
        });
        assert_eq!(kept.join().unwrap(), KEPT);
    }

    #[test]
    fn a_buffer_comes_back_when_no_part_of_it_is_left() {
        // No other test has one of this size.
        const SIZE: usize = 48 << 20;
        let mut buffer = Vec::with_capacity(SIZE);
        buffer.extend_from_slice(&[1, 2, 3]);
        let address = buffer.as_ptr();
        let owner = share(buffer);
        let part = owner.bytes().slice(1..);
        drop(owner);
        assert_eq!(take_large(SIZE).capacity(), 0);
        assert_eq!(part[..], [2, 3]);
        drop(part);
        let buffer = take_large(SIZE);
        assert_eq!(buffer.as_ptr(), address);
        assert!(buffer.is_empty());
    }
}
