//! Calls from the caller's side: built, started, awaited.

mod event;
mod intercept;
mod progress;

use std::fmt;
use std::future::IntoFuture;
use std::marker::PhantomData;
use std::sync::Arc;
use std::time::Duration;

use kaa_rpc_proto::msgpack::{Arguments, Encoded};
use kaa_rpc_proto::{Metadata, MetadataError};
use serde::de::{Deserialize, DeserializeOwned, Deserializer, IgnoredAny};

use crate::buffers;
use crate::channel::Channel;
use crate::connection::{Name, Request, Started, pump};
use crate::error::{Error, FromFailure};
use crate::items::{BoxedSource, ItemSource, NoItems};
use crate::scope;

pub use event::Event;
pub(crate) use event::{Announced, EncodedCall};
pub(crate) use intercept::MadeChain;
pub use intercept::{CallEnd, MadeCall, MadeNext};
pub use progress::InProgress;

use intercept::Intercepted;

/// What a call gives, of whatever thread it is.
type Outcomes<T, F, Y> = fn() -> (T, F, Y);

/// A call that can be adjusted and then awaited, or [started](Self::start).
///
/// Proxies and [`Channel::rpc`] give it. Nothing is sent before it is awaited or started. `T` is the
/// result, `F` what it can fail with, `Y` what it yields before its result. Who awaits a call that yields
/// gets the result alone; to have the items, start it and ask the handle for them.
///
/// **Cancel safety:** dropping the future cancels the call: the function is dropped at its next await.
#[must_use = "a call does nothing until it is awaited or started"]
pub struct Call<'a, A, T, F = Error, Y = NoItems> {
    channel: &'a Channel,
    prefix: &'a str,
    name: Name<'a>,
    arguments: A,
    timeout: Option<Duration>,
    oneway: bool,
    waits: Option<bool>,
    resends: u32,
    idempotent: bool,
    wants_items: bool,
    /// Streams that go with it, in the order of their numbers.
    sources: Vec<BoxedSource>,
    /// What goes along, or why it cannot.
    metadata: Option<Box<Result<Metadata, MetadataError>>>,
    marker: PhantomData<Outcomes<T, F, Y>>,
}

impl<'a, A, T, F> Call<'a, A, T, F> {
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
            wants_items: false,
            sources: Vec::new(),
            metadata: None,
            marker: PhantomData,
        }
    }

    /// Asks for the items that the function yields; they are had from the handle of the started call.
    ///
    /// ```no_run
    /// # use kaa_rpc_runtime::{Channel, Error};
    /// # async fn example(channel: Channel) -> Result<(), Error> {
    /// let mut found = channel.rpc::<u64, _>("scan", ("/music",)).items::<String>().start();
    /// while let Some(name) = found.next().await? {
    ///     println!("{name}");
    /// }
    /// println!("{} in all", found.finish().await?);
    /// # Ok(()) }
    /// ```
    pub fn items<Y>(self) -> Call<'a, A, T, F, Y> {
        Call {
            channel: self.channel,
            prefix: self.prefix,
            name: self.name,
            arguments: self.arguments,
            timeout: self.timeout,
            oneway: self.oneway,
            waits: self.waits,
            resends: self.resends,
            idempotent: self.idempotent,
            wants_items: true,
            sources: self.sources,
            metadata: self.metadata,
            marker: PhantomData,
        }
    }
}

