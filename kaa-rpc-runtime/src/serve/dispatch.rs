//! From a call's frame to its handler's first poll.

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{self, Poll, Waker};
use std::time::Duration;

use kaa_rpc_proto::frame::{CallHead, CallId};
use kaa_rpc_proto::msgpack::{ArgumentError, ArgumentReader};
use kaa_rpc_proto::{Failure, FailureKind};
use tokio::time::Instant;

use super::budget::Budget;
use super::functions::{BoxedHandler, Mode, Registration, Table, closest};
use super::intercept::{ServedCall, ServedChain};
use super::reply::{self, Reply, drop_quietly};
use crate::connection::{CallRef, Responder, Running, Session, Shared, too_deep};
use crate::context::Context;
use crate::scope::{self, Scope};
use crate::text::Escaped;
use crate::told::Told;

/// A first poll that takes longer is reported: all other calls of the channel wait for it.
const SLOW: Duration = Duration::from_millis(1);

/// For so many passes more a culprit is looked for.
const SUSPECTED: u8 = 200;

/// Runs the calls of one channel.
pub(crate) struct Dispatcher {
    session: Arc<Session>,
    /// The registry's table, as of `version`.
    table: Arc<Table>,
    version: u64,
    slow: Cell<Slow>,
    bad_calls: Budget,
    /// When what is being dispatched was read.
    read: Instant,
}

/// Whether first polls are timed. Reading the clock for each call is not free, so it is done only
/// after a whole pass took too long, for a while, and only until a culprit was found.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Slow {
    Unsuspected,
    /// For so many passes more.
    Suspected(u8),
    Reported,
}

/// What became of a call.
pub(crate) enum Dispatched {
    /// Its handler has ended, and this is to be its answer.
    Ended(Reply),
    /// It is answered, or waits for an earlier call.
    Settled,
    /// Its handler waits for something and is now a task.
    Spawned,
}

/// How far a handler got at once.
enum Begun {
    /// To its end.
    Ended(Reply),
    /// To its first wait, or nowhere if it is to run elsewhere.
    Waits(BoxedHandler),
}

/// Why a call is answered before its handler exists.
pub(super) enum Refusal {
    Reply(Reply),
    Arguments(ArgumentError),
}

impl Dispatcher {
    pub(crate) fn new(session: Arc<Session>) -> Self {
        let functions = session.shared().functions();
        let version = functions.version();
        let table = functions.table();
        let bad_calls = Budget::new(session.shared().patience().bad_calls);
        Self {
            session,
            table,
            version,
            slow: Cell::new(Slow::Unsuspected),
            bad_calls,
            read: Instant::now(),
        }
    }

    /// Of calls that cannot be run.
    pub(crate) fn bad_calls(&self) -> &Budget {
        &self.bad_calls
    }

    pub(crate) fn session(&self) -> &Session {
        &self.session
    }

    fn shared(&self) -> &Arc<Shared> {
        self.session.shared()
    }

    /// What is dispatched from now on was read `now`: the time that is left for it began then, however long
    /// the calls before it take.
    pub(crate) fn read(&mut self, now: Instant) {
        self.read = now;
    }

    /// A pass over what was read took so long.
    pub(crate) fn took(&mut self, elapsed: Duration) {
        match self.slow.get_mut() {
            slow @ Slow::Unsuspected if elapsed > SLOW => *slow = Slow::Suspected(SUSPECTED),
            // It was something else: the first call of a program, or another program's turn.
            slow @ Slow::Suspected(0) => *slow = Slow::Unsuspected,
            Slow::Suspected(passes) => *passes -= 1,
            Slow::Unsuspected | Slow::Reported => {}
        }
    }

