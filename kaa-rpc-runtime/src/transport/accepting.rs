//! What a failed `accept` means, for all kinds of listeners.

use std::io;
use std::time::Duration;

use rustix::io::Errno;

use crate::ratelimit::RateLimit;

/// What a failed `accept` means.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum AcceptFailure {
    /// Nobody waits.
    Empty,
    /// This connection is gone; the next may be fine.
    Next,
    /// The system is short of something; that may pass.
    Exhausted,
    /// The listening socket itself is broken.
    Broken,
}

pub(super) fn classify(error: Errno) -> AcceptFailure {
    match error {
        // The same number on most systems, but not on all.
        error if error == Errno::AGAIN || error == Errno::WOULDBLOCK => AcceptFailure::Empty,
        // What became of the connection before it was accepted; Linux tells more of it than others.
        Errno::CONNABORTED
        | Errno::INTR
        | Errno::NETDOWN
        | Errno::PROTO
        | Errno::NOPROTOOPT
        | Errno::HOSTDOWN
        | Errno::HOSTUNREACH
        | Errno::NETUNREACH
        | Errno::OPNOTSUPP => AcceptFailure::Next,
        Errno::BADF | Errno::INVAL | Errno::NOTSOCK | Errno::FAULT => AcceptFailure::Broken,
        // MFILE, NFILE, NOBUFS, NOMEM; and what a system reports beyond its documentation, for which
        // a server should not end.
        _ => AcceptFailure::Exhausted,
    }
}

/// How long to wait after `accept` failed: 50 ms, doubled each time up to a second.
#[derive(Default)]
pub(super) struct Pause {
    failures: u32,
}

impl Pause {
    /// Tells the log of a failure, and waits: a crowd that takes all descriptors brings it about again and
    /// again.
    pub(super) async fn after(&mut self, error: &io::Error) {
        static FAILED: RateLimit = RateLimit::new();
        let pause = self.next();
        if let Some(more) = FAILED.report() {
            tracing::warn!(%error, ?pause, more, "cannot accept a connection; trying again");
        }
        tokio::time::sleep(pause).await;
    }

    const FIRST: Duration = Duration::from_millis(50);
    const LONGEST: Duration = Duration::from_secs(1);

    pub(super) fn next(&mut self) -> Duration {
        let pause = Self::FIRST.saturating_mul(1 << self.failures.min(8));
        self.failures = self.failures.saturating_add(1);
        pause.min(Self::LONGEST)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hostile_46_only_a_broken_listener_ends_accepting() {
        for error in [
            Errno::MFILE,
            Errno::NFILE,
            Errno::NOBUFS,
            Errno::NOMEM,
            Errno::PERM,
        ] {
            assert_eq!(classify(error), AcceptFailure::Exhausted, "{error}");
        }
        for error in [
            Errno::CONNABORTED,
            Errno::INTR,
            Errno::HOSTUNREACH,
            Errno::OPNOTSUPP,
        ] {
            assert_eq!(classify(error), AcceptFailure::Next, "{error}");
        }
        assert_eq!(classify(Errno::AGAIN), AcceptFailure::Empty);
        assert_eq!(classify(Errno::BADF), AcceptFailure::Broken);
    }

    #[test]
    fn hostile_46_pauses_double_up_to_a_second() {
        let mut pause = Pause::default();
        let pauses: Vec<_> = (0..7).map(|_| pause.next().as_millis()).collect();
        assert_eq!(pauses, [50, 100, 200, 400, 800, 1000, 1000]);
    }
}
