//! Whether anybody wants the outcome of a call that is served.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use kaa_rpc_proto::frame::CallId;
use tokio::time::Instant;

use super::callers::earlier;
use super::inputs::CallRef;
use super::session::Session;
use super::state::After;

/// Whoever waits to be told. Calls of which nobody asks never come here.
#[derive(Default)]
pub(super) struct Watchers {
    added: u64,
    by_call: BTreeMap<Key, (Waker, Option<Instant>)>,
}

type Key = (Option<CallId>, u64);

impl Watchers {
    /// Something became of the calls with this id.
    pub(super) fn wake(&mut self, id: Option<CallId>, after: &mut After) {
        if self.by_call.is_empty() {
            return;
        }
        let theirs: Vec<Key> = self
            .by_call
            .range((id, 0)..=(id, u64::MAX))
            .map(|(key, _)| *key)
            .collect();
        for key in theirs {
            after.wake(self.by_call.remove(&key).map(|(waker, _)| waker));
        }
    }

    /// The connection is gone.
    pub(super) fn wake_all(&mut self, after: &mut After) {
        for (waker, _) in std::mem::take(&mut self.by_call).into_values() {
            after.wake(Some(waker));
        }
    }

    /// Wakes those whose calls are overdue; gives when the next one will be.
    pub(super) fn expire(&mut self, now: Instant, after: &mut After) -> Option<Instant> {
        let mut next = None;
        let mut over = Vec::new();
        for (key, (_, deadline)) in &self.by_call {
            match deadline {
                Some(deadline) if *deadline <= now => over.push(*key),
                deadline => next = earlier(next, *deadline),
            }
        }
        for key in over {
            after.wake(self.by_call.remove(&key).map(|(waker, _)| waker));
        }
        next
    }
}

impl Session {
    /// Whether nobody waits for the call any more: it was cancelled, answered, is overdue, or the connection is
    /// gone. Nobody ever waits for a oneway call, so only the latter two count there.
    pub(crate) fn is_unwanted(&self, call: CallRef, deadline: Option<Instant>) -> bool {
        let overdue = deadline.is_some_and(|deadline| deadline <= Instant::now());
        overdue || self.shared().with(|state, _| self.is_over(state, call))
    }

    fn is_over(&self, state: &mut super::state::State, call: CallRef) -> bool {
        match state.of_session(self) {
            None => true,
            Some(connection) => call.id.is_some_and(|id| !connection.wants(id, call.number)),
        }
    }

    pub(crate) fn unwanted(self: &Arc<Self>, call: CallRef, deadline: Option<Instant>) -> Unwanted {
        Unwanted {
            session: Arc::clone(self),
            call,
            deadline,
            key: None,
        }
    }
}

/// Ends when nobody wants the outcome of a call any more.
pub(crate) struct Unwanted {
    session: Arc<Session>,
    call: CallRef,
    deadline: Option<Instant>,
    key: Option<Key>,
}

impl Unwanted {
    pub(crate) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let Self {
            session,
            call,
            deadline,
            key,
        } = self;
        if deadline.is_some_and(|deadline| deadline <= Instant::now()) {
            return Poll::Ready(());
        }
        session.shared().with(|state, after| {
            if session.is_over(state, *call) {
                return Poll::Ready(());
            }
            let key = *key.get_or_insert_with(|| {
                state.watchers.added += 1;
                (call.id, state.watchers.added)
            });
            let watcher = (cx.waker().clone(), *deadline);
            let replaced = state.watchers.by_call.insert(key, watcher);
            after.discard(replaced.map(|(waker, _)| waker));
            state.arm(*deadline, after);
            Poll::Pending
        })
    }
}

impl Drop for Unwanted {
    fn drop(&mut self) {
        if let Some(key) = self.key {
            self.session.shared().with(|state, after| {
                let watcher = state.watchers.by_call.remove(&key);
                after.discard(watcher.map(|(waker, _)| waker));
            });
        }
    }
}
