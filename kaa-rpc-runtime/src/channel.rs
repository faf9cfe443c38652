//! Channels: one live, authenticated connection each, or one after the other.

mod attached;
mod builder;
#[cfg(feature = "process")]
mod child;
mod over;

use std::fmt;
use std::future::ready;
use std::io;
use std::sync::Arc;

use kaa_rpc_proto::handshake::{KeyId, Keyring, Keys};
use kaa_rpc_proto::msgpack::Arguments;
use tokio::runtime::Handle;

use crate::call::Call;
use crate::close::CloseReason;
use crate::connection::{Attempts, Hook, Name, Setup, Shared, install, keep_connected};
use crate::open::{ConnectError, Opening, as_client, as_server};
use crate::peer::Peer;
use crate::retry::Backoff;
use crate::secret::{Secret, random};
use crate::status::{Status, StatusWatch};
use crate::transport::{Kind, Transport};

pub use builder::ChannelBuilder;

/// One live, authenticated connection, in which both ends call.
///
/// Cheap to clone, and usable from any thread. When the last clone is dropped, the channel closes in
/// order: calls in progress still end, within the builder's
/// [`close_timeout`](ChannelBuilder::close_timeout). A [`crate::Server`] keeps its channels itself.
pub struct Channel {
    shared: Arc<Shared>,
}

impl Channel {
    /// Prepares a connection: say what this side exposes before it is made, so that no early call
    /// meets an unknown function.
    ///
    /// ```no_run
    /// # use kaa_rpc_runtime::{Channel, Secret, params};
    /// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
    /// let secret = Secret::from_file("player.secret")?;
    /// let channel = Channel::builder(&secret)
    ///     .register_fn("confirm", params(["question"], async |question: String| Ok(question.len() < 80)))
    ///     .connect("unix:player")
    ///     .await?;
    /// let state: String = channel.rpc("play", (7,)).await?;
    /// # Ok(()) }
    /// ```
    pub fn builder(secret: &Secret) -> ChannelBuilder {
        ChannelBuilder::new(secret)
    }

    /// Connects, exposing nothing.
    ///
    /// # Errors
    ///
    /// When nobody listens at `address`, with another secret, or after 10 seconds.
    pub async fn connect(address: &str, secret: &Secret) -> Result<Self, ConnectError> {
        Self::builder(secret).connect(address).await
    }

    /// Two channels that are connected to each other, in memory: for tests. The two closures say what
    /// each side exposes; the left one plays the server.
    ///
    /// The bytes, the handshake and the limits are the real ones.
    ///
    /// # Errors
    ///
    /// When a side exposes two functions of one name.
    pub async fn pair(
        left: impl FnOnce(ChannelBuilder) -> ChannelBuilder,
        right: impl FnOnce(ChannelBuilder) -> ChannelBuilder,
    ) -> Result<(Self, Self), ConnectError> {
        let secret = Secret::from_bytes(&random::<32>().map_err(ConnectError::Random)?)
            .map_err(|error| ConnectError::Settings(error.to_string()))?;
        let (left, left_hook) = left(ChannelBuilder::new(&secret)).halves()?;
        let (right, right_hook) = right(ChannelBuilder::new(&secret)).halves()?;
        let (left_stream, right_stream) = tokio::io::duplex(PAIR_CAPACITY);
        let mut keyring = Keyring::new(random().map_err(ConnectError::Random)?);
        keyring.insert(KeyId::EMPTY, secret.key());
        let serving = {
            let announcement = left.announcement;
            let transport = Transport::stream(left_stream, Kind::Other, []);
            tokio::spawn(async move { as_server(transport, &announcement, &keyring).await })
        };
        let transport = Transport::stream(right_stream, Kind::Other, []);
        let right_opening = as_client(
            transport,
            &right.announcement,
            KeyId::EMPTY,
            Keys::derive(secret.key()),
        )
        .await?;
        let left_opening = serving
            .await
            .map_err(|error| ConnectError::Io(io::Error::other(error)))??;
        Ok((
            Self::start(left.setup(Handle::current()), left_hook, left_opening),
            Self::start(right.setup(Handle::current()), right_hook, right_opening),
        ))
    }

    /// A channel of this one connection.
    pub(super) fn start(setup: Setup, on_connect: Option<Hook>, opening: Opening) -> Self {
        let connect = || {
            ready(Err(ConnectError::Unsupported(
                "there is one connection".into(),
            )))
        };
        Self::keep(setup, on_connect, connect, None, Some(opening))
    }

    /// A channel of the connections that `connect` gives, the first of which may be there already.
    fn keep<C, F>(
        setup: Setup,
        on_connect: Option<Hook>,
        connect: C,
        backoff: Option<Backoff>,
        first: Option<Opening>,
    ) -> Self
    where
        C: Fn() -> F + Send + Sync + 'static,
        F: Future<Output = Result<Opening, ConnectError>> + Send + 'static,
    {
        let runtime = setup.runtime.clone();
        let turns = setup.turns.upgrade();
        let shared = Shared::new(setup);
        let channel = Self::from_shared(Arc::clone(&shared));
        let attempts = Attempts {
            connect,
            backoff,
            first: first.map(|opening| install(&shared, opening, on_connect.is_some())),
            on_connect,
        };
        let driving = keep_connected(shared, attempts);
        match turns {
            Some(turns) => turns.adopt(driving),
            None => drop(runtime.spawn(driving)),
        }
        channel
    }

