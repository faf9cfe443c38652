//! The calls of the other end that are being run.

use std::cell::RefCell;
use std::collections::hash_map::Entry;
use std::collections::{HashMap, VecDeque};
use std::future::poll_fn;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use kaa_rpc_proto::frame::CallId;
use kaa_rpc_proto::{FailureKind, Metadata, MetadataError};
use slab::Slab;
use tokio::task::AbortHandle;
use tokio::time::Instant;

use super::callers::earlier;
use super::inputs::CallRef;
use super::session::Session;
use super::state::{After, State};
use crate::blocking::park;
use crate::scope::{self, Scope};
use crate::serve::dispatch::is_bad_call;
use crate::serve::functions::{BoxedHandler, Mode, Registration};
use crate::serve::hash::QuickHash;
use crate::serve::reply::{self, Reply, drop_quietly};
use crate::text::Escaped;
use crate::told::Told;

/// Calls whose handlers did not end at their first poll. At most the window.
#[derive(Default)]
pub(super) struct Served {
    tasks: Slab<Task>,
    /// How many tasks there were.
    added: u64,
    /// The keys of `tasks` by call id.
    by_id: HashMap<CallId, usize, QuickHash>,
    /// What calls that run have to tell beside their outcomes, by their numbers.
    told: HashMap<u64, Metadata>,
    /// Serial functions that have a call running, and those that wait for its end.
    serial: HashMap<u64, VecDeque<(usize, Running)>, QuickHash>,
}

struct Task {
    /// Never used again, as keys are.
    number: u64,
    id: Option<CallId>,
    deadline: Option<Instant>,
    uncancelled: bool,
    stop: Option<Stop>,
    state: TaskState,
}

enum TaskState {
    /// Is being handed to the executor.
    Starting,
    Spawned(AbortHandle),
    /// Waits in the queue of this serial function.
    Queued(u64),
}

/// Why a handler is stopped before its end.
#[derive(Clone, Copy)]
pub(super) enum Stop {
    Cancelled,
    TimedOut,
}

impl Served {
    fn add(&mut self, running: &mut Running, state: TaskState) -> usize {
        let responder = &mut running.responder;
        self.added += 1;
        responder.number = self.added;
        let task = Task {
            number: self.added,
            id: responder.call.id,
            deadline: running.scope.deadline,
            uncancelled: responder.function.uncancelled,
            stop: None,
            state,
        };
        let key = self.tasks.insert(task);
        if let Some(id) = responder.call.id {
            self.by_id.insert(id, key);
        }
        responder.task = Some(key);
        key
    }

    /// Says whether a serial function is free, and takes it if so. The queue takes the call if not.
    pub(super) fn enter_serial(&mut self, queue: u64, mut running: Running) -> Option<Running> {
        if let Entry::Vacant(free) = self.serial.entry(queue) {
            free.insert(VecDeque::new());
            running.responder.holds_serial = true;
            return Some(running);
        }
        let key = self.add(&mut running, TaskState::Queued(queue));
        if let Some(waiting) = self.serial.get_mut(&queue) {
            waiting.push_back((key, running));
        }
        None
    }

    /// A serial call has ended; gives the next one, which is to be spawned.
    fn leave_serial(&mut self, queue: u64) -> Option<Running> {
        let next = self.serial.get_mut(&queue).and_then(VecDeque::pop_front);
        match next {
            Some((key, mut running)) => {
                running.responder.holds_serial = true;
                if let Some(task) = self.tasks.get_mut(key) {
                    task.state = TaskState::Starting;
                }
                Some(running)
            }
            None => {
                self.serial.remove(&queue);
                None
            }
        }
    }

    fn remove(&mut self, key: usize) -> Option<Stop> {
        let task = self.tasks.try_remove(key)?;
        // On the next connection, its id may be another call's.
        if let Some(id) = task.id
            && self.by_id.get(&id) == Some(&key)
        {
            self.by_id.remove(&id);
        }
        task.stop
    }

    /// The caller does not want the outcome any more.
    pub(super) fn cancel(&mut self, id: CallId, after: &mut After) {
        if let Some(&key) = self.by_id.get(&id) {
            self.stop(key, Stop::Cancelled, after);
        }
    }

    fn stop(&mut self, key: usize, stop: Stop, after: &mut After) {
        let Some(task) = self.tasks.get_mut(key) else {
            return;
        };
        if task.uncancelled || task.stop.is_some() {
            return;
        }
        task.stop = Some(stop);
        match &task.state {
            // Whoever is spawning it looks at `stop` afterwards.
            TaskState::Starting => {}
            TaskState::Spawned(handle) => after.abort(handle.clone()),
            TaskState::Queued(queue) => {
                if let Some(waiting) = self.serial.get_mut(queue)
                    && let Some(index) = waiting.iter().position(|(other, _)| *other == key)
                    && let Some((_, running)) = waiting.remove(index)
                {
                    after.drop_later(running);
                }
            }
        }
    }

