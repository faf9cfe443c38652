//! What a channel is doing, for those who watch it.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

use crate::close::CloseReason;

/// What a channel is doing.
///
/// ```text
///                  ┌──── lost, pause over, `retry` ────┐
///                  ▼                                   │
///  Connecting ─► Connected      Connecting ◄─► Disconnected
///      │            │                │              │
///      └────────────┴────────────────┴──────────────┴─► Closed
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Status {
    /// A connection is being made.
    Connecting,
    /// There is a connection.
    Connected,
    /// There is none, and another attempt will be made.
    Disconnected {
        /// Why the last one ended, or could not be made.
        reason: Arc<CloseReason>,
        /// The time from then to the next attempt.
        next_attempt: Duration,
    },
    /// It is closed for good.
    Closed(Arc<CloseReason>),
}

impl Status {
    /// Whether there is a connection.
    #[must_use]
    pub fn is_connected(&self) -> bool {
        matches!(self, Self::Connected)
    }

    /// Whether the channel is closed for good.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        matches!(self, Self::Closed(_))
    }
}

/// Watches what a channel is doing; see [`Channel::watch_status`](crate::Channel::watch_status). It
/// does not keep the channel open.
#[derive(Clone, Debug)]
pub struct StatusWatch {
    receiver: watch::Receiver<Status>,
    /// `Closed` was given.
    over: bool,
}

impl StatusWatch {
    pub(crate) fn new(mut receiver: watch::Receiver<Status>) -> Self {
        receiver.mark_changed();
        Self {
            receiver,
            over: false,
        }
    }

    /// The status, at first the one that there is now, then each time that it has changed; `None`
    /// after [`Status::Closed`]. Of several changes that nobody waited for, only the last one is told.
    ///
    /// **Cancel safe.**
    pub async fn next(&mut self) -> Option<Status> {
        if self.over {
            return None;
        }
        let status = match self.receiver.changed().await {
            Ok(()) => self.receiver.borrow_and_update().clone(),
            Err(_) => Status::Closed(Arc::new(CloseReason::RuntimeGone)),
        };
        self.over = status.is_closed();
        Some(status)
    }
}
