//! Observing the channels that are opened.

use std::marker::PhantomData;
use std::sync::Weak;

use tokio::sync::broadcast;

use crate::channel::Channel;
use crate::connection::Shared;

/// A subscriber of [`Server::client_connected`] that is so many channels behind misses the oldest.
pub(super) const CONNECTED: usize = 1024;

/// New channels of a [`Server`](crate::Server), one after the other.
#[derive(Debug)]
pub struct ClientConnected<P = Channel> {
    receiver: broadcast::Receiver<Weak<Shared>>,
    marker: PhantomData<fn() -> P>,
}

impl<P> ClientConnected<P> {
    pub(super) fn new(receiver: broadcast::Receiver<Weak<Shared>>) -> Self {
        Self {
            receiver,
            marker: PhantomData,
        }
    }
}

impl<P: From<Channel>> ClientConnected<P> {
    /// The next new channel; `None` when the server is gone. Channels that are closed before anybody
    /// looks are left out, and so are the oldest if more than 1024 wait.
    ///
    /// **Cancel safe.**
    pub async fn next(&mut self) -> Option<P> {
        loop {
            match self.receiver.recv().await {
                Ok(shared) => {
                    if let Some(shared) = shared.upgrade() {
                        return Some(P::from(Channel::from_shared(shared)));
                    }
                }
                Err(broadcast::error::RecvError::Lagged(missed)) => {
                    tracing::warn!(missed, "an observer of new channels was too slow");
                }
                Err(broadcast::error::RecvError::Closed) => return None,
            }
        }
    }
}