    /// Stops what is overdue; gives when the next call will be.
    pub(super) fn expire(&mut self, now: Instant, after: &mut After) -> Option<Instant> {
        let mut next = None;
        let mut overdue = Vec::new();
        for (key, task) in &self.tasks {
            match task.deadline {
                Some(deadline) if deadline <= now => overdue.push(key),
                deadline if task.stop.is_none() => next = earlier(next, deadline),
                _ => {}
            }
        }
        for key in overdue {
            self.stop(key, Stop::TimedOut, after);
        }
        next
    }

    /// The connection is gone: everything stops, but for what must run to its end.
    pub(super) fn stop_all(&mut self, after: &mut After) {
        let keys: Vec<usize> = self.tasks.iter().map(|(key, _)| key).collect();
        for key in keys {
            self.stop(key, Stop::Cancelled, after);
        }
        self.by_id.clear();
        self.told.clear();
    }
}

/// A handler at work, with all that it needs to answer. Ends with exactly one answer, also when it
/// panics, is aborted or dropped.
pub(crate) struct Running {
    /// Before `responder`, so that it is dropped first: the slot is held until the handler is gone.
    handler: Option<BoxedHandler>,
    scope: Scope,
    told: Option<Arc<Told>>,
    responder: Responder,
}

impl Running {
    pub(crate) fn new(
        handler: BoxedHandler,
        scope: Scope,
        told: Option<Arc<Told>>,
        responder: Responder,
    ) -> Self {
        Self {
            handler: Some(handler),
            scope,
            told,
            responder,
        }
    }

    pub(super) fn deadline(&self) -> Option<Instant> {
        self.scope.deadline
    }

    pub(crate) fn function(&self) -> &Arc<Registration> {
        &self.responder.function
    }

    /// Hands the handler to the executor. Its next poll is its own task's.
    pub(crate) fn spawn(mut self) {
        let session = Arc::clone(&self.responder.session);
        let shared = session.shared();
        let key = match self.responder.task {
            Some(key) => key,
            None => shared.with(|state, after| {
                let key = state.served.add(&mut self, TaskState::Starting);
                state.arm(self.scope.deadline, after);
                key
            }),
        };
        let number = self.responder.number;
        let handle = match self.responder.function.mode {
            Mode::Blocking => {
                // Not as the runtime blocks, because what is inside may do that: wait for a call of its own.
                let blocking = || park::block_on(self.until_unwanted());
                shared.runtime().spawn_blocking(blocking).abort_handle()
            }
            Mode::InPlace | Mode::Spawned => shared.runtime().spawn(self).abort_handle(),
        };
        shared.with(|state, after| {
            // It may have ended already, and its key may be another call's.
            if let Some(task) = state.served.tasks.get_mut(key)
                && task.number == number
            {
                if task.stop.is_some() {
                    after.abort(handle.clone());
                }
                task.state = TaskState::Spawned(handle);
            }
        });
    }
}

impl Running {
    /// On a thread where it may block, it cannot be aborted: it looks itself whether it is to stop, at each
    /// await and before it begins.
    fn until_unwanted(mut self) -> impl Future<Output = ()> {
        let Responder {
            session,
            call,
            function,
            ..
        } = &self.responder;
        let mut unwanted =
            (!function.uncancelled).then(|| session.unwanted(*call, self.scope.deadline));
        poll_fn(move |cx| {
            if let Some(unwanted) = &mut unwanted
                && unwanted.poll(cx).is_ready()
            {
                return Poll::Ready(());
            }
            Pin::new(&mut self).poll(cx)
        })
    }
}

impl Future for Running {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = self.get_mut();
        let Some(handler) = &mut this.handler else {
            return Poll::Ready(());
        };
        let polled = {
            let _entered = scope::enter(this.scope, this.told.as_ref());
            // A handler that panicked is dropped and never touched again.
            catch_unwind(AssertUnwindSafe(|| handler.poll(cx)))
        };
        let reply = match polled {
            Ok(Poll::Pending) => return Poll::Pending,
            Ok(Poll::Ready(reply)) => reply,
            Err(payload) => reply::panicked(payload),
        };
        drop_quietly(this.handler.take());
        this.responder.finish(reply);
        Poll::Ready(())
    }
}

thread_local! {
    /// Serial calls whose turn has come while another one was being spawned on this thread.
    static TURNS: RefCell<Option<VecDeque<Running>>> = const { RefCell::new(None) };
}

