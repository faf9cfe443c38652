//! Channels: one live, authenticated connection each.

mod over;

use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;

use kaa_rpc_proto::handshake::{KeyId, Keyring, Keys};
use kaa_rpc_proto::msgpack::Arguments;
use tokio::runtime::Handle;

use crate::address::Address;
use crate::call::Call;
use crate::close::CloseReason;
use crate::connection::{Name, Shared, Status, drive, install, open_and_drive};
use crate::open::{ConnectError, Opening, as_client, as_server};
use crate::peer::Peer;
use crate::secret::{Secret, random};
use crate::side::{Side, SoundSide, side_methods};
#[cfg(feature = "tcp")]
use crate::transport::tcp;
use crate::transport::{AllowedUsers, Kind, PeerCredentials, Transport, connect};

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
        let left = left(ChannelBuilder::new(&secret)).side.check()?;
        let right = right(ChannelBuilder::new(&secret)).side.check()?;
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
            .map_err(|error| ConnectError::Io(std::io::Error::other(error)))??;
        Ok((
            Self::start(&left, left_opening),
            Self::start(&right, right_opening),
        ))
    }

    fn start(side: &SoundSide, opening: Opening) -> Self {
        let runtime = Handle::current();
        let shared = Shared::new(side.setup(runtime.clone()));
        let channel = Self::from_shared(Arc::clone(&shared));
        let transport = install(&shared, opening);
        runtime.spawn(drive(shared, transport));
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

    /// Waits until the channel is open; at once unless it came from
    /// [`connect_lazy`](ChannelBuilder::connect_lazy).
    ///
    /// # Errors
    ///
    /// Why it did not open, or is closed already.
    ///
    /// **Cancel safe.**
    pub async fn opened(&self) -> Result<(), Arc<CloseReason>> {
        let mut status = self.shared.status();
        let settled = status
            .wait_for(|status| !matches!(status, Status::Opening))
            .await;
        match settled.as_deref() {
            Ok(Status::Closed(reason)) => Err(Arc::clone(reason)),
            _ => Ok(()),
        }
    }

    /// Waits until the channel is closed, and says why.
    ///
    /// **Cancel safe.**
    pub async fn closed(&self) -> Arc<CloseReason> {
        // The channel that is waited for stays open by itself, not because somebody waits.
        let mut status = self.shared.status();
        match status
            .wait_for(|status| matches!(status, Status::Closed(_)))
            .await
            .as_deref()
        {
            Ok(Status::Closed(reason)) => Arc::clone(reason),
            _ => Arc::new(CloseReason::RuntimeGone),
        }
    }

    /// Whether it is closed.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        matches!(*self.shared.status().borrow(), Status::Closed(_))
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

    /// Who is at the other end; `None` as long as the channel is not open.
    #[must_use]
    pub fn peer(&self) -> Option<Peer> {
        self.shared.peer().cloned()
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
    marker: PhantomData<fn() -> P>,
}

impl<P> ChannelBuilder<P> {
    /// See [`Channel::builder`].
    pub fn new(secret: &Secret) -> Self {
        Self {
            side: Side::default(),
            keys: Keys::derive(secret.key()),
            key_id: String::new(),
            users: AllowedUsers::default(),
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

    fn plan(self, address: &str) -> Result<Plan, ConnectError> {
        let address = address.parse().map_err(ConnectError::Address)?;
        Ok(Plan {
            key_id: self.checked_key_id()?,
            side: self.side.check()?,
            keys: self.keys,
            users: self.users,
            address,
        })
    }

    fn checked_key_id(&self) -> Result<KeyId, ConnectError> {
        KeyId::new(&self.key_id).map_err(|error| {
            ConnectError::Settings(format!("the key id `{}`: {error}", self.key_id))
        })
    }
}

impl<P: From<Channel>> ChannelBuilder<P> {
    /// Connects to `unix:NAME`, a socket in the user's own folder, `unix:/path`, or `tcp:HOST:PORT`,
    /// which is always encrypted.
    ///
    /// Must be called within a tokio runtime.
    ///
    /// # Errors
    ///
    /// When nobody listens there, the secrets differ, or it takes longer than
    /// [`open_timeout`](Self::open_timeout).
    ///
    /// **Cancel safe:** dropping the future drops the connection.
    pub async fn connect(self, address: &str) -> Result<P, ConnectError> {
        let plan = self.plan(address)?;
        let side = plan.side.clone();
        let opening = plan.open().await?;
        Ok(Channel::start(&side, opening).into())
    }

    /// Gives a channel that is usable at once and connects by itself. Calls wait until it is open, and
    /// fail if it cannot be opened; [`Channel::opened`] tells.
    ///
    /// Must be called within a tokio runtime.
    ///
    /// # Errors
    ///
    /// When the address cannot be read or two functions have one name.
    pub fn connect_lazy(self, address: &str) -> Result<P, ConnectError> {
        let plan = self.plan(address)?;
        let runtime = Handle::current();
        let shared = Shared::new(plan.side.setup(runtime.clone()));
        let channel = Channel::from_shared(Arc::clone(&shared));
        runtime.spawn(open_and_drive(shared, plan.open()));
        Ok(channel.into())
    }
}

/// A connection that can be made.
struct Plan {
    side: SoundSide,
    keys: Keys,
    key_id: KeyId,
    users: AllowedUsers,
    address: Address,
}

impl Plan {
    async fn open(self) -> Result<Opening, ConnectError> {
        let limit = self.side.open_timeout;
        let opening = async {
            let transport = match &self.address {
                Address::Unix(address) => Transport::unix(
                    connect(address, &self.users)
                        .await
                        .map_err(ConnectError::Unix)?,
                ),
                #[cfg(feature = "tcp")]
                Address::Tcp(address) => tcp::connect(address, self.side.plaintext)
                    .await
                    .map_err(ConnectError::Tcp)?,
                #[cfg(not(feature = "tcp"))]
                Address::Tcp(_) => {
                    let what = crate::transport::no_tcp(&self.address);
                    return Err(ConnectError::Unsupported(what));
                }
                Address::Unnamed => {
                    let what = "there is no address to connect to".to_owned();
                    return Err(ConnectError::Unsupported(what));
                }
            };
            as_client(transport, &self.side.announcement, self.key_id, self.keys).await
        };
        tokio::time::timeout(limit, opening)
            .await
            .unwrap_or(Err(ConnectError::TimedOut(limit)))
    }
}
