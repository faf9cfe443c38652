//! What stands around the calls that this end serves.

use std::fmt;
use std::future::poll_fn;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::Poll;

use bytes::Bytes;
use kaa_rpc_proto::FailureKind;
use kaa_rpc_proto::msgpack::{ArgumentReader, Owner};

use super::dispatch::Refusal;
use super::functions::{BoxedHandler, Registration};
use super::reply::{self, Reply, drop_quietly};
use crate::connection::{CallRef, Session};
use crate::context::Context;
use crate::scope::Scoped;
use crate::told::Told;
use crate::trace::TraceContext;

type BoxedAnswer = Pin<Box<dyn Future<Output = Answer> + Send>>;

/// An interceptor, without its type.
type Intercept = Box<dyn Fn(ServedCall, ServedNext) -> BoxedAnswer + Send + Sync>;

/// The interceptors of the calls that a side serves, in the order in which they were added.
#[derive(Default)]
pub(crate) struct ServedChain(Vec<Intercept>);

impl ServedChain {
    pub(crate) fn add<F, Fut>(&mut self, intercept: F)
    where
        F: Fn(ServedCall, ServedNext) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Answer> + Send + 'static,
    {
        self.0
            .push(Box::new(move |call, next| Box::pin(intercept(call, next))));
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The whole of a call. Nothing of it runs before it is polled.
    pub(crate) fn handler(self: &Arc<Self>, call: ServedCall) -> BoxedHandler {
        let next = ServedNext {
            chain: Arc::clone(self),
            at: 0,
            traced: false,
        };
        BoxedHandler::of_reply(async move { next.run(call).await.0 })
    }
}

impl fmt::Debug for ServedChain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} interceptors", self.0.len())
    }
}

/// A call of the other end, as [interceptors](crate::ServerBuilder::intercept_served) see it.
pub struct ServedCall {
    cx: Context,
    session: Arc<Session>,
    function: Arc<Registration>,
    call: CallRef,
    /// Not yet looked at.
    arguments: Owner,
    /// The answer, if it cannot be run anyway.
    settled: Mutex<Option<Reply>>,
    known: bool,
}

impl ServedCall {
    pub(super) fn new(
        cx: Context,
        session: Arc<Session>,
        function: Arc<Registration>,
        call: CallRef,
        arguments: &[u8],
        (known, settled): (bool, Option<Reply>),
    ) -> Self {
        Self {
            cx,
            session,
            function,
            call,
            arguments: Owner::of(arguments)
                .unwrap_or_else(|| Owner::new(Bytes::copy_from_slice(arguments), arguments.len())),
            settled: Mutex::new(settled),
            known,
        }
    }

    /// The wire name that the caller used.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.function.name
    }

    /// Whether this end exposes a function of this name. The names of others are whatever callers make up.
    #[must_use]
    pub fn is_known(&self) -> bool {
        self.known
    }

    /// Who calls, until when, with what metadata, in which trace.
    #[must_use]
    pub fn context(&self) -> &Context {
        &self.cx
    }

    /// Whether nobody hears of its outcome.
    #[must_use]
    pub fn is_oneway(&self) -> bool {
        self.call.id.is_none()
    }

    /// The arguments as they came, MessagePack that nobody has looked at yet.
    #[must_use]
    pub fn arguments(&self) -> &[u8] {
        self.arguments.bytes()
    }

    /// Decodes the arguments and runs the function.
    async fn run(self) -> Answer {
        let settled = self
            .settled
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        if let Some(reply) = settled {
            return Answer(reply);
        }
        let made = self.handler();
        if self.call.streams > 0 {
            self.session.release_held(self.call);
        }
        let mut handler = match made {
            Ok(handler) => handler,
            Err(refusal) => return Answer(refusal.reply(&self.function.name)),
        };
        // What panics is this call, and interceptors are told.
        let polled = poll_fn(
            |cx| match catch_unwind(AssertUnwindSafe(|| handler.poll(cx))) {
                Ok(polled) => polled,
                Err(payload) => Poll::Ready(reply::panicked(payload)),
            },
        );
        let reply = polled.await;
        drop_quietly(handler);
        Answer(reply)
    }

    fn handler(&self) -> Result<BoxedHandler, Refusal> {
        let limits = self.session.shared().scan_limits();
        let mut reader = ArgumentReader::new(self.arguments(), &limits).map_err(|error| {
            Refusal::Reply(Reply::failure(FailureKind::BadArguments, error.to_string()))
        })?;
        let run = || {
            let run = || self.function.run(self.cx.clone(), &mut reader);
            self.arguments.lend(run)
        };
        match catch_unwind(AssertUnwindSafe(run)) {
            Ok(made) => made.map_err(Refusal::Arguments),
            Err(payload) => Err(Refusal::Reply(reply::panicked(payload))),
        }
    }
}

