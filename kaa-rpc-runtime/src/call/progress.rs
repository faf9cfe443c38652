//! Calls that were started.

use std::fmt;
use std::future::poll_fn;
use std::marker::PhantomData;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use futures_core::Stream;
use kaa_rpc_proto::msgpack::ScanLimits;
use kaa_rpc_proto::{Failure, FailureKind, LARGE_PAYLOAD, Metadata};
use serde::de::DeserializeOwned;

use crate::blocking::turns::Turns;
use crate::buffers;
use crate::connection::{Ended, Outcome, Reader, Shared};
use crate::error::{BadResult, Error, FromFailure};
use crate::items::{NoItems, decode};
use crate::ratelimit::RateLimit;
use crate::server::WhenBehind;

use super::intercept::Intercepted;
use super::{Announced, Outcomes};

/// A call that was started: a future of its outcome, and a stream of what it yields.
///
/// It belongs to no lifetime and no runtime, and can be sent to other tasks and threads.
///
/// **Cancel safety:** polling it again after a `select!` loses nothing. Dropping it before its end
/// cancels the call; see [`detach`](Self::detach).
#[must_use = "dropping it cancels the call; `detach` lets it run on"]
pub struct InProgress<T, F = Error, Y = NoItems> {
    state: State,
    /// Of what it yields, if that was asked for.
    items: Option<Box<Reader>>,
    /// What came beside the outcome, once that is there.
    metadata: Option<Box<[u8]>>,
    marker: PhantomData<Outcomes<T, F, Y>>,
}

enum State {
    Waiting(Arc<Shared>, usize),
    /// Among its interceptors.
    Intercepted(Box<Intercepted>),
    Failed(Error),
    /// The outcome is there, after the last item.
    Ended(Arc<Shared>, Ended),
    /// A oneway call.
    Sent,
    Over,
}

impl State {
    /// Where outcome and items of the call are, if it was sent and has not ended.
    fn sent(&self) -> Option<(&Arc<Shared>, usize)> {
        match self {
            Self::Waiting(shared, slot) => Some((shared, *slot)),
            Self::Intercepted(call) => Some((&call.shared, call.slot()?)),
            _ => None,
        }
    }
}

impl<T, F, Y> InProgress<T, F, Y> {
    pub(super) fn waiting(shared: Arc<Shared>, slot: usize, wants_items: bool) -> Self {
        Self {
            state: State::Waiting(shared, slot),
            items: wants_items.then(Box::default),
            metadata: None,
            marker: PhantomData,
        }
    }

    /// `outcome`: it is there already.
    pub(super) fn intercepted(
        call: Intercepted,
        outcome: Option<Outcome>,
        wants_items: bool,
    ) -> Self {
        let (state, metadata) = match outcome {
            Some(Outcome { ended, metadata }) => {
                (State::Ended(Arc::clone(&call.shared), ended), metadata)
            }
            None => (State::Intercepted(Box::new(call)), None),
        };
        Self {
            state,
            items: wants_items.then(Box::default),
            metadata,
            marker: PhantomData,
        }
    }

    pub(super) fn sent() -> Self {
        Self {
            state: State::Sent,
            items: None,
            metadata: None,
            marker: PhantomData,
        }
    }

    pub(super) fn failed(error: Error) -> Self {
        Self {
            state: State::Failed(error),
            items: None,
            metadata: None,
            marker: PhantomData,
        }
    }

    /// Lets the call run on although nobody waits for its outcome. It stops at its deadline, or with
    /// the channel; if it still waits for room when the channel closes, it is not sent. Streams that go with
    /// it are sent to their ends.
    ///
    /// It is dropped, and that is logged, if too many detached calls wait for room already, since nobody
    /// else bounds them: 1024 and 64 MiB of them may, or as many as the other end accepts at once if
    /// that is more. [`try_detach`](Self::try_detach) tells.
    pub fn detach(self) {
        static DROPPED: RateLimit = RateLimit::new();
        if let Err(error @ Error::TooManyDetached { .. }) = self.try_detach()
            && let Some(more) = DROPPED.report()
        {
            tracing::warn!(%error, more, "a detached call was not sent");
        }
    }

    /// As [`detach`](Self::detach), and tells if the call cannot be let go.
    ///
    /// # Errors
    ///
    /// [`Error::TooManyDetached`] if too many detached calls wait for room already, and whatever is
    /// known to have kept the call from being sent. Then it was not sent and is dropped.
    pub fn try_detach(mut self) -> Result<(), Error> {
        self.ignore_items();
        match std::mem::replace(&mut self.state, State::Over) {
            State::Waiting(shared, slot) => shared.detach_call(slot),
            State::Intercepted(call) => call.detach(),
            State::Failed(error) => Err(error),
            State::Ended(..) | State::Sent | State::Over => Ok(()),
        }
    }

