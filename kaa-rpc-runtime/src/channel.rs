//! Channels: one live, authenticated connection each, or one after the other.

#[cfg(feature = "process")]
mod child;
mod over;

use std::fmt;
use std::future::ready;
use std::io;
use std::marker::PhantomData;
use std::sync::Arc;

use kaa_rpc_proto::handshake::{KeyId, Keyring, Keys};
use kaa_rpc_proto::msgpack::Arguments;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::runtime::Handle;

use crate::call::Call;
use crate::close::CloseReason;
use crate::connection::{Attempts, Hook, Name, Setup, Shared, install, keep_connected};
use crate::open::{ConnectError, Opening, as_client, as_server};
use crate::peer::Peer;
use crate::plan::{Plan, To};
use crate::retry::{Backoff, Retry};
use crate::secret::{Secret, random};
use crate::side::{Side, SoundSide, side_methods};
use crate::status::{Status, StatusWatch};
use crate::transport::{AllowedUsers, Kind, PeerCredentials, Transport};

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
    fn start(setup: Setup, on_connect: Option<Hook>, opening: Opening) -> Self {
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
        let shared = Shared::new(setup);
        let channel = Self::from_shared(Arc::clone(&shared));
        let attempts = Attempts {
            connect,
            backoff,
            first: first.map(|opening| install(&shared, opening, on_connect.is_some())),
            on_connect,
        };
        runtime.spawn(keep_connected(shared, attempts));
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

/// Prepares a [`Channel`]: what this side exposes, and how it connects.
///
/// `P` is what it is handed out as: a [`Channel`], or the typed end that the generator makes of a
/// `channel` declaration.
#[derive(Debug)]
#[must_use = "a builder does nothing until it connects"]
pub struct ChannelBuilder<P = Channel> {
    side: Side,
    keys: Keys,
    key_id: String,
    users: AllowedUsers,
    retry: Option<Retry>,
    fail_fast: bool,
    on_connect: OnConnect,
    marker: PhantomData<fn() -> P>,
}

#[derive(Default)]
struct OnConnect(Option<Hook>);

impl fmt::Debug for OnConnect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("OnConnect").field(&self.0.is_some()).finish()
    }
}

impl<P> ChannelBuilder<P> {
    /// See [`Channel::builder`].
    pub fn new(secret: &Secret) -> Self {
        Self {
            side: Side::default(),
            keys: Keys::derive(secret.key()),
            key_id: String::new(),
            users: AllowedUsers::default(),
            retry: None,
            fail_fast: false,
            on_connect: OnConnect::default(),
            marker: PhantomData,
        }
    }

    side_methods!();

    /// Says which of the server's secrets this one is. At most 32 bytes.
    pub fn key_id(mut self, id: impl Into<String>) -> Self {
        self.key_id = id.into();
        self
    }

    /// Also talks to a server that another user runs, on a Unix socket.
    pub fn allow_uid(mut self, uid: u32) -> Self {
        self.users.add(uid);
        self
    }

    /// Also talks to a server, on a Unix socket, whose user `judge` accepts. May be given several times;
    /// it is enough if one says so. Nothing is sent before.
    pub fn allow_if(
        mut self,
        judge: impl Fn(&PeerCredentials) -> bool + Send + Sync + 'static,
    ) -> Self {
        self.users.add_if(judge);
        self
    }

    /// Lets the channel get a new connection when it lost one or cannot be opened, in the way that
    /// `retry` says. Without it, a channel has one connection, and is closed when that is lost.
    ///
    /// For the channel's user the loss shows so:
    ///
    /// - A call that was on its way ends with [`Error::ConnectionLost`](crate::Error::ConnectionLost):
    ///   it may have run. Nothing is sent twice, unless [`Retry::resend`] asks for it.
    /// - Calls that are made meanwhile wait for the next connection, as long as their time allows, or fail
    ///   at once: see [`fail_fast`](Self::fail_fast).
    /// - Handlers that serve the other end stop, as when their calls are cancelled.
    /// - [`on_connect`](Self::on_connect) runs for each new connection, to register and subscribe anew.
    /// - [`Channel::watch_status`] tells.
    ///
    /// An orderly close of the other end is a loss, too: it may be about to be replaced. The channel is
    /// closed only by [`Channel::close`], with its last handle, or when `retry` gives up.
    pub fn retry(mut self, retry: Retry) -> Self {
        self.retry = Some(retry);
        self
    }

    /// Calls fail with [`Error::NotConnected`](crate::Error::NotConnected) at once while the channel is
    /// not connected, unless they [say otherwise](crate::Call::wait_until_ready).
    ///
    /// By default they wait, as long as their time allows: give them a
    /// [`timeout`](Self::timeout). Those that wait are kept in memory.
    pub fn fail_fast(mut self) -> Self {
        self.fail_fast = true;
        self
    }

    fn address(&mut self, address: &str) -> Result<To, ConnectError> {
        let address = address.parse().map_err(ConnectError::Address)?;
        Ok(To::Address(address, std::mem::take(&mut self.users)))
    }

    fn halves(self) -> Result<(SoundSide, Option<Hook>), ConnectError> {
        Ok((self.side.check()?, self.on_connect.0))
    }

