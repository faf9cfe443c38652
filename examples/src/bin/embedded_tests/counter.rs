//! What is served.

use std::sync::atomic::{AtomicU32, Ordering};

use kaa_examples::tally::{CountError, Counting, TallyPeer};
use kaa_rpc_runtime::{Context, Outcome};

#[derive(Default)]
pub(crate) struct Counter {
    sum: AtomicU32,
}

impl Counting for Counter {
    async fn add(&self, cx: &Context, by: u32) -> Outcome<u32, CountError> {
        let add = |sum: u32| sum.checked_add(by);
        let before = self
            .sum
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, add);
        let sum = before.map_err(|_| CountError::Overflow)? + by;
        cx.clients()
            .broadcast(|client: &TallyPeer| client.watching.changed(sum).start());
        Ok(sum)
    }
}