    /// Lets the call run on as one of the events that may wait for their channel.
    pub(super) fn let_go_as_event(mut self, most: (usize, WhenBehind)) -> Result<Announced, Error> {
        self.ignore_items();
        match std::mem::replace(&mut self.state, State::Over) {
            State::Waiting(shared, slot) => shared.announce_call(slot, most),
            // It is not known yet whether it has to wait.
            State::Intercepted(call) => call.detach().map(|()| Announced::default()),
            State::Failed(error) => Err(error),
            State::Ended(..) | State::Sent | State::Over => Ok(Announced::default()),
        }
    }

    /// Makes room for what the call yields from now on, which nobody takes.
    fn ignore_items(&mut self) {
        let Some(mut reader) = self.items.take() else {
            return;
        };
        if let Some((shared, slot)) = self.state.sent() {
            shared.ignore_yields(slot, &mut reader);
        }
        if let State::Intercepted(call) = &self.state {
            call.items_are_over();
        }
    }

    /// What the other end told beside the outcome, once that is there: await the handle by reference, and ask
    /// it then. Empty if it told nothing, or nothing that can be read.
    ///
    /// ```no_run
    /// # use kaa_rpc_runtime::{Channel, Error};
    /// # async fn example(channel: Channel) -> Result<(), Error> {
    /// let mut call = channel.rpc::<u64, _>("scan", ()).start();
    /// let found = (&mut call).await;
    /// if let Some(version) = call.metadata().get("version") {
    ///     println!("answered by {version}");
    /// }
    /// # found?; Ok(()) }
    /// ```
    #[must_use]
    pub fn metadata(&self) -> Metadata {
        let decoded = self.metadata.as_deref().map(Metadata::decode);
        decoded.and_then(Result::ok).unwrap_or_default()
    }

    /// Who drives the channel, if it has a thread of its own and the call has not ended.
    pub(crate) fn turns(&self) -> Option<Arc<Turns>> {
        match &self.state {
            State::Waiting(shared, _) => shared.turns(),
            State::Intercepted(call) => call.shared.turns(),
            _ => None,
        }
    }

    pub(crate) fn is_intercepted(&self) -> bool {
        matches!(self.state, State::Intercepted(_))
    }

    /// Cancels the call, as dropping it does.
    pub fn cancel(self) {
        drop(self);
    }
}

impl<T: DeserializeOwned, F: FromFailure, Y> InProgress<T, F, Y> {
    /// The outcome, whatever it is, and what the other end told beside it.
    ///
    /// **Cancel safety:** dropping the future cancels the call.
    pub async fn with_metadata(mut self) -> (Result<T, F>, Metadata) {
        let outcome = (&mut self).await;
        (outcome, self.metadata())
    }
}

impl<T: DeserializeOwned, F: FromFailure, Y: DeserializeOwned> InProgress<T, F, Y> {
    /// The next item that the function yields; `None` after the last one, when the result is there:
    /// [`finish`](Self::finish) gives it.
    ///
    /// If this end does not ask for a while, it holds so many items as its limits say (`max_stream_items`,
    /// `max_stream_bytes`), and the function waits.
    ///
    /// # Errors
    ///
    /// That of the call, after the items that it gave before; or [`Error::BadResult`] if an item is of
    /// another type, which cancels the call.
    ///
    /// **Cancel safe:** no item is lost.
    pub async fn next(&mut self) -> Result<Option<Y>, F> {
        poll_fn(|cx| self.poll_item(cx)).await
    }

    /// The result. Items that were not taken are thrown away. The same as awaiting the handle itself.
    ///
    /// # Errors
    ///
    /// That of the call.
    ///
    /// **Cancel safety:** dropping the future cancels the call.
    pub async fn finish(self) -> Result<T, F> {
        self.await
    }

