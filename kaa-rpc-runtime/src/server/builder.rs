//! What is set before a server is bound.

use std::fmt;
use std::marker::PhantomData;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{broadcast, watch};

use super::accept::{Hook, Inner};
use super::connected::CONNECTED;
use super::members::Members;
use super::places::Places;
use super::rejected::Rejected;
use super::{BindError, Server, WhenBehind};
use crate::address::Address;
use crate::channel::Channel;
use crate::ratelimit::RateLimit;
use crate::secret::Secret;
use crate::side::{Side, side_methods};
use crate::transport::{ListenOptions, Listener, UnixOptions};

/// Prepares a [`Server`]: what it exposes, and who may come.
#[must_use = "a builder does nothing until it makes a server"]
pub struct ServerBuilder<P = Channel> {
    side: Side,
    secrets: Vec<(String, Secret)>,
    unix: UnixOptions,
    max_opening: usize,
    opening_share: usize,
    max_channels: usize,
    max_behind: (usize, WhenBehind),
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
            max_opening: 256,
            opening_share: 16,
            max_channels: 10_000,
            max_behind: (1024, WhenBehind::default()),
            on_connect: None,
            on_rejected: None,
            marker: PhantomData,
        }
    }

    side_methods!();

    /// Accepts one more secret, which clients name by its id: for rotation, and to tell clients apart
    /// by [`crate::Peer::name`]. An id is at most 32 bytes. `NAME` and `NAME.ANYTHING` name the same
    /// client, so that one may have an old and a new secret.
    ///
    /// While the server runs, [`Server::add_secret`] and [`Server::revoke`] change what it accepts.
    pub fn secret(mut self, id: impl Into<String>, secret: Secret) -> Self {
        self.secrets.push((id.into(), secret));
        self
    }

    /// Who may reach a Unix socket; by default the user who runs the server.
    pub fn unix(mut self, options: UnixOptions) -> Self {
        self.unix = options;
        self
    }

    /// How many connections may be there that have yet to prove that they know the secret; 256 by
    /// default, at least one.
    ///
    /// When there are more, one goes for each that comes: by lot, of those that have shown nothing of
    /// the secret. (On encrypted TCP, a client shows it with its first bytes. On a Unix socket and on
    /// plain TCP, a sound preamble counts for something, as long as most others have sent none.)
    pub fn max_opening(mut self, connections: usize) -> Self {
        self.max_opening = connections;
        self
    }

    /// How many of the places of [`max_opening`](Self::max_opening) an address, or on a Unix socket a
    /// user, has for itself; 16 by default. When all are taken, whoever has more than that gives way
    /// first. The addresses of one IPv6 network (a /64) count as one.
    pub fn opening_share(mut self, connections: usize) -> Self {
        self.opening_share = connections;
        self
    }

    /// How many channels may be open at once; 10,000 by default. A client that comes when there are
    /// so many is refused, and `on_rejected` is told.
    pub fn max_channels(mut self, channels: usize) -> Self {
        self.max_channels = channels;
        self
    }

    /// How many events of [`broadcast`](Server::broadcast) may wait at this end for one client, beside those that
    /// its window has room for, and what is done when there are more. By default 1024 wait, and then the oldest
    /// is dropped for each that comes.
    ///
    /// Their bytes are bounded as well, together with those of other calls that nobody waits for: by 64 MiB, or
    /// by what the client accepts at once if that is more.
    pub fn max_behind(mut self, events: usize, then: WhenBehind) -> Self {
        self.max_behind = (events, then);
        self
    }

    /// Is run for each connection that is turned away: for a wrong secret, a user who is not allowed,
    /// a place that others needed. Besides, they are logged, at most one a second with the number of
    /// the others.
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
        let options = self.listen_options();
        let mut server = self.unbound()?;
        let (listener, address) = Listener::bind(address, &options).await?;
        server.listen(listener, address);
        Ok(server)
    }

    /// A server without an address: it takes the streams that are given to
    /// [`accept`](Server::accept), and no others.
    ///
    /// # Errors
    ///
    /// When two functions have one name, or what is announced does not go together.
    pub fn unbound(self) -> Result<Server<P>, BindError> {
        let inner = Arc::new(Inner {
            side: self.side.check().map_err(BindError::Side)?,
            members: Members::new(&self.secrets, self.max_channels)?,
            places: Places::new(self.max_opening, self.opening_share),
            users: self.unix.allowed().clone(),
            connected: broadcast::Sender::new(CONNECTED),
            on_connect: self.on_connect,
            on_rejected: self.on_rejected,
            max_behind: self.max_behind,
            closing: watch::Sender::new(false),
            file: Mutex::default(),
            log: RateLimit::default(),
        });
        Ok(Server {
            inner,
            address: Address::Unnamed,
            path: None,
            marker: PhantomData,
        })
    }

    /// Listens at a socket that listens already: a [`std::os::unix::net::UnixListener`], a
    /// [`std::net::TcpListener`], or one of those that a service manager passed on (`passed_sockets`, with
    /// the feature `socket-activation`).
    ///
    /// Whoever made it decides who reaches it, and removes its file: the mode of [`unix`](Self::unix) has no
    /// meaning here, but other users are turned away as always. A TCP socket is always encrypted.
    ///
    /// The socket is set not to block, and not to be inherited by programs that are started. Who shares it
    /// notices the former.
    ///
    /// Must be called within a tokio runtime.
    ///
    /// # Errors
    ///
    /// When it is no listening socket of these two kinds, or two functions have one name.
    pub fn listen_on(
        self,
        socket: impl Into<std::os::fd::OwnedFd>,
    ) -> Result<Server<P>, BindError> {
        let options = self.listen_options();
        let mut server = self.unbound()?;
        let (listener, address) = Listener::given(socket.into(), &options)?;
        server.listen(listener, address);
        Ok(server)
    }

    fn listen_options(&self) -> ListenOptions {
        ListenOptions {
            unix: self.unix.clone(),
            #[cfg(feature = "tcp")]
            plaintext: self.side.plaintext,
        }
    }
}

impl<P> Server<P> {
    /// Accepts what comes to `listener`, from now on.
    fn listen(&mut self, mut listener: Listener, address: Address) {
        self.address = address;
        self.path = listener.path();
        let file = listener.take_file();
        *self
            .inner
            .file
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = file;
        tokio::spawn(Arc::clone(&self.inner).accept(listener));
    }
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
