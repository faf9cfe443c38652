//! What is to happen in time, whatever calls there are: the other end must read, finish its frames and live; large
//! buffers are given up.

use std::time::Duration;

use tokio::time::Instant;

use super::callers::earlier;
use crate::buffers;
use crate::close::CloseReason;
use crate::side::{Keepalive, Patience};

/// A frame that is on its way gets one second more for so many bytes that have come.
const BYTES_A_SECOND: u64 = 64 * 1024;

/// The driver tells what happens; from time to time it asks what that means.
///
/// Nothing here costs a call anything: the clock is read where the driver reads it anyway, or waits,
/// and the timer is set again only when it fires, not each time that something happens.
pub(super) struct Vigil {
    write_timeout: Duration,
    frame_timeout: Duration,
    keepalive: Option<Keepalive>,
    /// When something was read last, or a write that had been stuck went on.
    alive: Instant,
    /// When the ping was sent that would be answered if the other end lived.
    pinged: Option<Instant>,
    /// Since when a frame is there in part.
    frame: Option<Instant>,
    /// Since when the socket takes nothing of what is to be written.
    stuck: Option<Instant>,
    /// When large buffers are given up that nobody needed meanwhile.
    tidies: Option<Instant>,
    /// When to ask at the latest.
    due: Option<Instant>,
}

/// What is to be done about the other end.
pub(super) enum Verdict {
    /// Nothing.
    Fine,
    /// Ask it whether it lives.
    Ping,
    /// Its time is over.
    Over(CloseReason),
}

impl Vigil {
    /// `network`: the other end may vanish without a sign.
    pub(super) fn new(patience: &Patience, network: bool) -> Self {
        let mut vigil = Self {
            write_timeout: patience.write_timeout,
            frame_timeout: patience.frame_timeout,
            keepalive: patience.keepalive(network),
            alive: Instant::now(),
            pinged: None,
            frame: None,
            stuck: None,
            tidies: None,
            due: None,
        };
        // Finds out when that is.
        vigil.judge(vigil.alive, 0);
        vigil
    }

    /// When to ask at the latest.
    pub(super) fn due(&self) -> Option<Instant> {
        self.due
    }

    /// Something was read.
    pub(super) fn read(&mut self, now: Instant) {
        self.alive = now;
    }

    /// All frames that came were handled, but for the beginning of one if `partial`.
    pub(super) fn handled(&mut self, now: Instant, partial: bool) {
        self.frame = partial.then_some(now);
        if partial {
            self.expect(now, self.frame_timeout);
        }
    }

    /// The socket takes nothing now.
    pub(super) fn stuck(&mut self) {
        if self.stuck.is_none() {
            let now = Instant::now();
            self.stuck = Some(now);
            self.expect(now, self.write_timeout);
        }
    }

    /// The socket took something.
    pub(super) fn wrote(&mut self) {
        if self.stuck.take().is_some() {
            self.alive = Instant::now();
        }
    }

    /// The process keeps large buffers: when nobody has needed them for a while, they are to go, also if nothing
    /// happens any more.
    pub(super) fn tidy_later(&mut self) {
        if self.tidies.is_none() {
            let at = Instant::now() + buffers::UNUSED;
            self.tidies = Some(at);
            self.due = earlier(self.due, self.tidies);
        }
    }

    fn tidy(&mut self, now: Instant) {
        if self.tidies.is_some_and(|at| at <= now) {
            self.tidies = buffers::give_up();
        }
        self.due = earlier(self.due, self.tidies);
    }

    /// The time in which this end did not run, because its process was stopped or the machine asleep, is
    /// not the other end's.
    fn excuse(&mut self, now: Instant) {
        let Some(due) = self.due.take() else { return };
        let overslept = now.saturating_duration_since(due);
        if overslept > Duration::from_secs(1) {
            for since in [&mut self.stuck, &mut self.frame].into_iter().flatten() {
                *since += overslept;
            }
        }
    }

    fn expect(&mut self, since: Instant, limit: Duration) {
        // A time that is too far to be told never comes.
        self.due = earlier(self.due, since.checked_add(limit));
    }