    fn poll_item(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<Y>, F>> {
        loop {
            if let Some((shared, slot)) = self.state.sent()
                && let Some(reader) = &mut self.items
            {
                if reader.is_due() {
                    shared.yields_taken(slot, reader);
                }
                if let Some(value) = reader.next() {
                    let item = decode(value, &shared.scan_limits());
                    return Poll::Ready(item.map(Some).map_err(|message| {
                        let error = Error::BadResult(Box::new(BadResult { message }));
                        // Nothing can be made of what would follow.
                        self.cancel_with(error.clone());
                        F::from_error(error)
                    }));
                }
                if ready!(shared.poll_yields(slot, reader, cx)) {
                    continue;
                }
            }
            if let State::Intercepted(call) = &mut self.state {
                let before = call.slot();
                if before.is_some() {
                    call.items_are_over();
                }
                let Poll::Ready(outcome) = call.poll(cx) else {
                    if before.is_none() && call.slot().is_some() {
                        continue;
                    }
                    return Poll::Pending;
                };
                let shared = Arc::clone(&call.shared);
                self.metadata = outcome.metadata;
                self.state = State::Ended(shared, outcome.ended);
            } else if let State::Waiting(shared, slot) = &self.state {
                let outcome = ready!(shared.poll_call(*slot, cx));
                self.metadata = outcome.metadata;
                self.state = State::Ended(Arc::clone(shared), outcome.ended);
            }
            return Poll::Ready(match &self.state {
                State::Ended(_, Ended::Value(_) | Ended::Sent) | State::Sent | State::Over => {
                    Ok(None)
                }
                State::Ended(shared, Ended::Failure(failure, timeout)) => {
                    let failure = Failure::decode(failure, &shared.scan_limits());
                    Err(fail(failure, *timeout))
                }
                State::Failed(error) | State::Ended(_, Ended::Error(error)) => {
                    Err(F::from_error(error.clone()))
                }
                // It has ended by now.
                State::Waiting(..) | State::Intercepted(_) => Ok(None),
            });
        }
    }

    fn cancel_with(&mut self, error: Error) {
        // Interceptors are dropped, and cancel it.
        if let State::Waiting(shared, slot) =
            std::mem::replace(&mut self.state, State::Failed(error))
        {
            shared.cancel_call(slot);
        }
    }
}

/// The items, then the error if there is one. The result is to be had from
/// [`finish`](InProgress::finish).
impl<T: DeserializeOwned, F: FromFailure, Y: DeserializeOwned> Stream for InProgress<T, F, Y> {
    type Item = Result<Y, F>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.poll_item(cx).map(Result::transpose)
    }
}

impl<T: DeserializeOwned, F: FromFailure, Y> Future for InProgress<T, F, Y> {
    type Output = Result<T, F>;

    /// # Panics
    ///
    /// If it is polled after it gave its outcome.
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        this.ignore_items();
        if let State::Waiting(shared, slot) = &this.state {
            let Outcome { ended, metadata } = ready!(shared.poll_call(*slot, cx));
            let limits = shared.scan_limits();
            this.metadata = metadata;
            this.state = State::Over;
            return Poll::Ready(outcome(ended, &limits));
        }
        if let State::Intercepted(call) = &mut this.state {
            let Outcome { ended, metadata } = ready!(call.poll(cx));
            let limits = call.shared.scan_limits();
            this.metadata = metadata;
            this.state = State::Over;
            return Poll::Ready(outcome(ended, &limits));
        }
        Poll::Ready(match std::mem::replace(&mut this.state, State::Over) {
            State::Ended(shared, ended) => outcome(ended, &shared.scan_limits()),
            State::Sent => outcome(Ended::Sent, &ScanLimits::default()),
            State::Failed(error) => Err(F::from_error(error)),
            State::Waiting(..) | State::Intercepted(_) | State::Over => {
                panic!("a call was polled after it gave its outcome")
            }
        })
    }
}

fn outcome<T: DeserializeOwned, F: FromFailure>(ended: Ended, limits: &ScanLimits) -> Result<T, F> {
    let result = |value: &[u8]| {
        decode(value, limits)
            .map_err(|message| F::from_error(Error::BadResult(Box::new(BadResult { message }))))
    };
    match ended {
        Ended::Value(value) if value.value().len() < LARGE_PAYLOAD => {
            let result = result(value.value());
            buffers::give(value.into_buffer());
            result
        }
        // What is decoded may keep a part of it.
        Ended::Value(value) => {
            let (owner, start) = value.share();
            owner.lend(|| result(owner.bytes().get(start..).unwrap_or_default()))
        }
        Ended::Failure(failure, timeout) => Err(fail(Failure::decode(&failure, limits), timeout)),
        Ended::Error(error) => Err(F::from_error(error)),
        // Nil: nothing is told of the outcome of a oneway call.
        Ended::Sent => result(&[0xc0]),
    }
}

/// Of a timeout that the other end noticed first, this end knows how long it was.
fn fail<F: FromFailure>(failure: Failure, timeout: Option<Duration>) -> F {
    if failure.kind == FailureKind::TimedOut && timeout.is_some() {
        return F::from_error(Error::TimedOut {
            function: failure.name,
            after: timeout,
            sent: true,
        });
    }
    F::from_failure(failure)
}

impl<T, F, Y> Drop for InProgress<T, F, Y> {
    /// The race with the outcome is settled under the lock: if it is there already, it is dropped.
    fn drop(&mut self) {
        if let State::Waiting(shared, slot) = &self.state {
            shared.cancel_call(*slot);
        }
    }
}

impl<T, F, Y> fmt::Debug for InProgress<T, F, Y> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = match &self.state {
            State::Waiting(..) | State::Intercepted(_) => "waiting",
            State::Failed(_) => "failed",
            State::Ended(..) => "ended",
            State::Sent => "sent",
            State::Over => "over",
        };
        f.debug_struct("InProgress").field("state", &state).finish()
    }
}
