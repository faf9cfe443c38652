//! What the calls made inside a handler inherit from the call that it serves.

use std::cell::Cell;
use tokio::time::Instant;

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
}

thread_local! {
    /// Set around each poll of a handler, so that calls find it without being handed a context.
    static CURRENT: Cell<Option<Scope>> = const { Cell::new(None) };
}

/// The scope of the handler that is being polled on this thread, if any.
pub(crate) fn current() -> Option<Scope> {
    CURRENT.get()
}

/// Makes `scope` the current one until the guard is dropped.
pub(crate) fn enter(scope: Scope) -> Entered {
    Entered {
        before: CURRENT.replace(Some(scope)),
    }
}

pub(crate) struct Entered {
    before: Option<Scope>,
}

impl Drop for Entered {
    fn drop(&mut self) {
        CURRENT.set(self.before);
    }
}

pin_project_lite::pin_project! {
    /// A future whose calls inherit from a scope; see [`crate::Context::scope`].
    #[derive(Debug)]
    pub struct Scoped<F> {
        #[pin]
        pub(crate) future: F,
        pub(crate) scope: Scope,
    }
}

impl<F: Future> Future for Scoped<F> {
    type Output = F::Output;

    fn poll(
        self: std::pin::Pin<&mut Self>,
        cx: &mut std::task::Context<'_>,
    ) -> std::task::Poll<F::Output> {
        let this = self.project();
        let _entered = enter(*this.scope);
        this.future.poll(cx)
    }
}
