//! What is set before a server is bound.

use std::fmt;
use std::marker::PhantomData;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{Semaphore, broadcast, watch};

use super::accept::{Hook, Inner, OPENING, Rejected};
use super::connected::CONNECTED;
use super::keyring::keyring;
use super::{BindError, Server};
use crate::address::Address;
use crate::channel::Channel;
use crate::secret::Secret;
use crate::side::{Side, side_methods};
use crate::transport::{ListenOptions, Listener, UnixOptions};

/// Prepares a [`Server`]: what it exposes, and who may come.
#[must_use = "a builder does nothing until it makes a server"]
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
            channels: Mutex::default(),
            next: AtomicU64::new(0),
            connected: broadcast::Sender::new(CONNECTED),
            on_connect: self.on_connect,
            on_rejected: self.on_rejected,
            closing: watch::Sender::new(false),
            file: Mutex::default(),
            keyring: keyring(&self.secrets)?,
            places: Arc::new(Semaphore::new(OPENING)),
        });
        Ok(Server {
            inner,
            address: Address::Unnamed,
            path: None,
            marker: PhantomData,
        })
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
