//! What stands around the calls that this end makes.

use std::borrow::Cow;
use std::fmt;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Waker};

use kaa_rpc_proto::msgpack::ScanLimits;
use kaa_rpc_proto::{Failure, FailureKind, Metadata, MetadataError};
use tokio::time::Instant;

use crate::channel::Channel;
use crate::connection::{Ended, Name, Outcome, Request, Shared, Started, earlier, pump};
use crate::error::Error;
use crate::items::BoxedSource;
use crate::scope::{self, Scope};
use crate::trace::TraceContext;

type BoxedEnd = Pin<Box<dyn Future<Output = CallEnd> + Send>>;

/// An interceptor, without its type.
type Intercept = Box<dyn Fn(MadeCall, MadeNext) -> BoxedEnd + Send + Sync>;

/// So many intercepted calls may go on although their handles are gone.
const MAX_DETACHED: usize = 1024;

/// The interceptors of the calls that a side makes, in the order in which they were added.
#[derive(Default)]
pub(crate) struct MadeChain {
    list: Vec<Intercept>,
    detached: AtomicUsize,
}

impl MadeChain {
    pub(crate) fn add<F, Fut>(&mut self, intercept: F)
    where
        F: Fn(MadeCall, MadeNext) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = CallEnd> + Send + 'static,
    {
        self.list
            .push(Box::new(move |call, next| Box::pin(intercept(call, next))));
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.list.is_empty()
    }
}

impl fmt::Debug for MadeChain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} interceptors", self.list.len())
    }
}

/// A call of this end, as [interceptors](crate::ChannelBuilder::intercept_calls) see it.
pub struct MadeCall {
    pub(super) shared: Arc<Shared>,
    pub(super) name: String,
    pub(super) metadata: Metadata,
    /// The trace of the handler that makes it.
    parent: Option<TraceContext>,
    /// Its name is of a schema.
    declared: bool,
    /// What else there is of it. Its name and metadata are put in when it is sent.
    pub(super) request: Request<'static>,
    pub(super) sources: Vec<BoxedSource>,
    began: Instant,
    scope: Option<Scope>,
    link: Arc<Link>,
}

impl MadeCall {
    pub(super) fn new(
        shared: &Arc<Shared>,
        (name, declared): (&str, bool),
        metadata: Metadata,
        request: Request<'static>,
        sources: Vec<BoxedSource>,
    ) -> Self {
        Self {
            shared: Arc::clone(shared),
            name: name.to_owned(),
            metadata,
            parent: scope::trace(),
            declared,
            link: Arc::new(Link::new(request.wants_items)),
            request,
            sources,
            began: Instant::now(),
            scope: scope::current(),
        }
    }

    /// The wire name of the function.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The channel over which it is made, and so who is called.
    #[must_use]
    pub fn channel(&self) -> Channel {
        Channel::from_shared(Arc::clone(&self.shared))
    }

    /// When it must be over, if it has a deadline.
    #[must_use]
    pub fn deadline(&self) -> Option<Instant> {
        let timeout = self.request.timeout;
        let own = timeout.and_then(|timeout| self.began.checked_add(timeout));
        earlier(own, self.scope.and_then(|scope| scope.deadline))
    }

    /// Whether nobody hears of its outcome.
    #[must_use]
    pub fn is_oneway(&self) -> bool {
        self.request.oneway
    }

