//! What drives a channel, to be polled by whichever thread has its runtime.
//!
//! As a task of the runtime it would cost each call a look at the system's events more: who blocks on a
//! future in tokio's runtime gets to poll it only after that, once a task has run.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::task::{Context, Poll, Wake, Waker};

type Future = Pin<Box<dyn std::future::Future<Output = ()> + Send>>;

/// A future that any thread may poll. It does not care who did before: its waker is always the same.
pub(super) struct Driven {
    /// `None` before there is one, and when it has ended.
    future: Mutex<Option<Future>>,
    signal: Arc<Signal>,
    waker: Waker,
}

/// Notes that the future is to be polled, and wakes the thread that has the runtime.
#[derive(Default)]
struct Signal {
    due: AtomicBool,
    runtime: OnceLock<Waker>,
}

impl Wake for Signal {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.due.store(true, Ordering::Release);
        if let Some(runtime) = self.runtime.get() {
            runtime.wake_by_ref();
        }
    }
}

impl Driven {
    pub(super) fn new() -> Self {
        let signal = Arc::<Signal>::default();
        Self {
            future: Mutex::new(None),
            waker: Waker::from(Arc::clone(&signal)),
            signal,
        }
    }

    /// What wakes the thread that has the runtime, whichever it is then.
    pub(super) fn wakes(&self, runtime: &Waker) {
        self.signal.runtime.get_or_init(|| runtime.clone());
    }

    /// Begins with it, soon.
    pub(super) fn begin(&self, future: Future) {
        *self.lock() = Some(future);
        self.waker.wake_by_ref();
    }

    pub(super) fn has_ended(&self) -> bool {
        self.lock().is_none()
    }

    /// Polls it if it was woken; says whether it was.
    pub(super) fn poll(&self) -> bool {
        if !self.signal.due.load(Ordering::Acquire) {
            return false;
        }
        let mut place = self.lock();
        if let Some(future) = &mut *place
            && self.signal.due.swap(false, Ordering::AcqRel)
        {
            let mut cx = Context::from_waker(&self.waker);
            // As a task of tokio's: a panic ends it, and nobody else.
            let polled = catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(&mut cx)));
            if !matches!(polled, Ok(Poll::Pending)) {
                let ended = place.take();
                drop(place);
                let _ = catch_unwind(AssertUnwindSafe(|| drop(ended)));
            }
        }
        true
    }

    fn lock(&self) -> MutexGuard<'_, Option<Future>> {
        // Panics are caught where it is held.
        self.future.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