    pub(crate) fn dispatch(
        &mut self,
        call: CallRef,
        cost: u32,
        head: &CallHead<'_>,
        arguments: &[u8],
    ) -> Dispatched {
        self.refresh();
        let built_in;
        let function = match self.table.get(head.name) {
            None => {
                built_in = self.shared().functions().built_in(head.name);
                built_in.as_ref()
            }
            function => function,
        };
        if let Some(chain) = self.shared().served_chain() {
            let (chain, function) = (Arc::clone(chain), function.cloned());
            return self.intercepted(&chain, function, call, cost, head, arguments);
        }
        let Some(function) = function else {
            self.answer(call.id, cost, unknown(&self.table, head.name));
            return Dispatched::Settled;
        };
        let (scope, told) = (self.scope_of(head), Told::new(head.metadata));
        match self.begin(function, call, head, arguments, scope, told.as_ref()) {
            Err(refusal) => {
                self.answer(call.id, cost, refusal.reply(head.name));
                Dispatched::Settled
            }
            Ok(Begun::Ended(reply)) => {
                Dispatched::Ended(self.session.look_at(function, call, reply))
            }
            Ok(Begun::Waits(handler)) => {
                let (serial, mode) = (function.serial, function.mode);
                let (session, function) = (Arc::clone(&self.session), Arc::clone(function));
                let responder = Responder::new(session, function, call, cost);
                let running = Running::new(handler, scope, told, responder);
                if serial.is_some() {
                    return self.enter(serial, mode, running);
                }
                running.spawn();
                Dispatched::Spawned
            }
        }
    }

    /// The same where interceptors stand around the call. They are asked before anything of it is decoded.
    fn intercepted(
        &mut self,
        chain: &Arc<ServedChain>,
        function: Option<Arc<Registration>>,
        call: CallRef,
        cost: u32,
        head: &CallHead<'_>,
        arguments: &[u8],
    ) -> Dispatched {
        (0..self.session.take_bad_calls()).for_each(|_| self.bad_calls.take());
        let known = function.is_some();
        let settled = match function {
            Some(_) => self.barred(head),
            None => Some(unknown(&self.table, head.name)),
        };
        let function = function.unwrap_or_else(|| Arc::new(Registration::unknown(head.name)));
        if call.streams > 0 {
            self.session.hold(call);
        }
        let (scope, told) = (self.scope_of(head), Told::new(head.metadata));
        let session = Arc::clone(&self.session);
        let cx = Context::new(Arc::clone(&session), scope, call, told.clone());
        let served = ServedCall::new(
            cx,
            Arc::clone(&session),
            Arc::clone(&function),
            call,
            arguments,
            (known, settled),
        );
        let (serial, mode) = (function.serial, function.mode);
        let responder = Responder::new(session, function, call, cost);
        let running = Running::new(chain.handler(served), scope, told, responder);
        self.enter(serial, mode, running)
    }

    /// Why a call is not run whatever its arguments are.
    fn barred(&self, head: &CallHead<'_>) -> Option<Reply> {
        let limit = self.shared().limits().max_depth;
        if u32::from(head.depth) > limit {
            let message = too_deep(head.depth, limit);
            return Some(Reply::failure(FailureKind::TooDeep, message));
        }
        (head.remaining == Some(0)).then(|| Reply::timed_out(head.name))
    }

    /// What calls made inside the handler inherit.
    fn scope_of(&self, head: &CallHead<'_>) -> Scope {
        // A deadline that is too far to be told is none.
        let deadline = head
            .remaining
            .and_then(|left| self.read.checked_add(Duration::from_micros(left)));
        Scope {
            depth: head.depth.saturating_add(1),
            deadline,
            greets: None,
            told: false,
            announces: false,
        }
    }

    fn refresh(&mut self) {
        let version = self.shared().functions().version();
        if version != self.version {
            self.version = version;
            self.table = self.shared().functions().table();
        }
    }

    /// Decodes the arguments, makes the handler's future and, unless it is to run elsewhere or to wait for its
    /// turn, polls it once.
    ///
    /// Most end there, so that what only a task needs is not made before: that is two counted references less for
    /// each call, and one scope less to enter.
    fn begin(
        &self,
        function: &Registration,
        call: CallRef,
        head: &CallHead<'_>,
        arguments: &[u8],
        scope: Scope,
        told: Option<&Arc<Told>>,
    ) -> Result<Begun, Refusal> {
        if let Some(reply) = self.barred(head) {
            return Err(Refusal::Reply(reply));
        }
        let mut reader =
            ArgumentReader::new(arguments, &self.shared().scan_limits()).map_err(|error| {
                Refusal::Reply(Reply::failure(FailureKind::BadArguments, error.to_string()))
            })?;
        let cx = Context::new(Arc::clone(&self.session), scope, call, told.cloned());
        // Not inside of what may panic, so that it is dropped with care.
        let mut handler = None;
        let begun = {
            let _entered = scope::enter(scope, told);
            catch_unwind(AssertUnwindSafe(|| {
                // Decoding runs user code too: a hand-written `Deserialize`, a conversion.
                // So does a closure before it gives its future, and that may call back already.
                let handler = handler.insert(function.run(cx, &mut reader)?);
                if function.mode != Mode::InPlace || function.serial.is_some() {
                    return Ok(Poll::Pending);
                }
                let mut cx = task::Context::from_waker(Waker::noop());
                Ok(self.first_poll(&function.name, || handler.poll(&mut cx)))
            }))
        };
        let begun = begun.unwrap_or_else(|payload| Ok(Poll::Ready(reply::panicked(payload))));
        match (begun.map_err(Refusal::Arguments)?, handler) {
            (Poll::Pending, Some(handler)) => Ok(Begun::Waits(handler)),
            (Poll::Ready(reply), handler) => {
                drop_quietly(handler);
                Ok(Begun::Ended(reply))
            }
            // Not reached: what is to be polled is there.
            (Poll::Pending, None) => {
                let reply = Reply::failure(FailureKind::Cancelled, "the call was cancelled");
                Ok(Begun::Ended(reply))
            }
        }
    }

