//! Whose a slice is that serde passes on.
//!
//! Between a value and a format, serde has room for slices only. So whoever owns a slice lends itself to this thread
//! while it is passed on, and whoever gets a large slice asks whether it belongs to what is lent. Only where it lies
//! tells that, so a wrapper or another format in between does no harm: a slice of something else is copied.

use std::cell::Cell;

use bytes::Bytes;

thread_local! {
    static LENT: Cell<Option<Owner>> = const { Cell::new(None) };
}

/// Bytes of which parts can be shared that go through serde, while they are [lent](Self::lend) to it.
#[derive(Clone, Debug)]
pub struct Owner {
    bytes: Bytes,
    /// So many bytes of memory stay as long as a part does.
    holds: usize,
}

impl Owner {
    /// The owner of `bytes`, which keeps `holds` bytes of memory.
    #[must_use]
    pub fn new(bytes: Bytes, holds: usize) -> Self {
        Self { bytes, holds }
    }

    /// What it owns.
    #[must_use]
    pub fn bytes(&self) -> &Bytes {
        &self.bytes
    }

    /// Lends it to this thread while `within` runs: a [`Bytes`](super::Bytes) that is decoded out of it becomes a part of
    /// it, if it is [large](crate::LARGE_PAYLOAD) and at least half of the memory that it keeps.
    pub fn lend<R>(&self, within: impl FnOnce() -> R) -> R {
        let _lent = Restore(replace(Some(self.clone())));
        within()
    }

    /// The owner of `slice`, if that is a part of what is lent and enough of it to be shared.
    #[must_use]
    pub fn of(slice: &[u8]) -> Option<Self> {
        let lent = replace(None)?;
        let owner = lent.part(slice).map(|bytes| Self {
            bytes,
            holds: lent.holds,
        });
        replace(Some(lent));
        owner
    }

    fn part(&self, slice: &[u8]) -> Option<Bytes> {
        let start = slice.as_ptr().addr();
        let start = start.checked_sub(self.bytes.as_ptr().addr())?;
        let end = start.checked_add(slice.len())?;
        let enough = slice.len() >= self.holds.div_ceil(2);
        (enough && end <= self.bytes.len()).then(|| self.bytes.slice(start..end))
    }
}

/// What was lent before is lent again, however it ends.
struct Restore(Option<Owner>);

impl Drop for Restore {
    fn drop(&mut self) {
        replace(self.0.take());
    }
}

fn replace(lent: Option<Owner>) -> Option<Owner> {
    // A thread that is ending lends nothing any more.
    LENT.try_with(|cell| cell.replace(lent)).ok().flatten()
}

/// The same bytes as part of their owner, if that is lent, and they are enough of it.
pub(crate) fn owned(slice: &[u8]) -> Option<Bytes> {
    Owner::of(slice).map(|owner| owner.bytes)
}