    /// The encoded arguments. Those that share large [`Bytes`](crate::Bytes) are copied into one piece for it.
    #[must_use]
    pub fn arguments(&self) -> Cow<'_, [u8]> {
        self.request.arguments.contiguous()
    }

    /// How many bytes the encoded arguments are.
    #[must_use]
    pub fn size(&self) -> usize {
        self.request.arguments.len()
    }

    /// What goes along with it.
    #[must_use]
    pub fn metadata(&self) -> &Metadata {
        &self.metadata
    }

    /// Sends something along, in place of what goes along under this key.
    ///
    /// # Errors
    ///
    /// If the key is empty, or there is no room for the entry.
    pub fn insert_metadata(
        &mut self,
        key: impl Into<String>,
        value: impl Into<String>,
    ) -> Result<(), MetadataError> {
        self.metadata.insert(key, value)
    }

    /// Whether its name is of a schema, and so one of few.
    #[must_use]
    pub fn is_declared(&self) -> bool {
        self.declared
    }

    /// The trace of the handler that makes it, if it is made in one.
    #[must_use]
    pub fn parent(&self) -> Option<&TraceContext> {
        self.parent.as_ref()
    }

    pub(crate) fn metadata_mut(&mut self) -> &mut Metadata {
        &mut self.metadata
    }

    /// Sends it, and waits for its outcome.
    async fn send(self) -> CallEnd {
        let Self {
            shared,
            name,
            metadata,
            mut request,
            sources,
            began,
            scope,
            link,
            ..
        } = self;
        // What interceptors took is gone.
        request.timeout = request
            .timeout
            .map(|timeout| timeout.saturating_sub(began.elapsed()));
        request.metadata = metadata.encoded();
        request.wants_items = link.wants_items.load(Ordering::Relaxed);
        let started = {
            // Whoever polls now may be somebody else than whoever made the call.
            let _entered = scope::enter_as(scope);
            shared.start(&mut Request {
                name: Name::Any(&name),
                ..request
            })
        };
        let slot = match started {
            Err(error) => return CallEnd::failed(error),
            Ok(Started::Sent) => return CallEnd::of(Ended::Sent),
            Ok(Started::Waiting(slot)) => slot,
        };
        let mut sent = Sent {
            shared,
            slot: Some(slot),
        };
        if !sources.is_empty() {
            pump(&sent.shared, slot, sources);
        }
        link.slot.store(slot, Ordering::Relaxed);
        let outcome = poll_fn(|cx| {
            // With its outcome, a call gives up its items: the handle takes them first.
            if link.wants_items.load(Ordering::Relaxed) {
                return Poll::Pending;
            }
            sent.shared.poll_call(slot, cx)
        });
        let outcome = outcome.await;
        sent.slot = None;
        CallEnd(outcome)
    }
}

impl fmt::Debug for MadeCall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MadeCall")
            .field("name", &self.name)
            .field("deadline", &self.deadline())
            .finish_non_exhaustive()
    }
}

/// A call that was sent; it is cancelled if its interceptors are dropped.
struct Sent {
    shared: Arc<Shared>,
    slot: Option<usize>,
}

impl Drop for Sent {
    fn drop(&mut self) {
        if let Some(slot) = self.slot.take() {
            self.shared.cancel_call(slot);
        }
    }
}

/// What a call goes on to behind an interceptor: the next one, or the other end.
pub struct MadeNext {
    chain: Arc<MadeChain>,
    at: usize,
}

impl MadeNext {
    /// Goes on, and gives what became of the call.
    ///
    /// **Cancel safety:** dropping the future cancels the call.
    pub async fn run(mut self, call: MadeCall) -> CallEnd {
        let chain = Arc::clone(&self.chain);
        let rest: BoxedEnd = match chain.list.get(self.at) {
            Some(intercept) => {
                self.at += 1;
                intercept(call, self)
            }
            None => Box::pin(call.send()),
        };
        rest.await
    }
}

impl fmt::Debug for MadeNext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MadeNext").finish_non_exhaustive()
    }
}

/// What a call of this end ends with, on its way to whoever made it.
pub struct CallEnd(Outcome);

impl CallEnd {
    fn of(ended: Ended) -> Self {
        Self(Outcome {
            ended,
            metadata: None,
        })
    }

    /// The call fails so, whether or not it was sent.
    #[must_use]
    pub fn failed(error: Error) -> Self {
        Self::of(Ended::Error(error))
    }

    /// Whether the function ended well, or a oneway call was sent.
    #[must_use]
    pub fn is_ok(&self) -> bool {
        matches!(self.0.ended, Ended::Value(_) | Ended::Sent)
    }

