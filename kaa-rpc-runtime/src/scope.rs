//! What the calls made inside a handler inherit from the call that it serves.

use std::cell::{Cell, RefCell};
use std::sync::Arc;

use tokio::time::Instant;

use crate::told::Told;
use crate::trace::TraceContext;

/// Depth and deadline of the call that the running code serves.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Scope {
    /// How many calls stand around one made now.
    pub(crate) depth: u16,
    /// When the served call must be over.
    pub(crate) deadline: Option<Instant>,
    /// No call is served, but a hook runs that greets the new connection of this channel
    /// (`Shared::id`).
    pub(crate) greets: Option<usize>,
    /// What [`trace`] looks for is there. Calls in no trace pay no more than this.
    pub(crate) told: bool,
    /// An event is being told to many clients: a call made now waits its turn, also inside a handler.
    pub(crate) announces: bool,
}

thread_local! {
    /// Set around each poll of a handler, so that calls find it without being handed a context.
    static CURRENT: Cell<Option<Scope>> = const { Cell::new(None) };

    /// What came along with the innermost served call with which something came.
    static TOLD: RefCell<Option<Arc<Told>>> = const { RefCell::new(None) };
}

/// The scope of the handler that is being polled on this thread, if any.
pub(crate) fn current() -> Option<Scope> {
    CURRENT.get()
}

/// The trace that the handler goes on with that is being polled on this thread, if any.
pub(crate) fn trace() -> Option<TraceContext> {
    if !current()?.told {
        return None;
    }
    TOLD.try_with(|told| told.borrow().as_ref()?.trace().cloned())
        .ok()
        .flatten()
}

/// Makes `scope` the current one until the guard is dropped, with what came along with its call.
pub(crate) fn enter(mut scope: Scope, told: Option<&Arc<Told>>) -> Entered {
    scope.told = told.is_some();
    Entered {
        before: CURRENT.replace(Some(scope)),
        told: told.and_then(|told| {
            TOLD.try_with(|place| place.replace(Some(Arc::clone(told))))
                .ok()
        }),
    }
}

/// Makes `scope` the current one, or none; in no trace.
pub(crate) fn enter_as(scope: Option<Scope>) -> Entered {
    Entered {
        before: CURRENT.replace(scope.map(|scope| Scope {
            told: false,
            ..scope
        })),
        told: None,
    }
}

/// Makes calls made now events, until the guard is dropped. Whoever is called because of one is as deep as if it were
/// called here, so that two ends which answer events with events meet the limit, and in the same trace; but an event may
/// be late.
pub(crate) fn announce() -> Entered {
    let around = current();
    let scope = Scope {
        depth: around.map_or(0, |scope| scope.depth),
        deadline: None,
        greets: None,
        told: around.is_some_and(|scope| scope.told),
        announces: true,
    };
    Entered {
        before: CURRENT.replace(Some(scope)),
        told: None,
    }
}

pub(crate) struct Entered {
    before: Option<Scope>,
    /// If something took its place.
    told: Option<Option<Arc<Told>>>,
}

impl Drop for Entered {
    fn drop(&mut self) {
        CURRENT.set(self.before);
        if let Some(told) = self.told.take() {
            let _ = TOLD.try_with(|place| place.replace(told));
        }
    }
}

pin_project_lite::pin_project! {
    /// A future whose calls inherit from a scope; see [`crate::Context::scope`].
    #[derive(Debug)]
    pub struct Scoped<F> {
        #[pin]
        pub(crate) future: F,
        pub(crate) scope: Scope,
        pub(crate) told: Option<Arc<Told>>,
    }
}

impl<F: Future> Future for Scoped<F> {
    type Output = F::Output;

    fn poll(
        self: std::pin::Pin<&mut Self>,
        cx: &mut std::task::Context<'_>,
    ) -> std::task::Poll<F::Output> {
        let this = self.project();
        let _entered = enter(*this.scope, this.told.as_ref());
        this.future.poll(cx)
    }
}
