//! Calls from the caller's side: built, started, awaited.

use std::fmt;
use std::future::IntoFuture;
use std::marker::PhantomData;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use kaa_rpc_proto::msgpack::{self, Arguments};
use kaa_rpc_proto::{Failure, FailureKind};
use serde::de::{Deserialize, DeserializeOwned, Deserializer, IgnoredAny};

use crate::buffers;
use crate::channel::Channel;
use crate::connection::{Ended, Name, Request, Shared, Started};
use crate::error::{BadResult, Error, FromFailure};
use crate::ratelimit::RateLimit;

/// A call that can be adjusted and then awaited, or [started](Self::start).
///
/// Proxies and [`Channel::rpc`] give it. Nothing is sent before it is awaited or started. `T` is the
/// result, `F` what it can fail with.
///
/// **Cancel safety:** dropping the future cancels the call: the function is dropped at its next await.
#[must_use = "a call does nothing until it is awaited or started"]
pub struct Call<'a, A, T, F = Error> {
    channel: &'a Channel,
    prefix: &'a str,
    name: Name<'a>,
    arguments: A,
    timeout: Option<Duration>,
    oneway: bool,
    waits: Option<bool>,
    resends: u32,
    idempotent: bool,
    marker: PhantomData<fn() -> (T, F)>,
}

impl<'a, A: Arguments, T, F> Call<'a, A, T, F> {
    pub(crate) fn new(channel: &'a Channel, prefix: &'a str, name: Name<'a>, arguments: A) -> Self {
        Self {
            channel,
            prefix,
            name,
            arguments,
            timeout: channel.shared().default_timeout(),
            oneway: false,
            waits: None,
            resends: channel.shared().resends(),
            idempotent: false,
            marker: PhantomData,
        }
    }

    /// Fails with [`Error::TimedOut`] unless the outcome comes within `timeout`, and stops the
    /// function then. Replaces what the schema or the channel says. In a handler, the time that the
    /// handler itself has left can only shorten it.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = Some(timeout);
        self
    }

    /// Waits while the channel is not connected, whatever the channel says; see
    /// [`ChannelBuilder::fail_fast`](crate::ChannelBuilder::fail_fast). The call's time runs meanwhile.
    ///
    /// A call that was sent does not wait for another connection when that one is lost; see
    /// [`resend`](Self::resend).
    pub fn wait_until_ready(mut self) -> Self {
        self.waits = Some(true);
        self
    }

    /// Fails with [`Error::NotConnected`] at once if the channel is not connected, whatever the channel
    /// says.
    pub fn fail_fast(mut self) -> Self {
        self.waits = Some(false);
        self
    }

    /// If the connection is lost, sends the call again over the next one, at most `times` times and
    /// within its time: if its function is `@idempotent`, or nothing of it was sent yet. Replaces what
    /// [`Retry::resend`](crate::Retry::resend) says. Of use only on a channel that reconnects. A call
    /// that was [detached](InProgress::detach) after it was sent, and a oneway call, is not sent again.
    pub fn resend(mut self, times: u32) -> Self {
        self.resends = times;
        self
    }

    /// Says that to run the function twice is to run it once, as `@idempotent` in a schema does.
    pub fn idempotent(mut self) -> Self {
        self.idempotent = true;
        self
    }

    /// The arguments, which a setter may change.
    #[doc(hidden)]
    pub fn arguments(&mut self) -> &mut A {
        &mut self.arguments
    }

    /// Sends the call now. The handle can be awaited later, elsewhere, or let go with
    /// [`InProgress::detach`]. It works outside of a runtime, too.
    ///
    /// Calls reach the other end in the order in which they are started. If as many are in flight as
    /// the other end accepts, the call waits in the handle.
    pub fn start(self) -> InProgress<T, F> {
        let mut arguments = buffers::take();
        let shape = match msgpack::encode_arguments(&mut arguments, &self.arguments) {
            Ok(shape) => shape,
            Err(error) => {
                buffers::give(arguments);
                return InProgress::failed(Error::Unencodable(error.to_string()));
            }
        };
        let prefixed;
        let name = if self.prefix.is_empty() {
            self.name
        } else {
            prefixed = format!("{}{}", self.prefix, self.name.as_str());
            Name::Any(&prefixed)
        };
        let request = Request {
            name,
            arguments,
            shape,
            timeout: self.timeout,
            deadline: None,
            depth: 0,
            oneway: self.oneway,
            nested: false,
            greets: false,
            waits: self.waits,
            resends: self.resends,
            idempotent: self.idempotent,
        };
        let shared = self.channel.shared();
        match shared.start(request) {
            Ok(Started::Waiting(slot)) => InProgress {
                state: State::Waiting(Arc::clone(shared), slot),
                marker: PhantomData,
            },
            Ok(Started::Sent) => InProgress {
                state: State::Sent,
                marker: PhantomData,
            },
            Err(error) => InProgress::failed(error),
        }
    }
}