    /// `received`: how much there is of a frame that is there in part.
    pub(super) fn judge(&mut self, now: Instant, received: usize) -> Verdict {
        self.excuse(now);
        self.tidy(now);
        if let Some(since) = self.stuck {
            if is_over(since, self.write_timeout, now) {
                return Verdict::Over(CloseReason::WriteTimedOut(self.write_timeout));
            }
            self.expect(since, self.write_timeout);
        }
        if let Some(since) = self.frame {
            let milliseconds = received as u64 * 1000 / BYTES_A_SECOND;
            let earned = Duration::from_millis(milliseconds);
            let limit = self.frame_timeout.saturating_add(earned);
            if is_over(since, limit, now) {
                return Verdict::Over(CloseReason::FrameTimedOut(limit));
            }
            self.expect(since, limit);
        }
        match self.keepalive {
            Some(keepalive) => self.judge_life(keepalive, now),
            None => Verdict::Fine,
        }
    }

    fn judge_life(&mut self, keepalive: Keepalive, now: Instant) -> Verdict {
        let Keepalive { interval, limit } = keepalive;
        match self.pinged.filter(|pinged| *pinged > self.alive) {
            Some(pinged) if is_over(pinged, limit, now) => {
                let silence = now.saturating_duration_since(self.alive);
                Verdict::Over(CloseReason::Unresponsive(silence))
            }
            Some(pinged) => {
                self.expect(pinged, limit);
                Verdict::Fine
            }
            None if is_over(self.alive, interval, now) => {
                self.pinged = Some(now);
                self.expect(now, limit);
                Verdict::Ping
            }
            None => {
                self.expect(self.alive, interval);
                Verdict::Fine
            }
        }
    }
}

