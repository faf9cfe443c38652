//! How far the other end is behind.

/// How far the other end of a channel is behind with the calls of this one; see [`crate::Channel::lag`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Lag {
    /// So many calls, oneway ones too, were sent and have not ended there.
    pub in_flight: u32,
    /// So many events of [`Server::broadcast`](crate::Server::broadcast) wait at this end for room in its window.
    pub waiting: usize,
    /// So many events were dropped since the channel opened, because too many waited or for their timeouts.
    pub dropped: u64,
}
