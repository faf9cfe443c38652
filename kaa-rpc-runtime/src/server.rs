//! Servers: an address at which clients open channels.

use std::collections::HashMap;
use std::fmt;
use std::future::poll_fn;
use std::marker::PhantomData;
use std::net::SocketAddr;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::pin::pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::task::Poll;

use kaa_rpc_proto::handshake::{KeyId, Keyring};
use tokio::runtime::Handle;
use tokio::sync::{Semaphore, broadcast, watch};

use crate::address::{Address, AddressError};
use crate::channel::Channel;
use crate::connection::{Shared, drive, install};
use crate::open::{ConnectError, Opening, as_server};
use crate::secret::{Secret, random};
use crate::serve::functions::{Functions, RegisterError};
use crate::side::{Side, SoundSide, side_methods};
#[cfg(feature = "tcp")]
use crate::transport::TcpBindError;
use crate::transport::{
    ListenOptions, Listener, PeerCredentials, SocketFile, Transport, UnixBindError, UnixOptions,
};

/// So many connections may be without their proof at once; more wait in the listener's backlog.
const OPENING: usize = 256;

/// A subscriber of [`Server::client_connected`] that is so many channels behind misses the oldest.
const CONNECTED: usize = 1024;

/// Accepts channels at an address.
///
/// `P` is what a channel is handed out as: a [`Channel`], or the typed end that the generator makes of
/// a `channel` declaration. Dropping the server closes it and all its channels in order, without
/// waiting for that; [`close`](Self::close) waits.
pub struct Server<P = Channel> {
    inner: Arc<Inner>,
    address: Address,
    path: Option<PathBuf>,
    marker: PhantomData<fn() -> P>,
}

struct Inner {
    side: SoundSide,
    channels: Mutex<HashMap<u64, Channel>>,
    next: AtomicU64,
    connected: broadcast::Sender<Weak<Shared>>,
    on_connect: Option<Hook<Channel>>,
    on_rejected: Option<Hook<Rejected>>,
    closing: watch::Sender<bool>,
    /// Gone when a close begins: the address is free at once, not when the accepting task notices.
    file: Mutex<Option<SocketFile>>,
    keyring: Keyring,
}

type Hook<T> = Box<dyn Fn(T) + Send + Sync>;

/// A connection that did not become a channel.
#[derive(Debug)]
pub struct Rejected {
    /// Why: a wrong secret, most often.
    pub error: ConnectError,
    /// Who it was, where the kernel tells: on Unix sockets.
    pub credentials: Option<PeerCredentials>,
    /// The network address from which it came: on TCP.
    pub address: Option<SocketAddr>,
}

impl Server {
    /// Prepares a server whose clients know `secret`.
    ///
    /// ```no_run
    /// # use kaa_rpc_runtime::{Secret, Server, params};
    /// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
    /// let server = Server::builder(Secret::from_file("player.secret")?)
    ///     .register_fn("add", params(["a", "b"], async |a: i64, b: i64| Ok(a + b)))
    ///     .bind("unix:player")
    ///     .await?;
    /// # drop(server);
    /// # Ok(()) }
    /// ```
    pub fn builder(secret: Secret) -> ServerBuilder {
        ServerBuilder::new(secret)
    }
}

impl<P> Server<P> {
    /// The address that it was bound to. On TCP it has the address that the host stands for, and the
    /// port that the system chose if 0 was asked for.
    #[must_use]
    pub fn address(&self) -> &Address {
        &self.address
    }

    /// The path of its Unix socket; `None` on TCP.
    #[must_use]
    pub fn path(&self) -> Option<&Path> {
        self.path.as_deref()
    }

    /// Exposes more functions, on all channels, from now on.
    ///
    /// # Errors
    ///
    /// When a function of one of the names is exposed already; then none is added.
    pub fn register(&self, service: impl crate::codegen::Service) -> Result<(), RegisterError> {
        self.register_at("", service)
    }

    /// As [`register`](Self::register), each name after `prefix`.
    ///
    /// # Errors
    ///
    /// When a function of one of the names is exposed already; then none is added.
    pub fn register_at(
        &self,
        prefix: &str,
        service: impl crate::codegen::Service,
    ) -> Result<(), RegisterError> {
        let mut functions = Functions::default();
        functions.add_service(prefix, service);
        self.inner.side.registry.register(functions)
    }