fn is_over(since: Instant, limit: Duration, now: Instant) -> bool {
    now.saturating_duration_since(since) >= limit
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::side::KeepaliveSetting;

    const SECOND: Duration = Duration::from_secs(1);

    fn vigil(keepalive: Option<(u32, u32)>) -> (Vigil, Instant) {
        let setting = keepalive.map_or(KeepaliveSetting::Off, |(interval, limit)| {
            KeepaliveSetting::On(Keepalive {
                interval: interval * SECOND,
                limit: limit * SECOND,
            })
        });
        let patience = Patience {
            write_timeout: 30 * SECOND,
            frame_timeout: 30 * SECOND,
            keepalive: setting,
            ..Patience::default()
        };
        let vigil = Vigil::new(&patience, true);
        let start = vigil.alive;
        (vigil, start)
    }

    /// Asks each second whether something is to be done, as a timer that fires too often would.
    fn first_verdict(vigil: &mut Vigil, start: Instant, received: usize) -> (u32, Verdict) {
        for second in 0..10_000 {
            match vigil.judge(start + second * SECOND, received) {
                Verdict::Fine => {}
                verdict => return (second, verdict),
            }
        }
        panic!("nothing is ever to be done")
    }

    #[test]
    fn an_end_that_did_not_run_holds_nothing_against_the_other() {
        let (mut vigil, start) = vigil(None);
        vigil.handled(start, true);
        // Stopped for ten minutes, then running again: the frame has what was left of its time.
        let later = start + 600 * SECOND;
        assert!(matches!(vigil.judge(later, 1000), Verdict::Fine));
        assert!(matches!(
            vigil.judge(later + SECOND, 1000),
            Verdict::Over(CloseReason::FrameTimedOut(_))
        ));
    }

    #[test]
    fn without_keepalive_an_idle_channel_needs_no_timer() {
        let (mut vigil, start) = vigil(None);
        assert_eq!(vigil.due(), None);
        assert!(matches!(
            vigil.judge(start + 1000 * SECOND, 0),
            Verdict::Fine
        ));
        assert_eq!(vigil.due(), None);
    }

    #[test]
    fn a_silent_end_is_asked_and_then_given_up() {
        let (mut vigil, start) = vigil(Some((10, 5)));
        assert_eq!(vigil.due(), Some(start + 10 * SECOND));
        let (second, verdict) = first_verdict(&mut vigil, start, 0);
        assert!(second == 10 && matches!(verdict, Verdict::Ping));
        assert_eq!(vigil.due(), Some(start + 15 * SECOND));
        // Anything that comes is an answer.
        vigil.read(start + 14 * SECOND);
        assert!(matches!(vigil.judge(start + 15 * SECOND, 0), Verdict::Fine));
        assert_eq!(vigil.due(), Some(start + 24 * SECOND));
        let asked = vigil.judge(start + 24 * SECOND, 0);
        assert!(matches!(asked, Verdict::Ping));
        let over = vigil.judge(start + 29 * SECOND, 0);
        let Verdict::Over(CloseReason::Unresponsive(silence)) = over else {
            panic!("it lives on")
        };
        assert_eq!(silence, 15 * SECOND);
    }

    #[test]
    fn a_busy_channel_asks_nothing_and_leaves_the_timer_alone() {
        let (mut vigil, start) = vigil(Some((10, 5)));
        for second in 0..1000 {
            let now = start + second * SECOND;
            vigil.read(now);
            let due = vigil.due();
            assert!(due >= Some(now), "{second}");
            if due == Some(now) {
                assert!(matches!(vigil.judge(now, 0), Verdict::Fine));
                assert_eq!(vigil.due(), Some(now + 10 * SECOND));
            }
        }
    }

    #[test]
    fn what_is_written_after_being_stuck_is_a_sign_of_life() {
        let (mut vigil, start) = vigil(Some((10, 5)));
        vigil.stuck = Some(start);
        assert!(matches!(vigil.judge(start + 10 * SECOND, 0), Verdict::Ping));
        vigil.stuck = Some(start);
        vigil.wrote();
        vigil.alive = start + 12 * SECOND;
        assert!(matches!(vigil.judge(start + 15 * SECOND, 0), Verdict::Fine));
    }

    #[test]
    fn a_write_that_is_stuck_has_its_time_and_begins_anew_when_it_goes_on() {
        let (mut vigil, _) = vigil(None);
        vigil.stuck();
        let since = vigil.stuck.unwrap();
        assert_eq!(vigil.due(), Some(since + 30 * SECOND));
        let (second, verdict) = first_verdict(&mut vigil, since, 0);
        let named = CloseReason::WriteTimedOut(30 * SECOND).to_string();
        assert!(matches!(verdict, Verdict::Over(reason) if reason.to_string() == named));
        assert_eq!(second, 30);
        vigil.wrote();
        assert!(matches!(
            vigil.judge(since + 1000 * SECOND, 0),
            Verdict::Fine
        ));
    }

    #[test]
    fn hostile_16_a_frame_that_trickles_does_not_stretch_its_time() {
        let (mut vigil, start) = vigil(None);
        vigil.handled(start, true);
        for second in 0..30 {
            // A byte each second, and each is a sign of life, but no more.
            vigil.read(start + second * SECOND);
            let verdict = vigil.judge(start + second * SECOND, second as usize);
            assert!(matches!(verdict, Verdict::Fine), "{second}");
        }
        let verdict = vigil.judge(start + 31 * SECOND, 31);
        assert!(matches!(
            verdict,
            Verdict::Over(CloseReason::FrameTimedOut(_))
        ));
    }

    #[test]
    fn a_large_frame_may_take_as_long_as_a_slow_line_needs() {
        let (mut vigil, start) = vigil(None);
        vigil.handled(start, true);
        // 64 KiB a second, for an hour.
        for second in 0..3600 {
            let received = second as usize * 64 * 1024;
            let verdict = vigil.judge(start + second * SECOND, received);
            assert!(matches!(verdict, Verdict::Fine), "{second}");
        }
        vigil.handled(start + 3600 * SECOND, false);
        assert!(matches!(
            vigil.judge(start + 9999 * SECOND, 0),
            Verdict::Fine
        ));
    }
}
