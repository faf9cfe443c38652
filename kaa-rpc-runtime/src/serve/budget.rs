//! How many calls that cannot be run are put up with.

use tokio::time::Instant;

/// Holds up to `burst` tokens and gets `per_second` new ones. The clock is read only when one is taken.
#[derive(Debug)]
pub(crate) struct Budget {
    burst: u32,
    per_second: u32,
    left: f64,
    since: Option<Instant>,
    spent: bool,
}

impl Budget {
    pub(crate) fn new((burst, per_second): (u32, u32)) -> Self {
        Self {
            burst,
            per_second,
            left: f64::from(burst),
            since: None,
            spent: false,
        }
    }

    pub(crate) fn take(&mut self) {
        let now = Instant::now();
        if let Some(since) = self.since.replace(now) {
            let more =
                now.saturating_duration_since(since).as_secs_f64() * f64::from(self.per_second);
            self.left = (self.left + more).min(f64::from(self.burst));
        }
        if self.left < 1.0 {
            self.spent = true;
        } else {
            self.left -= 1.0;
        }
    }

    /// Whether one was taken that was not there.
    pub(crate) fn is_spent(&self) -> bool {
        self.spent
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_burst_and_then_so_many_each_second() {
        let mut budget = Budget::new((10, 2));
        for _ in 0..10 {
            budget.take();
        }
        for _ in 0..20 {
            tokio::time::advance(Duration::from_millis(500)).await;
            budget.take();
            assert!(!budget.is_spent());
        }
        // Time without any does not add up beyond the burst.
        tokio::time::advance(Duration::from_secs(1000)).await;
        for _ in 0..10 {
            budget.take();
            assert!(!budget.is_spent());
        }
        budget.take();
        assert!(budget.is_spent());
    }
}