/// Spawns a serial call whose turn has come. A runtime that is shutting down drops it at once, which
/// brings the turn of the next one: a loop, not a recursion as deep as the queue is long.
fn spawn_in_turn(running: Running) {
    let mut running = Some(running);
    let entered = TURNS.try_with(|turns| {
        let mut turns = turns.borrow_mut();
        let entered = turns.is_none();
        turns.get_or_insert_default().extend(running.take());
        entered
    });
    // A thread that is ending has no queue any more.
    if let Some(running) = running {
        running.spawn();
    }
    while entered == Ok(true) {
        let next = TURNS.with_borrow_mut(|turns| {
            let next = turns.as_mut().and_then(VecDeque::pop_front);
            if next.is_none() {
                *turns = None;
            }
            next
        });
        match next {
            Some(next) => next.spawn(),
            None => return,
        }
    }
}

/// The duty to answer one call.
pub(crate) struct Responder {
    session: Arc<Session>,
    function: Arc<Registration>,
    /// A oneway call's slot is given back instead.
    call: CallRef,
    cost: u32,
    task: Option<usize>,
    /// That of the task.
    number: u64,
    /// It is the one call of its serial function that runs now.
    holds_serial: bool,
    finished: bool,
}

impl Responder {
    pub(crate) fn new(
        session: Arc<Session>,
        function: Arc<Registration>,
        call: CallRef,
        cost: u32,
    ) -> Self {
        Self {
            session,
            function,
            call,
            cost,
            task: None,
            number: 0,
            holds_serial: false,
            finished: false,
        }
    }

    pub(crate) fn finish(&mut self, reply: Reply) {
        if std::mem::replace(&mut self.finished, true) {
            return;
        }
        let reply = self.session.look_at(&self.function, self.call, reply);
        let Self {
            session,
            function,
            call,
            cost,
            task,
            holds_serial,
            ..
        } = self;
        let next = session.shared().with(|state, after| {
            let stop = task.take().and_then(|key| state.served.remove(key));
            let reply = match (reply, stop) {
                (Reply::Failure(failure), Some(stop)) if failure.kind == FailureKind::Cancelled => {
                    drop(failure);
                    stop.reply(&function.name)
                }
                (reply, _) => reply,
            };
            let (call, cost) = (*call, *cost);
            state.end_call(Answer { call, cost, reply }, session, after);
            let queue = function.serial?;
            match std::mem::replace(holds_serial, false) {
                true => state.served.leave_serial(queue),
                false => None,
            }
        });
        if let Some(next) = next {
            spawn_in_turn(next);
        }
    }
}

/// What a call is to be answered.
pub(super) struct Answer {
    pub(super) call: CallRef,
    pub(super) cost: u32,
    pub(super) reply: Reply,
}

impl Session {
    /// Completes a reply before it goes, and counts and reports what has failed.
    pub(crate) fn look_at(&self, function: &Registration, call: CallRef, reply: Reply) -> Reply {
        let Reply::Failure(failure) = &reply else {
            return reply;
        };
        if is_bad_call(failure.kind) {
            self.add_bad_call();
        }
        if call.id.is_none()
            && let Some(more) = self.shared().functions().oneway_failed.report()
        {
            tracing::warn!(function = %function.name, error = %Escaped(&failure.message), more, "a oneway call failed");
        }
        reply.locate(&function.name)
    }

    /// Keeps what is to be told beside the outcome of a call.
    pub(crate) fn answer_metadata(
        &self,
        call: CallRef,
        key: String,
        value: String,
    ) -> Result<(), MetadataError> {
        self.shared().with(|state, _| {
            let runs = call.id.is_some_and(|id| {
                let connection = state.of_session(self);
                connection.is_some_and(|connection| connection.runs(id, call.number))
            });
            if !runs {
                return Metadata::new().insert(key, value);
            }
            state
                .served
                .told
                .entry(call.number)
                .or_default()
                .insert(key, value)
        })
    }
}

impl State {
    /// The handler of a call is gone, and this is the answer.
    pub(super) fn end_call(&mut self, answer: Answer, session: &Session, after: &mut After) {
        let Answer { call, cost, reply } = answer;
        if self.of_session(session).is_some() {
            self.inputs.end_call(call, after);
            self.tell(call, session);
            if call.id.is_some() {
                self.watchers.wake(call.id, after);
            }
        }
        self.answer(call.id, cost, reply, session, after);
    }

    /// A call is about to be answered.
    fn tell(&mut self, call: CallRef, session: &Session) {
        if let Some(id) = call.id
            && !self.served.told.is_empty()
            && let Some(metadata) = self.served.told.remove(&call.number)
            && let Some(connection) = self.of_session(session)
        {
            connection.metadata(id, &metadata);
        }
    }
}

impl Stop {
    fn reply(self, function: &str) -> Reply {
        match self {
            Self::Cancelled => Reply::failure(FailureKind::Cancelled, "the call was cancelled"),
            Self::TimedOut => Reply::timed_out(function),
        }
    }
}

impl Drop for Responder {
    /// The handler was dropped before its end: its task was aborted, or the runtime is going down.
    fn drop(&mut self) {
        if !self.finished {
            self.finish(Stop::Cancelled.reply(""));
        }
    }
}
