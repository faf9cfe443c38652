//! How a channel is prepared: what this end exposes, and how it connects.

use std::fmt;
use std::io;
use std::marker::PhantomData;
use std::sync::{Arc, Weak};

use kaa_rpc_proto::handshake::{KeyId, Keys};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::runtime::Handle;

use crate::blocking::turns::Turns;
use crate::connection::{Hook, Setup};
use crate::open::ConnectError;
use crate::plan::{Plan, To};
use crate::retry::Retry;
use crate::secret::Secret;
use crate::side::{Side, SoundSide, side_methods};
use crate::transport::{AllowedUsers, PeerCredentials};

use super::Channel;

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
    pub(super) retry: Option<Retry>,
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

    /// The same, for a channel that is handed out as such.
    pub(crate) fn untyped(self) -> ChannelBuilder {
        ChannelBuilder {
            side: self.side,
            keys: self.keys,
            key_id: self.key_id,
            users: self.users,
            retry: self.retry,
            fail_fast: self.fail_fast,
            on_connect: self.on_connect,
            marker: PhantomData,
        }
    }

    /// The channel is not a task of the runtime around, but driven by those who take turns.
    pub(crate) fn driven_by(mut self, turns: Weak<Turns>) -> Self {
        self.side.turns = turns;
        self
    }

    fn address(&mut self, address: &str) -> Result<To, ConnectError> {
        let address = address.parse().map_err(ConnectError::Address)?;
        Ok(To::Address(address, std::mem::take(&mut self.users)))
    }

    pub(super) fn halves(self) -> Result<(SoundSide, Option<Hook>), ConnectError> {
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

    pub(super) async fn open(self, to: To) -> Result<P, ConnectError> {
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
