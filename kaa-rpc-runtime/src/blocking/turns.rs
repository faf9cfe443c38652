//! Who drives a channel that has a thread of its own: that thread, or those that wait for calls.
//!
//! Somebody who waits for a call is woken twice as often if another thread reads its answer. So whoever
//! waits drives the channel meanwhile, as far as it can. tokio's runtime of one thread lets it: of all the
//! threads that block on something in it, one has it; who leaves passes it on to another.
//!
//! But when the last one leaves, somebody must take over. To wake the channel's thread after each call
//! would cost as much as it saves. So that thread drives as long as calls are rare. When many follow each
//! other, it steps aside, and comes back when no further one has begun for a while. Meanwhile nobody may
//! drive, for two [`TICK`]s at most. The calls of the other end must not stand still, so a channel on which
//! there are such is its thread's.

use std::future::poll_fn;
use std::io;
use std::pin::pin;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::task::Poll;
use std::time::{Duration, Instant};

use tokio::runtime::{Builder, Runtime};
use tokio::sync::Notify;
use tokio::time::timeout;
use tracing::Span;

use super::driven::Driven;
use crate::scope;

/// Calls of which each begins so soon after the one before follow each other. One that takes longer than that
/// gains little.
const SOON: Duration = Duration::from_micros(250);

/// So many of them ask the thread to step aside. With a few, that would take longer than it saves.
const STREAK: u32 = 8;

/// While it is aside, the thread looks so often whether calls still follow each other.
const TICK: Duration = Duration::from_millis(1);

/// So long the thread does not step aside after the other end has called.
const SERVING: Duration = Duration::from_millis(100);

/// The runtime of a channel, and who drives it.
pub(crate) struct Turns {
    // Before the runtime: dropped in it, as long as it is there.
    driven: Driven,
    runtime: Runtime,
    /// The channel's thread is aside.
    aside: AtomicBool,
    /// How many waits have begun while it was.
    waits: AtomicUsize,
    /// It is asked to step aside.
    asked: Notify,
    /// When somebody last waited while it was not aside, and how many have followed each other so.
    last: Mutex<(Instant, u32)>,
    /// It is to come back at once.
    needed: Mutex<bool>,
    back: Condvar,
}

impl Turns {
    pub(super) fn new() -> io::Result<Self> {
        Ok(Self {
            driven: Driven::new(),
            runtime: Builder::new_current_thread().enable_all().build()?,
            aside: AtomicBool::new(false),
            waits: AtomicUsize::new(0),
            asked: Notify::new(),
            last: Mutex::new((Instant::now(), 0)),
            needed: Mutex::new(false),
            back: Condvar::new(),
        })
    }

    /// Takes what drives the channel.
    pub(crate) fn adopt(&self, driving: impl Future<Output = ()> + Send + 'static) {
        self.driven.begin(Box::pin(driving));
    }

    /// Blocks this thread until `future` is ready, which needs nothing but the channel, and drives the
    /// channel meanwhile if nobody else does.
    ///
    /// # Panics
    ///
    /// In async code.
    #[track_caller]
    pub(crate) fn wait<F: Future>(&self, future: F) -> F::Output {
        if !Span::current().is_none() {
            // Handlers that ran here would seem to be a part of what this thread does.
            self.come_back();
            return super::wait(future);
        }
        // Nor are they a part of the call that this thread serves.
        let _outside = scope::enter_as(None);
        let mut future = pin!(future);
        let mut noted = false;
        self.run(poll_fn(|cx| {
            let polled = future.as_mut().poll(cx);
            if polled.is_pending() && !std::mem::replace(&mut noted, true) {
                self.note_wait();
            }
            polled
        }))
    }

    /// Somebody waits who would drive. Who finds an answer that is there already drives nothing, and does
    /// not count.
    fn note_wait(&self) {
        if self.aside.load(Ordering::Relaxed) {
            self.waits.fetch_add(1, Ordering::Relaxed);
        } else if self.is_streak() {
            self.asked.notify_one();
        }
    }

    fn is_streak(&self) -> bool {
        let now = Instant::now();
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        let (before, streak) = *last;
        let streak = match now.duration_since(before) < SOON {
            true => streak + 1,
            false => 0,
        };
        let enough = streak >= STREAK;
        *last = (now, if enough { 0 } else { streak });
        enough
    }

    /// The channel's thread is to drive from now on: somebody waits who does not.
    pub(crate) fn come_back(&self) {
        if self.aside.load(Ordering::Relaxed) {
            *self.needed.lock().unwrap_or_else(PoisonError::into_inner) = true;
            self.back.notify_one();
        }
    }

    /// Blocks this thread on `future` in the runtime, and drives the channel if it has the runtime.
    #[track_caller]
    pub(super) fn run<F: Future>(&self, future: F) -> F::Output {
        let mut future = pin!(future);
        self.runtime.block_on(poll_fn(|cx| {
            self.driven.wakes(cx.waker());
            // First: an answer that is there does not wait for what the thread that drives is at.
            match future.as_mut().poll(cx) {
                Poll::Pending if self.driven.poll() => future.as_mut().poll(cx),
                polled => polled,
            }
        }))
    }