    /// Exposes one more closure, on all channels, from now on.
    ///
    /// # Errors
    ///
    /// When a function of this name is exposed already.
    pub fn register_fn(
        &self,
        name: &str,
        function: impl crate::Handler,
    ) -> Result<(), RegisterError> {
        let mut functions = Functions::default();
        functions.add_fn(name, function);
        self.inner.side.registry.register(functions)
    }

    /// Exposes the function of this wire name no more. Calls of it that run go on. Gives whether there
    /// was one. An idle channel lets go of what the function owned at its next call.
    pub fn unregister(&self, name: &str) -> bool {
        self.inner.side.registry.unregister(|other| other == name) > 0
    }

    /// Exposes no function any more whose wire name begins with `prefix`; gives how many those were.
    pub fn unregister_at(&self, prefix: &str) -> usize {
        self.inner
            .side
            .registry
            .unregister(|name| name.starts_with(prefix))
    }

    /// Stops accepting, closes all channels in order and waits until that is done.
    ///
    /// In a handler it would wait for that very handler: spawn it there.
    ///
    /// **Cancel safe:** dropping the future does not stop the close.
    pub async fn close(&self) {
        loop {
            // Again, because a handshake may have ended meanwhile.
            let channels = self.inner.begin_close();
            if channels.is_empty() {
                return;
            }
            for channel in channels {
                channel.closed().await;
            }
            // Its task takes a closed channel off the list.
            tokio::task::yield_now().await;
        }
    }
}

impl<P: From<Channel>> Server<P> {
    /// Observes the channels that are opened from now on.
    ///
    /// To do something before any call of a channel is dispatched, use
    /// [`on_connect`](ServerBuilder::on_connect).
    #[must_use]
    pub fn client_connected(&self) -> ClientConnected<P> {
        ClientConnected {
            receiver: self.inner.connected.subscribe(),
            marker: PhantomData,
        }
    }

    /// The channels that are open now.
    #[must_use]
    pub fn channels(&self) -> Vec<P> {
        self.inner.lock().values().cloned().map(P::from).collect()
    }
}

impl<P> Drop for Server<P> {
    fn drop(&mut self) {
        self.inner.begin_close();
    }
}

impl<P> fmt::Debug for Server<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server")
            .field("address", &self.address)
            .field("channels", &self.inner.lock().len())
            .finish_non_exhaustive()
    }
}

/// New channels of a [`Server`], one after the other.
#[derive(Debug)]
pub struct ClientConnected<P = Channel> {
    receiver: broadcast::Receiver<Weak<Shared>>,
    marker: PhantomData<fn() -> P>,
}

impl<P: From<Channel>> ClientConnected<P> {
    /// The next new channel; `None` when the server is gone. Channels that are closed before anybody
    /// looks are left out, and so are the oldest if more than 1024 wait.
    ///
    /// **Cancel safe.**
    pub async fn next(&mut self) -> Option<P> {
        loop {
            match self.receiver.recv().await {
                Ok(shared) => {
                    if let Some(shared) = shared.upgrade() {
                        return Some(P::from(Channel::from_shared(shared)));
                    }
                }
                Err(broadcast::error::RecvError::Lagged(missed)) => {
                    tracing::warn!(missed, "an observer of new channels was too slow");
                }
                Err(broadcast::error::RecvError::Closed) => return None,
            }
        }
    }
}

impl Inner {
    fn lock(&self) -> MutexGuard<'_, HashMap<u64, Channel>> {
        self.channels.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Frees the address, and lets all channels begin to close; gives them.
    fn begin_close(&self) -> Vec<Channel> {
        let file = self
            .file
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        drop(file);
        self.closing.send_replace(true);
        let channels: Vec<Channel> = self.lock().values().cloned().collect();
        for channel in &channels {
            channel
                .shared()
                .begin_close(channel.shared().close_timeout());
        }
        channels
    }

