//! One connection of a channel.

use std::sync::Arc;

use super::shared::Shared;
use crate::peer::Peer;

/// One connection of a channel, as its handlers know it: who called, and where their answers go. If
/// the channel has got another connection meanwhile, they go nowhere.
pub(crate) struct Session {
    shared: Arc<Shared>,
    /// Counts the connections of the channel, from 1.
    number: u64,
    peer: Arc<Peer>,
}

impl Session {
    pub(super) fn new(shared: Arc<Shared>, number: u64, peer: Arc<Peer>) -> Self {
        Self {
            shared,
            number,
            peer,
        }
    }

    pub(crate) fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }

    pub(super) fn number(&self) -> u64 {
        self.number
    }

    pub(crate) fn peer(&self) -> &Peer {
        &self.peer
    }
}