    /// Drives the channel until it is `closed`, and steps aside for those that wait. `received`: how many
    /// calls have come.
    pub(super) fn drive(&self, closed: impl Future, received: impl Fn() -> u64) {
        let mut closed = pin!(closed);
        let mut known = received();
        loop {
            let mut asked = pin!(self.asked.notified());
            let is_closed = self.run(poll_fn(|cx| match closed.as_mut().poll(cx) {
                Poll::Ready(_) => Poll::Ready(true),
                Poll::Pending => asked.as_mut().poll(cx).map(|()| false),
            }));
            if is_closed {
                return;
            }
            if received() == known {
                self.step_aside(|| received() == known);
            } else {
                known = received();
                if self.run(async { timeout(SERVING, closed.as_mut()).await.is_ok() }) {
                    return;
                }
            }
        }
    }

    /// Leaves the channel to those that wait, as long as calls follow each other and it `may`.
    fn step_aside(&self, may: impl Fn() -> bool) {
        self.aside.store(true, Ordering::Relaxed);
        let mut seen = self.waits.load(Ordering::Relaxed);
        let mut needed = self.needed.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            (needed, _) = self
                .back
                .wait_timeout_while(needed, TICK, |needed| !*needed)
                .unwrap_or_else(PoisonError::into_inner);
            let waits = self.waits.load(Ordering::Relaxed);
            if std::mem::take(&mut *needed) || waits == seen || !may() {
                break;
            }
            seen = waits;
        }
        self.aside.store(false, Ordering::Relaxed);
    }

    /// Whether anything is left that runs.
    pub(super) fn is_busy(&self) -> bool {
        self.runtime.metrics().num_alive_tasks() > 0 || !self.driven.has_ended()
    }
}

/// Blocks this thread until `future` is ready, while the channel's own thread drives, if it has one.
#[track_caller]
pub(super) fn wait_beside<F: Future>(turns: Option<Arc<Turns>>, future: F) -> F::Output {
    if let Some(turns) = turns {
        turns.come_back();
    }
    super::wait(future)
}

#[cfg(test)]
mod tests {
    use std::future::ready;
    use std::sync::atomic::AtomicU64;

    use tokio::sync::oneshot;

    use super::*;
    use crate::scope::Scope;

    /// A call that is answered by what drives.
    fn call(turns: &Turns) {
        let (answer, answered) = oneshot::channel();
        turns.adopt(async {
            let _ = answer.send(());
        });
        turns.wait(answered).unwrap();
    }

    /// Drives on a thread of its own while `body` runs.
    fn driving(received: impl Fn() -> u64 + Send, body: impl FnOnce(&Turns)) {
        let turns = Turns::new().unwrap();
        let (close, closed) = oneshot::channel::<()>();
        turns.run(ready(()));
        std::thread::scope(|scope| {
            scope.spawn(|| turns.drive(closed, received));
            body(&turns);
            drop(close);
        });
    }

    #[test]
    fn the_thread_steps_aside_for_calls_that_follow_each_other_and_comes_back() {
        driving(
            || 0,
            |turns| {
                for _ in 0..3 {
                    while !turns.aside.load(Ordering::Relaxed) {
                        call(turns);
                    }
                    while turns.aside.load(Ordering::Relaxed) {
                        std::thread::yield_now();
                    }
                }
            },
        );
    }

    #[test]
    fn the_thread_comes_back_if_it_is_needed_although_calls_follow_each_other() {
        driving(
            || 0,
            |turns| {
                while !turns.aside.load(Ordering::Relaxed) {
                    call(turns);
                }
                turns.come_back();
                let end = Instant::now() + Duration::from_secs(20);
                while turns.aside.load(Ordering::Relaxed) {
                    // It does not come back by itself.
                    turns.waits.fetch_add(1, Ordering::Relaxed);
                    assert!(Instant::now() < end);
                }
            },
        );
    }

    #[test]
    fn the_thread_stays_where_the_other_end_calls() {
        let received = AtomicU64::new(0);
        driving(
            || received.fetch_add(1, Ordering::Relaxed),
            |turns| {
                for _ in 0..2000 {
                    call(turns);
                    assert!(!turns.aside.load(Ordering::Relaxed));
                }
            },
        );
    }

    #[test]
    fn what_is_driven_is_no_part_of_the_call_that_waits() {
        let turns = Turns::new().unwrap();
        turns.run(ready(()));
        let (answer, answered) = oneshot::channel();
        turns.adopt(async {
            let _ = answer.send(scope::current().is_some());
        });
        let scope = Scope {
            depth: 3,
            deadline: None,
            greets: None,
            told: false,
            announces: false,
        };
        let _entered = scope::enter(scope, None);
        assert!(!turns.wait(answered).unwrap());
        assert!(scope::current().is_some());
    }

    #[test]
    fn a_panic_ends_what_is_driven_and_nothing_else() {
        let turns = Turns::new().unwrap();
        turns.run(ready(()));
        let (answer, answered) = oneshot::channel::<()>();
        turns.adopt(async {
            let _answer = answer;
            panic!("it is meant to");
        });
        assert!(turns.wait(answered).is_err());
        assert!(!turns.is_busy());
    }
}