    /// Accepts until the server is closed; the listener goes with it.
    async fn accept(self: Arc<Self>, mut listener: Listener) {
        let mut closing = self.closing.subscribe();
        let places = Arc::new(Semaphore::new(OPENING));
        loop {
            let accepted = async {
                let place = Arc::clone(&places).acquire_owned().await;
                (place, listener.accept().await)
            };
            let Some((place, accepted)) = unless_closing(&mut closing, accepted).await else {
                return;
            };
            match accepted {
                Ok(transport) => {
                    let inner = Arc::clone(&self);
                    tokio::spawn(async move { inner.serve(transport, place).await });
                }
                Err(error) => {
                    tracing::error!(%error, "the listening socket broke; no more channels are accepted");
                    return;
                }
            }
        }
    }

    /// Lets one client prove itself, then drives its channel. `place` is held as long as it is a
    /// stranger.
    async fn serve<T>(&self, transport: Transport, place: T) {
        let credentials = transport.peer_credentials();
        let address = transport.peer_address();
        let limit = self.side.open_timeout;
        let mut closing = self.closing.subscribe();
        let opening = as_server(transport, &self.side.announcement, &self.keyring);
        let opening = tokio::time::timeout(limit, opening);
        let Some(opening) = unless_closing(&mut closing, opening).await else {
            return;
        };
        let opening = opening.unwrap_or(Err(ConnectError::TimedOut(limit)));
        drop(place);
        match opening {
            Ok(opening) => self.welcome(opening).await,
            Err(error) => {
                tracing::warn!(%error, peer = ?credentials, ?address, "a client was rejected");
                if let Some(hook) = &self.on_rejected {
                    hook(Rejected {
                        error,
                        credentials,
                        address,
                    });
                }
            }
        }
    }

    async fn welcome(&self, opening: Opening) {
        let shared = Shared::new(self.side.setup(Handle::current()));
        let channel = Channel::from_shared(Arc::clone(&shared));
        let transport = install(&shared, opening);
        let key = self.next.fetch_add(1, Ordering::Relaxed);
        self.lock().insert(key, channel.clone());
        // A close that began meanwhile has missed this channel.
        if *self.closing.borrow() {
            shared.begin_close(shared.close_timeout());
        }
        if let Some(hook) = &self.on_connect {
            // What the hook was to set up or to check is not, so the client is let go. The channel is
            // driven all the same: only that tells the client.
            if catch_unwind(AssertUnwindSafe(|| hook(channel))).is_err() {
                tracing::error!("the on_connect hook panicked; its channel is closed");
                shared.begin_close(shared.close_timeout());
            }
        }
        let _ = self.connected.send(Arc::downgrade(&shared));
        drive(shared, transport).await;
        let gone = self.lock().remove(&key);
        drop(gone);
    }
}

/// Runs `future`, but no longer than until the server is closed.
async fn unless_closing<T>(
    closing: &mut watch::Receiver<bool>,
    future: impl Future<Output = T>,
) -> Option<T> {
    let mut future = pin!(future);
    let mut closed = pin!(closing.wait_for(|closing| *closing));
    poll_fn(|cx| {
        if closed.as_mut().poll(cx).is_ready() {
            return Poll::Ready(None);
        }
        future.as_mut().poll(cx).map(Some)
    })
    .await
}

/// Prepares a [`Server`]: what it exposes, and who may come.
#[must_use = "a builder does nothing until `bind`"]
pub struct ServerBuilder<P = Channel> {
    side: Side,
    secrets: Vec<(String, Secret)>,
    unix: UnixOptions,
    on_connect: Option<Hook<Channel>>,
    on_rejected: Option<Hook<Rejected>>,
    marker: PhantomData<fn() -> P>,
}

impl<P> ServerBuilder<P> {
    /// See [`Server::builder`].
    pub fn new(secret: Secret) -> Self {
        Self {
            side: Side::default(),
            secrets: vec![(String::new(), secret)],
            unix: UnixOptions::default(),
            on_connect: None,
            on_rejected: None,
            marker: PhantomData,
        }
    }

    side_methods!();

    /// Accepts one more secret, which clients name by its id: for rotation, and to tell clients apart
    /// by [`crate::Peer::key_id`]. An id is at most 32 bytes.
    pub fn secret(mut self, id: impl Into<String>, secret: Secret) -> Self {
        self.secrets.push((id.into(), secret));
        self
    }