    /// `ok`, the kind of failure as the protocol names it, such as `fault`, or what happened at this end, such
    /// as `not_connected`.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match &self.0.ended {
            Ended::Value(_) | Ended::Sent => "ok",
            Ended::Failure(..) => self.failure().map_or("fault", FailureKind::as_str),
            Ended::Error(error) => error.code(),
        }
    }

    /// What sort of failure the other end told.
    #[must_use]
    pub fn failure(&self) -> Option<FailureKind> {
        match &self.0.ended {
            Ended::Failure(failure, _) => {
                Some(Failure::decode(failure, &ScanLimits::default()).kind)
            }
            _ => None,
        }
    }

    /// What the other end told beside the outcome.
    #[must_use]
    pub fn metadata(&self) -> Metadata {
        let decoded = self.0.metadata.as_deref().map(Metadata::decode);
        decoded.and_then(Result::ok).unwrap_or_default()
    }

    /// How many bytes the result or the failure takes.
    #[must_use]
    pub fn size(&self) -> usize {
        match &self.0.ended {
            Ended::Value(kept) => kept.value().len(),
            Ended::Failure(bytes, _) => bytes.len(),
            Ended::Error(_) | Ended::Sent => 0,
        }
    }
}

impl fmt::Debug for CallEnd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("CallEnd").field(&self.code()).finish()
    }
}

/// What the handle of a call and the innermost part of its interceptors tell each other.
struct Link {
    /// Where its outcome and its items are, once it was sent.
    slot: AtomicUsize,
    /// The handle takes its items, and has not come to their end.
    wants_items: AtomicBool,
}

impl Link {
    const NO_SLOT: usize = usize::MAX;

    fn new(wants_items: bool) -> Self {
        Self {
            slot: AtomicUsize::new(Self::NO_SLOT),
            wants_items: AtomicBool::new(wants_items),
        }
    }
}

/// A call among its interceptors, as its handle has it.
pub(super) struct Intercepted {
    pub(super) shared: Arc<Shared>,
    chain: Arc<MadeChain>,
    /// Only whoever has the handle polls it; the mutex lets handles be shared all the same.
    future: Mutex<BoxedEnd>,
    link: Arc<Link>,
}

impl Intercepted {
    /// Begins: goes as far as the interceptors are ready.
    pub(super) fn begin(chain: &Arc<MadeChain>, call: MadeCall) -> (Self, Option<Outcome>) {
        let (shared, link) = (Arc::clone(&call.shared), Arc::clone(&call.link));
        let next = MadeNext {
            chain: Arc::clone(chain),
            at: 0,
        };
        let mut this = Self {
            shared,
            chain: Arc::clone(chain),
            future: Mutex::new(Box::pin(next.run(call))),
            link,
        };
        let outcome = match this.poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(outcome) => Some(outcome),
            Poll::Pending => None,
        };
        (this, outcome)
    }

    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Outcome> {
        let future = self.future.get_mut();
        let future = future.unwrap_or_else(PoisonError::into_inner);
        future.as_mut().poll(cx).map(|end| end.0)
    }

    /// Where its items are, once it was sent.
    pub(super) fn slot(&self) -> Option<usize> {
        let slot = self.link.slot.load(Ordering::Relaxed);
        (slot != Link::NO_SLOT).then_some(slot)
    }

    /// All items were taken, or nobody takes any more: the outcome may be fetched.
    pub(super) fn items_are_over(&self) {
        self.link.wants_items.store(false, Ordering::Relaxed);
    }

    /// Goes on without a handle.
    pub(super) fn detach(self) -> Result<(), Error> {
        let Self {
            shared,
            chain,
            future,
            ..
        } = self;
        if chain.detached.fetch_add(1, Ordering::Relaxed) >= MAX_DETACHED {
            chain.detached.fetch_sub(1, Ordering::Relaxed);
            return Err(Error::TooManyDetached {
                message: format!(
                    "{MAX_DETACHED} detached calls are among their interceptors already, as many as may be"
                ),
            });
        }
        let counted = Counted(chain);
        let future = future.into_inner().unwrap_or_else(PoisonError::into_inner);
        shared.runtime().spawn(async move {
            let _counted = counted;
            future.await;
        });
        Ok(())
    }
}

/// A detached call.
struct Counted(Arc<MadeChain>);

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.detached.fetch_sub(1, Ordering::Relaxed);
    }
}
