//! Whose a slice is that serde passes on.
//!
//! Between a value and a format, serde has room for slices only. So whoever owns a slice lends itself to this thread
//! while it is passed on, and whoever gets a large slice asks whether it belongs to what is lent. Only where it lies
//! tells that, so a wrapper or another format in between does no harm: a slice of something else is copied.

use std::cell::Cell;

use bytes::Bytes;

thread_local! {
    static LENT: Cell<Option<Lent>> = const { Cell::new(None) };
}

struct Lent {
    owner: Bytes,
    /// So many bytes of memory stay as long as a part of it does.
    holds: usize,
}

/// Lends `owner`, which keeps `holds` bytes of memory, while `within` runs: a [`Bytes`](super::Bytes) that is decoded
/// out of it becomes a part of it, if it is [large](crate::LARGE_PAYLOAD) and at least half of that memory.
pub fn lend<R>(owner: Bytes, holds: usize, within: impl FnOnce() -> R) -> R {
    let _lent = Restore(replace(Some(Lent { owner, holds })));
    within()
}

/// What was lent before is lent again, however it ends.
struct Restore(Option<Lent>);

impl Drop for Restore {
    fn drop(&mut self) {
        replace(self.0.take());
    }
}

fn replace(lent: Option<Lent>) -> Option<Lent> {
    // A thread that is ending lends nothing any more.
    LENT.try_with(|cell| cell.replace(lent)).ok().flatten()
}

/// The same bytes as part of their owner, if that is lent, and they are enough of it.
pub(crate) fn owned(slice: &[u8]) -> Option<Bytes> {
    let lent = replace(None)?;
    let part = part(&lent, slice);
    replace(Some(lent));
    part
}

fn part(lent: &Lent, slice: &[u8]) -> Option<Bytes> {
    let start = slice.as_ptr().addr();
    let start = start.checked_sub(lent.owner.as_ptr().addr())?;
    let end = start.checked_add(slice.len())?;
    let enough = slice.len() >= lent.holds.div_ceil(2);
    (enough && end <= lent.owner.len()).then(|| lent.owner.slice(start..end))
}