    /// Who may reach a Unix socket; by default the user who runs the server.
    pub fn unix(mut self, options: UnixOptions) -> Self {
        self.unix = options;
        self
    }

    /// Is run for each connection that is turned away, also for a wrong secret. It is logged besides.
    pub fn on_rejected(mut self, hook: impl Fn(Rejected) + Send + Sync + 'static) -> Self {
        self.on_rejected = Some(Box::new(hook));
        self
    }
}

impl<P: From<Channel>> ServerBuilder<P> {
    /// Is run for each new channel before any of its calls is dispatched. It may start calls, and
    /// spawn tasks; until it returns, the channel waits. If it panics, the channel is closed.
    pub fn on_connect(mut self, hook: impl Fn(P) + Send + Sync + 'static) -> Self {
        self.on_connect = Some(Box::new(move |channel| hook(P::from(channel))));
        self
    }

    /// Listens at `unix:NAME`, a socket in the user's own folder, `unix:/path`, or `tcp:HOST:PORT`,
    /// which is always encrypted. If HOST has several addresses, it is the first at which that works.
    ///
    /// # Errors
    ///
    /// When another server listens there, the folder is not safe, the address cannot be read, or two
    /// functions have one name.
    pub async fn bind(self, address: &str) -> Result<Server<P>, BindError> {
        let address: Address = address.parse().map_err(BindError::Address)?;
        let options = ListenOptions {
            unix: self.unix,
            #[cfg(feature = "tcp")]
            plaintext: self.side.plaintext,
        };
        let side = self.side.check().map_err(BindError::Side)?;
        let keyring = keyring(&self.secrets)?;
        let (mut listener, address) = Listener::bind(address, &options).await?;
        let path = listener.path();
        let file = Mutex::new(listener.take_file());
        let inner = Arc::new(Inner {
            side,
            channels: Mutex::default(),
            next: AtomicU64::new(0),
            connected: broadcast::Sender::new(CONNECTED),
            on_connect: self.on_connect,
            on_rejected: self.on_rejected,
            closing: watch::Sender::new(false),
            file,
            keyring,
        });
        tokio::spawn(Arc::clone(&inner).accept(listener));
        Ok(Server {
            inner,
            address,
            path,
            marker: PhantomData,
        })
    }
}

fn keyring(secrets: &[(String, Secret)]) -> Result<Keyring, BindError> {
    let mut keyring =
        Keyring::new(random().map_err(|error| BindError::Side(ConnectError::Random(error)))?);
    for (id, secret) in secrets {
        let id = KeyId::new(id).map_err(|error| {
            BindError::Side(ConnectError::Settings(format!(
                "the key id `{id}`: {error}"
            )))
        })?;
        if keyring.ids().any(|other| other == id) {
            let what = if id.is_empty() {
                "the default secret".to_owned()
            } else {
                format!("the secret `{id}`")
            };
            return Err(BindError::Side(ConnectError::Settings(format!(
                "{what} was given twice"
            ))));
        }
        keyring.insert(id, secret.key());
    }
    Ok(keyring)
}

impl<P> fmt::Debug for ServerBuilder<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServerBuilder")
            .field("side", &self.side)
            .field("secrets", &self.secrets.len())
            .field("unix", &self.unix)
            .finish_non_exhaustive()
    }
}

/// Why a server cannot be bound.
#[derive(Debug)]
#[non_exhaustive]
pub enum BindError {
    /// The address cannot be read.
    Address(AddressError),
    /// This build has no transport of this kind.
    Unsupported(String),
    /// The socket cannot be made: another server listens, or the folder is not safe.
    Unix(UnixBindError),
    /// No socket can be made there: another server listens, or it is no address of this machine.
    #[cfg(feature = "tcp")]
    Tcp(TcpBindError),
    /// What the server exposes or announces does not go together.
    Side(ConnectError),
}

impl fmt::Display for BindError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address(error) => error.fmt(f),
            Self::Unsupported(what) => write!(f, "cannot listen: {what}"),
            Self::Unix(error) => error.fmt(f),
            #[cfg(feature = "tcp")]
            Self::Tcp(error) => error.fmt(f),
            Self::Side(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for BindError {}
