//! When a channel that lost its connection tries again.

use std::time::Duration;

use tokio::time::Instant;

use crate::open::ConnectError;

/// How a channel gets a new connection when it lost one, or could not be opened.
///
/// After each failure it waits for a time that is chosen at random between nothing and a bound. The
/// bound begins at [`first_pause`](Self::first_pause), doubles with each failure, and grows no further
/// than [`longest_pause`](Self::longest_pause). So the many clients of a server that comes back do not
/// all ask at once. The bound begins anew when a connection has lasted for as long as the longest pause.
///
/// An error that repeating does not mend, such as a wrong secret, is not taken for final: the server
/// may be about to be replaced. But when it comes twice in a row, calls do not wait for the channel any
/// more and fail with that error, and the channel keeps to the longest pause until the error is gone.
///
/// ```
/// # use std::time::Duration;
/// # use kaa_rpc_runtime::Retry;
/// let retry = Retry::default().longest_pause(Duration::from_secs(60)).attempts(100);
/// ```
#[derive(Clone, Debug)]
#[must_use = "it does nothing until it is given to `ChannelBuilder::retry`"]
pub struct Retry {
    first_pause: Duration,
    longest_pause: Duration,
    attempts: Option<u32>,
    give_up_after: Option<Duration>,
    resends: u32,
    seed: Option<u64>,
}

impl Default for Retry {
    /// Pauses of up to 100 milliseconds at first and up to 10 seconds later, for ever. No call is sent
    /// twice.
    fn default() -> Self {
        Self {
            first_pause: Duration::from_millis(100),
            longest_pause: Duration::from_secs(10),
            attempts: None,
            give_up_after: None,
            resends: 0,
            seed: None,
        }
    }
}

impl Retry {
    /// The bound of the first pause; 100 milliseconds by default.
    pub fn first_pause(mut self, pause: Duration) -> Self {
        self.first_pause = pause;
        self
    }

    /// The bound of all pauses; 10 seconds by default.
    pub fn longest_pause(mut self, pause: Duration) -> Self {
        self.longest_pause = pause;
        self
    }

    /// Gives up after so many attempts in a row that failed: the channel is closed. By default it goes
    /// on for ever.
    pub fn attempts(mut self, attempts: u32) -> Self {
        self.attempts = Some(attempts);
        self
    }

    /// Gives up when it has been without a connection for so long: the channel is closed. By default it
    /// goes on for ever. An attempt that is under way then is still waited for, at most as long as opening a
    /// connection may take.
    pub fn give_up_after(mut self, time: Duration) -> Self {
        self.give_up_after = Some(time);
        self
    }

    /// Sends calls whose connection was lost again over the next one, each at most `times` times and
    /// within its deadline: those of `@idempotent` functions
    /// ([`Call::idempotent`](crate::Call::idempotent)), and of others those of which nothing was sent
    /// yet. Other calls are never sent again. Arguments are kept in memory for it until the call ends.
    ///
    /// By default, none are; a call can say otherwise, with [`Call::resend`](crate::Call::resend).
    pub fn resend(mut self, times: u32) -> Self {
        self.resends = times;
        self
    }

    /// Chooses the pauses by this number, so that a test can be repeated. Clients that have the same one
    /// all try at once.
    pub fn seed(mut self, seed: u64) -> Self {
        self.seed = Some(seed);
        self
    }

    pub(crate) fn resends(&self) -> u32 {
        self.resends
    }
}

/// Where a channel is in its attempts.
#[derive(Debug)]
pub(crate) struct Backoff {
    retry: Retry,
    random: Random,
    /// How often the bound was doubled.
    doubled: u32,
    /// So many attempts in a row have failed.
    failed: u32,
    /// Since when there is no connection.
    since: Instant,
    /// The last attempt failed with an error that repeating does not mend.
    permanent: bool,
}

/// What comes after an attempt that failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Next {
    pub(crate) pause: Duration,
    /// It is no use to wait.
    pub(crate) hopeless: bool,
}

impl Backoff {
    /// `seed` is asked for a random number, unless the user gave one.
    pub(crate) fn new<E>(
        retry: Retry,
        seed: impl FnOnce() -> Result<[u8; 8], E>,
    ) -> Result<Self, E> {
        let seed = match retry.seed {
            Some(seed) => seed,
            None => u64::from_le_bytes(seed()?),
        };
        Ok(Self::seeded(retry, seed))
    }

    fn seeded(retry: Retry, seed: u64) -> Self {
        Self {
            retry,
            random: Random(seed),
            doubled: 0,
            failed: 0,
            since: Instant::now(),
            permanent: false,
        }
    }

    /// A connection was lost that had lasted for so long; gives the pause before the next attempt.
    pub(crate) fn lost(&mut self, lasted: Duration) -> Duration {
        self.failed = 0;
        self.permanent = false;
        self.since = Instant::now();
        // A server that accepts and dies at once is not asked more often than one that is not there.
        if lasted >= self.retry.longest_pause {
            self.doubled = 0;
        }
        self.pause()
    }

