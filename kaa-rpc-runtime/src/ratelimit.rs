//! Keeps others from filling the log.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Lets one line a second through, which tells how many were left out before it.
///
/// Whatever the other end of a socket can bring about at will is logged through one of these.
#[derive(Debug, Default)]
pub(crate) struct RateLimit {
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    last: Option<Instant>,
    silent: u64,
}

impl RateLimit {
    pub(crate) const fn new() -> Self {
        Self {
            inner: Mutex::new(Inner {
                last: None,
                silent: 0,
            }),
        }
    }

    /// Whether to log now; if so, how many times it was not since the last time.
    pub(crate) fn report(&self) -> Option<u64> {
        self.report_at(Instant::now())
    }

    fn report_at(&self, now: Instant) -> Option<u64> {
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        if inner
            .last
            .is_some_and(|last| now.duration_since(last) < Duration::from_secs(1))
        {
            inner.silent = inner.silent.saturating_add(1);
            return None;
        }
        inner.last = Some(now);
        Some(std::mem::take(&mut inner.silent))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_can_fill_the_log() {
        let limit = RateLimit::default();
        let start = Instant::now();
        assert_eq!(limit.report_at(start), Some(0));
        for _ in 0..1000 {
            assert_eq!(limit.report_at(start + Duration::from_millis(999)), None);
        }
        assert_eq!(limit.report_at(start + Duration::from_secs(1)), Some(1000));
    }
}
