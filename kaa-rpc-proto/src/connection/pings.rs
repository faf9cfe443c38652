//! Pings of both ends.

use std::collections::VecDeque;

use crate::error::Violation;

/// So many pings of one end may be unanswered at a time.
///
/// One at a time is enough to know whether the other end lives. Without a bound, pings would be the
/// only frames that cost their receiver something and stand in no window.
pub const MAX_PINGS: u32 = 16;

/// What was asked and what was answered.
///
/// Like a call, a ping counts at its receiver until the pong was written: nobody can have read it
/// before, so the receiver never counts more than the sender.
#[derive(Debug, Default)]
pub(super) struct Pings {
    sent: u64,
    answered: u64,
    /// Came and are not answered: the last token, and how many.
    due: Option<(u64, u32)>,
    /// Pings that came and whose pong is not yet written, `due` ones among them.
    taken: u32,
    /// Pongs that are queued: where they end in the stream, and how many pings they answer.
    unwritten: VecDeque<(u64, u32)>,
}

impl Pings {
    /// The token of the next ping; `None` if too many are unanswered.
    pub(super) fn send(&mut self) -> Option<u64> {
        if self.sent - self.answered >= u64::from(MAX_PINGS) {
            return None;
        }
        self.sent += 1;
        Some(self.sent)
    }

    pub(super) fn awaits_pong(&self) -> bool {
        self.answered < self.sent
    }

    /// A pong came. It answers all pings before its own.
    pub(super) fn pong(&mut self, token: u64) -> Result<(), Violation> {
        if token > self.sent || token <= self.answered {
            return Err(Violation::UnexpectedPong);
        }
        self.answered = token;
        Ok(())
    }

    /// A ping came. Only the last of several is answered, which answers them all.
    pub(super) fn ping(&mut self, token: u64) -> Result<(), Violation> {
        if self.taken >= MAX_PINGS {
            return Err(Violation::TooManyPings);
        }
        self.taken += 1;
        let before = self.due.map_or(0, |(_, count)| count);
        self.due = Some((token, before + 1));
        Ok(())
    }

    pub(super) fn has_due(&self) -> bool {
        self.due.is_some()
    }

    /// The token of the pong that is due, and how many pings it answers. It must be queued, and its
    /// end told to [`Self::queued`].
    pub(super) fn take_due(&mut self) -> Option<(u64, u32)> {
        self.due.take()
    }

    pub(super) fn queued(&mut self, count: u32, end: u64) {
        self.unwritten.push_back((end, count));
    }

    /// The stream was written up to `written`.
    pub(super) fn wrote(&mut self, written: u64) {
        while let Some(&(end, count)) = self.unwritten.front()
            && end <= written
        {
            self.taken = self.taken.saturating_sub(count);
            self.unwritten.pop_front();
        }
    }
}