    fn enter(&self, serial: Option<u64>, mode: Mode, mut running: Running) -> Dispatched {
        if let Some(queue) = serial {
            match self
                .shared()
                .with(|state, after| state.enter_serial(queue, running, after))
            {
                Some(free) => running = free,
                None => return Dispatched::Settled,
            }
        }
        if mode == Mode::InPlace {
            let function = Arc::clone(running.function());
            let mut cx = task::Context::from_waker(Waker::noop());
            let polled = self.first_poll(&function.name, || Pin::new(&mut running).poll(&mut cx));
            if polled.is_ready() {
                return Dispatched::Settled;
            }
        }
        running.spawn();
        Dispatched::Spawned
    }

    /// Reports the function if its first poll is the culprit that is looked for.
    #[inline]
    fn first_poll<R>(&self, function: &str, poll: impl FnOnce() -> R) -> R {
        let suspected = matches!(self.slow.get(), Slow::Suspected(_));
        let began = suspected.then(std::time::Instant::now);
        let polled = poll();
        if began.is_some_and(|began| began.elapsed() > SLOW) {
            self.report_slow(function);
        }
        polled
    }

    #[cold]
    fn report_slow(&self, function: &str) {
        self.slow.set(Slow::Reported);
        if let Some(more) = self.shared().functions().slow.report() {
            tracing::warn!(
                function = %function,
                more,
                "a handler kept its channel waiting for more than a millisecond before its first await: \
                 long computations and blocking calls belong into a task or thread of their own"
            );
        }
    }

    fn answer(&mut self, id: Option<CallId>, cost: u32, reply: Reply) {
        // Whoever has a newer schema tells of events that this end does not know.
        let event = id.is_none();
        if let Reply::Failure(failure) = &reply
            && is_bad_call(failure.kind)
            && !(event && failure.kind == FailureKind::UnknownFunction)
        {
            self.bad_calls.take();
        }
        if let (None, Reply::Failure(failure)) = (id, &reply)
            && let Some(more) = self.shared().functions().oneway_failed.report()
        {
            tracing::warn!(error = %Escaped(&failure.message), more, "a oneway call was refused");
        }
        self.shared()
            .with(|state, after| state.answer(id, cost, reply, &self.session, after));
    }
}

impl Refusal {
    pub(super) fn reply(self, function: &str) -> Reply {
        match self {
            Self::Reply(reply) => reply,
            Self::Arguments(error) => Reply::Failure(Box::new(Failure {
                parameter: error.parameter().to_owned(),
                expected: error.expected().to_owned(),
                got: error.got().to_owned(),
                ..Failure::new(FailureKind::BadArguments, format!("`{function}`: {error}"))
            })),
        }
    }
}

/// Whether it counts as one that cannot be run.
pub(crate) fn is_bad_call(kind: FailureKind) -> bool {
    matches!(
        kind,
        FailureKind::UnknownFunction
            | FailureKind::BadArguments
            | FailureKind::TooDeep
            | FailureKind::Refused
    )
}

fn unknown(table: &Table, name: &str) -> Reply {
    let closest = closest(table, name);
    let hint = match closest {
        Some(closest) => format!("; is `{closest}` meant?"),
        None if table.is_empty() => "; it exposes none at all".to_owned(),
        None => String::new(),
    };
    Reply::Failure(Box::new(Failure {
        name: closest.unwrap_or_default().to_owned(),
        ..Failure::new(
            FailureKind::UnknownFunction,
            format!("the other end exposes no function `{name}`{hint}"),
        )
    }))
}