impl<A, F> Call<'_, A, (), F> {
    /// Asks for no answer: the call ends when it is sent, and nothing is told of its outcome.
    pub fn oneway(mut self) -> Self {
        self.oneway = true;
        self
    }
}

impl<A, F> Call<'_, A, Ignored, F> {
    /// Takes any result and drops it: `channel.rpc("eject", (1,)).ignore().await?`.
    pub fn ignore(self) -> Self {
        self
    }
}

impl<A: Arguments, T: DeserializeOwned, F: FromFailure> IntoFuture for Call<'_, A, T, F> {
    type Output = Result<T, F>;
    type IntoFuture = InProgress<T, F>;

    fn into_future(self) -> Self::IntoFuture {
        self.start()
    }
}

impl<A, T, F> fmt::Debug for Call<'_, A, T, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Call")
            .field(
                "name",
                &format_args!("{}{}", self.prefix, self.name.as_str()),
            )
            .field("timeout", &self.timeout)
            .finish_non_exhaustive()
    }
}

/// A result that is of no interest; see [`Call::ignore`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Ignored;

impl<'de> Deserialize<'de> for Ignored {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        IgnoredAny::deserialize(deserializer).map(|_| Self)
    }
}

/// A call that was started: a future of its outcome.
///
/// It belongs to no lifetime and no runtime, and can be sent to other tasks and threads.
///
/// **Cancel safety:** polling it again after a `select!` loses nothing. Dropping it before its end
/// cancels the call; see [`detach`](Self::detach).
#[must_use = "dropping it cancels the call; `detach` lets it run on"]
pub struct InProgress<T, F = Error> {
    state: State,
    marker: PhantomData<fn() -> (T, F)>,
}

enum State {
    Waiting(Arc<Shared>, usize),
    Failed(Error),
    /// A oneway call.
    Sent,
    Over,
}

impl<T, F> InProgress<T, F> {
    fn failed(error: Error) -> Self {
        Self {
            state: State::Failed(error),
            marker: PhantomData,
        }
    }

    /// Lets the call run on although nobody waits for its outcome. It stops at its deadline, or with
    /// the channel; if it still waits for room when the channel closes, it is not sent.
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
        match std::mem::replace(&mut self.state, State::Over) {
            State::Waiting(shared, slot) => shared.detach_call(slot),
            State::Failed(error) => Err(error),
            State::Sent | State::Over => Ok(()),
        }
    }

    /// Cancels the call, as dropping it does.
    pub fn cancel(self) {
        drop(self);
    }
}

impl<T: DeserializeOwned, F: FromFailure> Future for InProgress<T, F> {
    type Output = Result<T, F>;

    /// # Panics
    ///
    /// If it is polled after it gave its outcome.
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let ended = match &self.state {
            State::Waiting(shared, slot) => ready!(shared.poll_call(*slot, cx)),
            State::Sent => Ended::Sent,
            State::Failed(error) => Ended::Error(error.clone()),
            State::Over => panic!("a call was polled after it gave its outcome"),
        };
        let state = std::mem::replace(&mut self.state, State::Over);
        let limits = match &state {
            State::Waiting(shared, _) => shared.scan_limits(),
            _ => msgpack::ScanLimits::default(),
        };
        Poll::Ready(match ended {
            Ended::Value(value) => {
                let result = decode(&value, &limits).map_err(F::from_error);
                buffers::give(value);
                result
            }
            Ended::Failure(failure, timeout) => {
                Err(fail(Failure::decode(&failure, &limits), timeout))
            }
            Ended::Error(error) => Err(F::from_error(error)),
            Ended::Sent => decode(&[0xc0], &limits).map_err(F::from_error),
        })
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

fn decode<T: DeserializeOwned>(value: &[u8], limits: &msgpack::ScanLimits) -> Result<T, Error> {
    let bad = |message: String| Error::BadResult(Box::new(BadResult { message }));
    msgpack::scan(value, limits).map_err(|error| bad(error.to_string()))?;
    msgpack::from_slice(value).map_err(|error| bad(error.to_string()))
}

impl<T, F> Drop for InProgress<T, F> {
    /// The race with the outcome is settled under the lock: if it is there already, it is dropped.
    fn drop(&mut self) {
        if let State::Waiting(shared, slot) = std::mem::replace(&mut self.state, State::Over) {
            shared.cancel_call(slot);
        }
    }
}

impl<T, F> fmt::Debug for InProgress<T, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = match &self.state {
            State::Waiting(..) => "waiting",
            State::Failed(_) => "failed",
            State::Sent => "sent",
            State::Over => "over",
        };
        f.debug_struct("InProgress").field("state", &state).finish()
    }
}
