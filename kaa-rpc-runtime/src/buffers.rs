//! Buffers that are used again, so that a call allocates none.

use std::cell::RefCell;

use kaa_rpc_proto::Buffers;

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