    /// An attempt failed; `None` if it was the last one.
    pub(crate) fn failed(&mut self, error: &ConnectError) -> Option<Next> {
        self.failed = self.failed.saturating_add(1);
        // A server that dies while it opens a connection looks like one with another secret, once.
        let permanent = !error.may_pass();
        let before = std::mem::replace(&mut self.permanent, permanent);
        let hopeless = permanent && before;
        if self
            .retry
            .attempts
            .is_some_and(|attempts| self.failed >= attempts)
        {
            return None;
        }
        let mut pause = self.pause();
        if hopeless {
            pause = self.retry.longest_pause;
        }
        if let Some(limit) = self.retry.give_up_after {
            let left = limit
                .checked_sub(self.since.elapsed())
                .filter(|left| !left.is_zero())?;
            pause = pause.min(left);
        }
        Some(Next { pause, hopeless })
    }

    fn pause(&mut self) -> Duration {
        let factor = 1_u32.checked_shl(self.doubled).unwrap_or(u32::MAX);
        let bound = self.retry.first_pause.saturating_mul(factor);
        let bound = bound.min(self.retry.longest_pause);
        self.doubled = self.doubled.saturating_add(1);
        bound.mul_f64(self.random.fraction())
    }
}

/// SplitMix64: clients that were started in the same moment must not choose the same pauses, and
/// nobody gains by guessing one.
#[derive(Debug)]
struct Random(u64);

impl Random {
    /// At least 0 and less than 1.
    fn fraction(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^= mixed >> 31;
        // 32 bits are more than a clock tells apart.
        let high = u32::try_from(mixed >> 32).unwrap_or_default();
        f64::from(high) / 4_294_967_296.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use kaa_rpc_proto::handshake::HandshakeError;

    fn gone() -> ConnectError {
        ConnectError::TimedOut(Duration::from_secs(1))
    }

    fn seconds(count: u64) -> Duration {
        Duration::from_secs(count)
    }

    #[tokio::test(start_paused = true)]
    async fn pauses_are_spread_below_a_bound_that_doubles() {
        let retry = Retry::default()
            .first_pause(seconds(1))
            .longest_pause(seconds(8));
        let mut sums = [Duration::ZERO; 6];
        for seed in 0..1000_u64 {
            let mut backoff = Backoff::seeded(retry.clone(), seed);
            for (sum, bound) in sums.iter_mut().zip([1, 2, 4, 8, 8, 8]) {
                let pause = backoff.failed(&gone()).unwrap().pause;
                assert!(pause < seconds(bound), "{pause:?}");
                *sum += pause;
            }
        }
        for (sum, bound) in sums.into_iter().zip([1.0, 2.0, 4.0, 8.0, 8.0, 8.0]) {
            let mean = sum.as_secs_f64() / 1000.0 / bound;
            assert!((0.45..0.55).contains(&mean), "{mean}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn the_bound_begins_anew_only_after_a_connection_that_lasted() {
        let retry = Retry::default()
            .first_pause(seconds(1))
            .longest_pause(seconds(64));
        for (lasted, bound) in [(seconds(63), seconds(64)), (seconds(64), seconds(1))] {
            let mut longest = Duration::ZERO;
            for seed in 0..200_u64 {
                let mut backoff = Backoff::seeded(retry.clone(), seed);
                for _ in 0..10 {
                    backoff.failed(&gone());
                }
                longest = longest.max(backoff.lost(lasted));
            }
            assert!(
                longest < bound && longest > bound.mul_f64(0.8),
                "{longest:?}"
            );
        }
    }

    #[tokio::test(start_paused = true)]
    async fn it_gives_up_after_so_many_attempts_in_a_row() {
        let mut backoff = Backoff::seeded(Retry::default().attempts(3), 1);
        for _ in 0..2 {
            assert!(backoff.failed(&gone()).is_some());
        }
        backoff.lost(Duration::ZERO);
        for _ in 0..2 {
            assert!(backoff.failed(&gone()).is_some());
        }
        assert_eq!(backoff.failed(&gone()), None);
    }

    #[tokio::test(start_paused = true)]
    async fn it_gives_up_after_so_much_time() {
        let retry = Retry::default()
            .first_pause(seconds(60))
            .longest_pause(seconds(60));
        let mut backoff = Backoff::seeded(retry.give_up_after(seconds(100)), 1);
        let began = Instant::now();
        while let Some(next) = backoff.failed(&gone()) {
            tokio::time::sleep(next.pause).await;
        }
        let elapsed = began.elapsed();
        assert!(
            elapsed >= seconds(100) && elapsed < seconds(101),
            "{elapsed:?}"
        );
    }

    #[tokio::test(start_paused = true)]
    async fn what_repeating_does_not_mend_counts_from_the_second_time_in_a_row() {
        let refused = || ConnectError::Handshake(HandshakeError::Refused);
        let mut backoff = Backoff::seeded(Retry::default(), 1);
        assert!(!backoff.failed(&refused()).unwrap().hopeless);
        assert!(!backoff.failed(&gone()).unwrap().hopeless);
        assert!(!backoff.failed(&refused()).unwrap().hopeless);
        let hopeless = Next {
            pause: seconds(10),
            hopeless: true,
        };
        assert_eq!(backoff.failed(&refused()), Some(hopeless));
        assert_eq!(backoff.failed(&refused()), Some(hopeless));
        assert!(!backoff.failed(&gone()).unwrap().hopeless);
    }

    #[tokio::test(start_paused = true)]
    async fn any_number_of_failures_is_survived() {
        let retry = Retry::default()
            .first_pause(Duration::MAX)
            .longest_pause(Duration::MAX);
        let mut backoff = Backoff::seeded(retry, u64::MAX);
        for _ in 0..100 {
            assert!(backoff.failed(&gone()).is_some());
        }
    }
}
