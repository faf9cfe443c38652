//! Deadlines, all of them in one timer.

use std::pin::Pin;
use std::task::Context;

use tokio::time::{Instant, Sleep, sleep_until};

use super::callers::earlier;
use super::state::{After, State};

/// Fires at the earliest deadline of all calls, made and served.
///
/// Deadlines are not kept in order: when the timer fires, all live calls are looked at, which are at
/// most two windows. A call with a later deadline than the one that is armed costs nothing, and that
/// is nearly every call.
#[derive(Default)]
pub(super) struct Timer {
    sleep: Option<Pin<Box<Sleep>>>,
    /// The sleep knows whom to wake, so that it need not be polled before it is over: that took 110 of the 13,500
    /// instructions of a call that is alone.
    polled: bool,
}

impl Timer {
    /// The task has got another waker.
    pub(super) fn forget_waker(&mut self) {
        self.polled = false;
    }

    /// `look`: whatever else is to be looked at; gives when that is again.
    pub(super) fn poll(
        &mut self,
        state: &mut State,
        cx: &mut Context<'_>,
        after: &mut After,
        mut look: impl FnMut(&mut State, Instant) -> Option<Instant>,
    ) {
        while let Some(armed) = state.armed {
            let sleep = match &mut self.sleep {
                Some(sleep) => {
                    if sleep.deadline() != armed {
                        sleep.as_mut().reset(armed);
                        self.polled = false;
                    }
                    sleep
                }
                None => self.sleep.insert(Box::pin(sleep_until(armed))),
            };
            if self.polled && !sleep.is_elapsed() {
                return;
            }
            self.polled = sleep.as_mut().poll(cx).is_pending();
            if self.polled {
                return;
            }
            let now = Instant::now();
            let made = state.callers.expire(state.phase.connection(), now, after);
            let served = earlier(
                state.served.expire(now, after),
                state.watchers.expire(now, after),
            );
            // A smaller call may have waited behind one that is overdue.
            state.unpark(after);
            let looked = look(state, now);
            let closing = state
                .closing
                .map(|closing| closing.by)
                .filter(|by| *by > now);
            state.armed = earlier(earlier(made, served), earlier(looked, closing));
        }
    }
}