    pub(crate) fn from_shared(shared: Arc<Shared>) -> Self {
        shared.add_handle();
        Self { shared }
    }

    pub(crate) fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }

    /// Calls a function by its name, with positional arguments (a tuple), named ones
    /// ([`crate::kwargs!`]), or both (a tuple that ends with `kwargs!`).
    ///
    /// The result is of any type that it fits, [`crate::Value`] if nothing is known of it.
    ///
    /// ```no_run
    /// # use kaa_rpc_runtime::{Channel, kwargs};
    /// # async fn example(channel: Channel) -> Result<(), kaa_rpc_runtime::Error> {
    /// let sum: i64 = channel.rpc("add", (40, 2)).await?;
    /// let sum: i64 = channel.rpc("add", kwargs! { a: 40, b: 2 }).await?;
    /// let sum: i64 = channel.rpc("add", (40, kwargs! { b: 2 })).await?;
    /// channel.rpc("log", ("sum", sum)).ignore().await?;
    /// # Ok(()) }
    /// ```
    pub fn rpc<'a, T, A: Arguments>(&'a self, name: &'a str, arguments: A) -> Call<'a, A, T> {
        Call::new(self, "", Name::Any(name), arguments)
    }

    /// Waits until the channel is connected; at once unless it came from
    /// [`connect_lazy`](ChannelBuilder::connect_lazy) or lost its connection.
    ///
    /// # Errors
    ///
    /// Why it is closed.
    ///
    /// **Cancel safe.**
    pub async fn opened(&self) -> Result<(), Arc<CloseReason>> {
        let mut status = self.shared.status();
        let settled = status
            .wait_for(|status| status.is_connected() || status.is_closed())
            .await;
        match settled.as_deref() {
            Ok(Status::Closed(reason)) => Err(Arc::clone(reason)),
            _ => Ok(()),
        }
    }

    /// Waits until the channel is closed, and says why. The loss of a connection does not close a channel
    /// that [reconnects](ChannelBuilder::retry).
    ///
    /// **Cancel safe.**
    pub async fn closed(&self) -> Arc<CloseReason> {
        // The channel that is waited for stays open by itself, not because somebody waits.
        let mut status = self.shared.status();
        match status.wait_for(Status::is_closed).await.as_deref() {
            Ok(Status::Closed(reason)) => Arc::clone(reason),
            _ => Arc::new(CloseReason::RuntimeGone),
        }
    }

    /// Whether it is closed.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.shared.status().borrow().is_closed()
    }

    /// What it is doing now.
    #[must_use]
    pub fn status(&self) -> Status {
        self.shared.status().borrow().clone()
    }

    /// Watches what it is doing: connecting, connected, disconnected, closed.
    ///
    /// ```no_run
    /// # use kaa_rpc_runtime::{Channel, Status};
    /// # async fn example(channel: Channel) {
    /// let mut watch = channel.watch_status();
    /// while let Some(status) = watch.next().await {
    ///     if let Status::Disconnected { reason, next_attempt } = status {
    ///         println!("disconnected: {reason}; trying again in {next_attempt:?}");
    ///     }
    /// }
    /// # }
    /// ```
    #[must_use]
    pub fn watch_status(&self) -> StatusWatch {
        StatusWatch::new(self.shared.status())
    }

    /// Closes the channel in order and waits until that is done: no new calls are made or accepted,
    /// calls in progress end, but within the builder's
    /// [`close_timeout`](ChannelBuilder::close_timeout).
    ///
    /// Calls that still wait for room, or for the channel to open, are not sent any more.
    ///
    /// In a handler it would wait for that very handler: spawn it there.
    ///
    /// **Cancel safe:** dropping the future does not stop the close.
    pub async fn close(&self) -> Arc<CloseReason> {
        self.shared.begin_close(self.shared.close_timeout());
        self.closed().await
    }

    /// Who is at the other end; `None` before the channel was open. While it is not connected any more,
    /// who was.
    #[must_use]
    pub fn peer(&self) -> Option<Peer> {
        self.shared.peer().as_deref().cloned()
    }
}

/// Bytes that a pair in memory holds in each direction.
const PAIR_CAPACITY: usize = 64 * 1024;

impl Clone for Channel {
    fn clone(&self) -> Self {
        Self::from_shared(Arc::clone(&self.shared))
    }
}

impl Drop for Channel {
    fn drop(&mut self) {
        self.shared.remove_handle();
    }
}

impl fmt::Debug for Channel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Channel")
            .field("peer", &self.shared.peer())
            .field("status", &*self.shared.status().borrow())
            .finish()
    }
}
