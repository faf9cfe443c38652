//! What users attach to a channel: state of their own, and hooks that run when it closes.

use std::any::{Any, TypeId};
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::close::CloseReason;
use crate::serve::reply::drop_quietly;

type Value = Arc<dyn Any + Send + Sync>;
type Hook = Box<dyn FnOnce(&CloseReason) + Send>;

/// Has a lock of its own: what users attach is no business of the calls. None of it is made, run or
/// dropped under the lock.
#[derive(Default)]
pub(crate) struct Attached {
    inner: Mutex<Inner>,
}

#[derive(Default)]
struct Inner {
    values: HashMap<TypeId, Value>,
    hooks: Vec<Hook>,
    /// Then nothing is attached any more: nobody would let go of it.
    closed: Option<Arc<CloseReason>>,
}

impl Attached {
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn get<T: Send + Sync + 'static>(&self) -> Option<Arc<T>> {
        let value = self.lock().values.get(&TypeId::of::<T>()).cloned();
        value.and_then(|value| value.downcast().ok())
    }

    pub(crate) fn get_or_insert_with<T: Send + Sync + 'static>(
        &self,
        make: impl FnOnce() -> T,
    ) -> Arc<T> {
        if let Some(value) = self.get() {
            return value;
        }
        let made = Arc::new(make());
        let mut inner = self.lock();
        if inner.closed.is_some() {
            return made;
        }
        let first = match inner.values.entry(TypeId::of::<T>()) {
            Entry::Vacant(free) => {
                free.insert(Arc::clone(&made) as Value);
                return made;
            }
            Entry::Occupied(first) => Arc::clone(first.get()),
        };
        drop(inner);
        first.downcast().unwrap_or(made)
    }

    pub(crate) fn insert<T: Send + Sync + 'static>(&self, value: T) -> Option<Arc<T>> {
        let value: Value = Arc::new(value);
        let mut inner = self.lock();
        let before = match inner.closed {
            None => inner.values.insert(TypeId::of::<T>(), value),
            Some(_) => Some(value),
        };
        drop(inner);
        before.and_then(|value| value.downcast().ok())
    }

    pub(crate) fn remove<T: Send + Sync + 'static>(&self) -> Option<Arc<T>> {
        let value = self.lock().values.remove(&TypeId::of::<T>());
        value.and_then(|value| value.downcast().ok())
    }

    pub(crate) fn on_close(&self, hook: impl FnOnce(&CloseReason) + Send + 'static) {
        let mut inner = self.lock();
        let Some(reason) = inner.closed.clone() else {
            inner.hooks.push(Box::new(hook));
            return;
        };
        drop(inner);
        hook(&reason);
    }

    /// The channel is closed: runs the hooks, in order, then lets go of the values.
    pub(crate) fn close(&self, reason: &Arc<CloseReason>) {
        let hooks = {
            let mut inner = self.lock();
            inner.closed = Some(Arc::clone(reason));
            std::mem::take(&mut inner.hooks)
        };
        for hook in hooks {
            if let Err(payload) = catch_unwind(AssertUnwindSafe(|| hook(reason))) {
                drop_quietly(payload);
                tracing::error!("an on_close hook panicked");
            }
        }
        let values = std::mem::take(&mut self.lock().values);
        values.into_values().for_each(drop_quietly);
    }
}