impl<A: Arguments, T, F, Y> Call<'_, A, T, F, Y> {
    /// Sends a stream along, for which a [`StreamArgument`](crate::StreamArgument) stands in the
    /// arguments: the first one is number 0. Its items follow as the other end has room for them, from a
    /// task of the channel's runtime. A call with streams is never sent twice.
    pub fn stream<I>(mut self, items: impl ItemSource<I>) -> Self {
        self.sources.push(items.into_source());
        self
    }

    /// Sends something along beside the arguments, for the handler to find in
    /// [`Context::metadata`](crate::Context::metadata). A key that was set before gets the new value.
    ///
    /// There is room for 64 entries and 8192 bytes, and no key is empty: more fails with
    /// [`Error::Unencodable`], and nothing is sent.
    pub fn metadata(mut self, key: impl Into<String>, value: impl Into<String>) -> Self {
        let metadata = self
            .metadata
            .get_or_insert_with(|| Box::new(Ok(Metadata::new())));
        if let Ok(map) = &mut **metadata
            && let Err(error) = map.insert(key, value)
        {
            **metadata = Err(error);
        }
        self
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
    pub fn start(self) -> InProgress<T, F, Y> {
        let Ok(streams) = u8::try_from(self.sources.len()) else {
            return InProgress::failed(Error::Unencodable(
                "a call takes at most 255 streams along".to_owned(),
            ));
        };
        if self.oneway && streams > 0 {
            return InProgress::failed(Error::Unencodable(
                "a oneway call takes no streams along".to_owned(),
            ));
        }
        let metadata = match along(self.metadata) {
            Ok(metadata) => metadata,
            Err(error) => return InProgress::failed(Error::Unencodable(error.to_string())),
        };
        let mut arguments = Encoded::new(buffers::take());
        let shape = match arguments.arguments(&self.arguments) {
            Ok(shape) => shape,
            Err(error) => {
                buffers::give(arguments.take_buffer());
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
        let mut request = Request {
            name,
            arguments,
            shape,
            metadata: Vec::new(),
            timeout: self.timeout,
            deadline: None,
            depth: 0,
            oneway: self.oneway,
            nested: false,
            greets: false,
            waits: self.waits,
            // What was sent of a stream cannot be had again.
            resends: if streams == 0 { self.resends } else { 0 },
            idempotent: self.idempotent,
            streams,
            wants_items: self.wants_items,
        };
        let shared = self.channel.shared();
        if let Some(chain) = shared.made_chain() {
            let call = MadeCall::new(
                shared,
                (name.as_str(), matches!(self.name, Name::Static(_))),
                metadata.unwrap_or_default(),
                Request {
                    name: Name::Static(""),
                    ..request
                },
                self.sources,
            );
            let (call, outcome) = Intercepted::begin(chain, call);
            return InProgress::intercepted(call, outcome, self.wants_items);
        }
        if let Some(metadata) = metadata {
            request.metadata = metadata.encoded();
        }
        match shared.start(&mut request) {
            Ok(Started::Waiting(slot)) => {
                if streams > 0 {
                    pump(shared, slot, self.sources);
                }
                InProgress::waiting(Arc::clone(shared), slot, self.wants_items)
            }
            Ok(Started::Sent) => InProgress::sent(),
            Err(error) => InProgress::failed(error),
        }
    }
}

/// What goes along with a call: what the user says, and the trace of the handler that makes it.
fn along(
    metadata: Option<Box<Result<Metadata, MetadataError>>>,
) -> Result<Option<Metadata>, MetadataError> {
    let trace = scope::trace();
    if metadata.is_none() && trace.is_none() {
        return Ok(None);
    }
    let mut metadata = metadata.map_or_else(|| Ok(Metadata::new()), |metadata| *metadata)?;
    if let Some(trace) = trace {
        trace.child().add_to(&mut metadata);
    }
    Ok(Some(metadata))
}

impl<A, F, Y> Call<'_, A, (), F, Y> {
    /// Asks for no answer: the call ends when it is sent, and nothing is told of its outcome.
    pub fn oneway(mut self) -> Self {
        self.oneway = true;
        self
    }
}

impl<A, F, Y> Call<'_, A, Ignored, F, Y> {
    /// Takes any result and drops it: `channel.rpc("eject", (1,)).ignore().await?`.
    pub fn ignore(self) -> Self {
        self
    }
}

impl<A: Arguments, T: DeserializeOwned, F: FromFailure, Y> IntoFuture for Call<'_, A, T, F, Y> {
    type Output = Result<T, F>;
    type IntoFuture = InProgress<T, F, Y>;

    fn into_future(self) -> Self::IntoFuture {
        self.start()
    }
}

impl<A, T, F, Y> fmt::Debug for Call<'_, A, T, F, Y> {
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
