//! Buffers that are used again, so that a call allocates none.

use std::cell::RefCell;

/// A thread keeps so many buffers …
const KEPT: usize = 16;
/// … of so many bytes at most; larger ones go back to the allocator.
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

/// Gives a buffer back, emptied.
pub(crate) fn give(mut buffer: Vec<u8>) {
    if buffer.capacity() == 0 || buffer.capacity() > KEPT_CAPACITY {
        return;
    }
    buffer.clear();
    let _ = POOL.try_with(|pool| {
        if let Ok(mut pool) = pool.try_borrow_mut()
            && pool.len() < KEPT
        {
            pool.push(buffer);
        }
    });
}

/// The buffer into which drivers read, one a thread: an idle connection owns none.
pub(crate) const READ_CAPACITY: usize = 64 * 1024;

thread_local! {
    static READ: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// The thread's read buffer, [`READ_CAPACITY`] bytes long. A nested taker gets one of its own.
pub(crate) fn take_read() -> Vec<u8> {
    let kept = READ.try_with(|read| {
        read.try_borrow_mut()
            .map(|mut read| std::mem::take(&mut *read))
    });
    let mut buffer = kept.ok().and_then(Result::ok).unwrap_or_default();
    buffer.resize(READ_CAPACITY, 0);
    buffer
}

/// Gives the read buffer back.
pub(crate) fn give_read(buffer: Vec<u8>) {
    let _ = READ.try_with(|read| {
        if let Ok(mut read) = read.try_borrow_mut() {
            *read = buffer;
        }
    });
}