impl fmt::Debug for ServedCall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServedCall")
            .field("name", &self.name())
            .field("context", &self.cx)
            .finish_non_exhaustive()
    }
}

/// What a call goes on to behind an interceptor: the next one, or the function.
pub struct ServedNext {
    chain: Arc<ServedChain>,
    at: usize,
    traced: bool,
}

impl ServedNext {
    /// Goes on, and gives what became of the call.
    ///
    /// **Cancel safety:** dropping the future drops the handler at its next await.
    pub async fn run(mut self, call: ServedCall) -> Answer {
        let traced = std::mem::take(&mut self.traced);
        let scope = traced.then(|| call.cx.clone());
        let chain = Arc::clone(&self.chain);
        let rest: BoxedAnswer = match chain.0.get(self.at) {
            Some(intercept) => {
                self.at += 1;
                intercept(call, self)
            }
            None => Box::pin(call.run()),
        };
        match scope {
            Some(cx) => {
                let scoped: Scoped<BoxedAnswer> = cx.scope(rest);
                scoped.await
            }
            None => rest.await,
        }
    }

    /// Goes on as this step of a trace: what the function calls belongs to it.
    pub async fn run_in(mut self, trace: TraceContext, mut call: ServedCall) -> Answer {
        call.cx.told = Some(Told::in_trace(call.cx.told.as_ref(), trace));
        self.traced = true;
        self.run(call).await
    }
}

impl fmt::Debug for ServedNext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServedNext").finish_non_exhaustive()
    }
}

/// What a served call ends with, on its way to the caller.
#[derive(Debug)]
pub struct Answer(Reply);

impl Answer {
    /// The function is not for this caller, or not now. It gets [`Error::Refused`](crate::Error::Refused) with
    /// the message.
    #[must_use]
    pub fn refused(message: impl Into<String>) -> Self {
        Self(Reply::failure(FailureKind::Refused, message))
    }

    /// What sort of failure it is; `None` if the call went well.
    #[must_use]
    pub fn failure(&self) -> Option<FailureKind> {
        match &self.0 {
            Reply::Value(..) => None,
            Reply::Failure(failure) => Some(failure.kind),
        }
    }

    /// `ok`, or the kind of failure as the protocol names it, such as `fault`.
    #[must_use]
    pub fn code(&self) -> &'static str {
        self.failure().map_or("ok", FailureKind::as_str)
    }

    /// What the failure says; empty if the call went well.
    #[must_use]
    pub fn message(&self) -> &str {
        match &self.0 {
            Reply::Value(..) => "",
            Reply::Failure(failure) => &failure.message,
        }
    }

    /// How many bytes the result takes, or the fields of a declared error.
    #[must_use]
    pub fn size(&self) -> usize {
        match &self.0 {
            Reply::Value(value, _) => value.len(),
            Reply::Failure(failure) => failure.value.as_ref().map_or(0, Vec::len),
        }
    }
}
