//! One connection of a channel.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use super::shared::Shared;
use crate::peer::Peer;

/// One connection of a channel, as its handlers know it: who called, and where their answers go. If
/// the channel has got another connection meanwhile, they go nowhere.
pub(crate) struct Session {
    shared: Arc<Shared>,
    /// Counts the connections of the channel, from 1.
    number: u64,
    peer: Arc<Peer>,
    /// Calls behind interceptors that could not be run, and were not counted yet.
    bad_calls: AtomicU32,
}

impl Session {
    pub(super) fn new(shared: Arc<Shared>, number: u64, peer: Arc<Peer>) -> Self {
        Self {
            shared,
            number,
            peer,
            bad_calls: AtomicU32::new(0),
        }
    }

    pub(crate) fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }

    pub(super) fn number(&self) -> u64 {
        self.number
    }

    pub(super) fn add_bad_call(&self) {
        self.bad_calls.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn take_bad_calls(&self) -> u32 {
        self.bad_calls.swap(0, Ordering::Relaxed)
    }

    pub(crate) fn peer(&self) -> &Peer {
        &self.peer
    }
}