    /// What is needed to make a channel.
    fn plan(self, to: To) -> Result<(Arc<Plan>, Setup, Option<Hook>), ConnectError> {
        if self.retry.is_some() && matches!(to, To::Stream(_)) {
            let what = "a stream that is connected cannot be made again: `retry` needs an address or a connector";
            return Err(ConnectError::Settings(what.to_owned()));
        }
        let key_id = KeyId::new(&self.key_id).map_err(|error| {
            ConnectError::Settings(format!("the key id `{}`: {error}", self.key_id))
        })?;
        let side = self.side.check()?;
        let setup = Setup {
            waits: !self.fail_fast,
            reconnects: self.retry.is_some(),
            resends: self.retry.as_ref().map_or(0, Retry::resends),
            ..side.setup(Handle::current())
        };
        let plan = Plan {
            side,
            keys: self.keys,
            key_id,
            to,
            retry: self.retry,
        };
        Ok((Arc::new(plan), setup, self.on_connect.0))
    }
}

impl<P: From<Channel>> ChannelBuilder<P> {
    /// Is run for each new connection, the first one too: before any call of the other end is
    /// dispatched, and before any other call of this end is sent, also of those that waited. It may start
    /// calls, and spawn tasks; until it returns, the channel waits. If it panics, the channel is closed.
    ///
    /// ```no_run
    /// # use kaa_rpc_runtime::{Channel, Retry, Secret, params};
    /// # async fn example(secret: Secret) -> Result<(), Box<dyn std::error::Error>> {
    /// let channel = Channel::builder(&secret)
    ///     .register_fn("changed", params(["id"], async |id: u64| Ok(println!("{id} has changed"))))
    ///     .on_connect(|channel: Channel| channel.rpc::<(), _>("subscribe", ("changed",)).start().detach())
    ///     .retry(Retry::default())
    ///     .connect("unix:player")
    ///     .await?;
    /// # Ok(()) }
    /// ```
    pub fn on_connect(mut self, hook: impl Fn(P) + Send + Sync + 'static) -> Self {
        self.on_connect = OnConnect(Some(Box::new(move |channel| hook(P::from(channel)))));
        self
    }

    /// Connects to `unix:NAME`, a socket in the user's own folder, `unix:/path`, or `tcp:HOST:PORT`,
    /// which is always encrypted.
    ///
    /// Must be called within a tokio runtime.
    ///
    /// # Errors
    ///
    /// When nobody listens there, the secrets differ, or it takes longer than
    /// [`open_timeout`](Self::open_timeout). With [`retry`](Self::retry), when that gives up, or when
    /// the same happens twice in a row that repeating does not mend.
    ///
    /// **Cancel safe:** dropping the future drops the connection.
    pub async fn connect(mut self, address: &str) -> Result<P, ConnectError> {
        let to = self.address(address)?;
        self.open(to).await
    }

    /// Connects over streams that `connect` makes, one for each attempt, with what
    /// [`connect_over`](Self::connect_over) says of stream and binding: TLS, a pipe through `ssh`.
    ///
    /// ```no_run
    /// # use kaa_rpc_runtime::{Channel, Retry, Secret};
    /// # async fn example(secret: Secret) -> Result<(), Box<dyn std::error::Error>> {
    /// let channel = Channel::builder(&secret)
    ///     .retry(Retry::default())
    ///     .connect_with(async || Ok((tokio::net::TcpStream::connect("localhost:7000").await?, vec![])))
    ///     .await?;
    /// # Ok(()) }
    /// ```
    ///
    /// Must be called within a tokio runtime.
    ///
    /// # Errors
    ///
    /// As of [`connect`](Self::connect).
    ///
    /// **Cancel safe:** dropping the future drops the connection.
    pub async fn connect_with<C, F, S>(self, connect: C) -> Result<P, ConnectError>
    where
        C: Fn() -> F + Send + Sync + 'static,
        F: Future<Output = io::Result<(S, Vec<u8>)>> + Send + 'static,
        S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        self.open(To::connector(connect)).await
    }

    /// Gives a channel that is usable at once and connects by itself. Calls wait until it is open, unless
    /// told to [`fail_fast`](Self::fail_fast), and fail if it cannot be opened; [`Channel::opened`] tells.
    ///
    /// Must be called within a tokio runtime.
    ///
    /// # Errors
    ///
    /// When the address cannot be read or two functions have one name.
    pub fn connect_lazy(mut self, address: &str) -> Result<P, ConnectError> {
        let to = self.address(address)?;
        self.open_lazy(to)
    }

    /// As [`connect_lazy`](Self::connect_lazy), over the streams of
    /// [`connect_with`](Self::connect_with).
    ///
    /// # Errors
    ///
    /// When two functions have one name.
    pub fn connect_lazy_with<C, F, S>(self, connect: C) -> Result<P, ConnectError>
    where
        C: Fn() -> F + Send + Sync + 'static,
        F: Future<Output = io::Result<(S, Vec<u8>)>> + Send + 'static,
        S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        self.open_lazy(To::connector(connect))
    }

    async fn open(self, to: To) -> Result<P, ConnectError> {
        let (plan, setup, on_connect) = self.plan(to)?;
        let mut backoff = plan.backoff()?;
        let opening = Arc::clone(&plan).open_at_last(&mut backoff).await?;
        let connect = move || Arc::clone(&plan).open();
        Ok(Channel::keep(setup, on_connect, connect, backoff, Some(opening)).into())
    }

    fn open_lazy(self, to: To) -> Result<P, ConnectError> {
        let (plan, setup, on_connect) = self.plan(to)?;
        let backoff = plan.backoff()?;
        let connect = move || Arc::clone(&plan).open();
        Ok(Channel::keep(setup, on_connect, connect, backoff, None).into())
    }
}
