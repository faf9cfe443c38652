//! Servers: an address at which clients open channels.
//!
//! | module | what it knows |
//! | --- | --- |
//! | `builder` | what is set before a server is bound |
//! | `accept` | a connection's way from the listener to an open channel |
//! | `spawn` | channels with child processes |
//! | `broadcast` | calls to all clients at once |
//! | `over` | streams that the user accepted |
//! | `places` | which connections may be opening, and which goes if there are too many |
//! | `members` | the secrets that clients may prove, and the channels that came in by them |
//! | `rejected` | connections that did not become channels |
//! | `connected` | who observes new channels |

mod accept;
mod broadcast;
mod builder;
mod connected;
mod error;
mod members;
mod over;
mod places;
mod rejected;
#[cfg(feature = "process")]
mod spawn;

use std::fmt;
use std::marker::PhantomData;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use accept::Inner;
pub(crate) use accept::Inner as ServerInner;
pub use broadcast::{Behind, Broadcast, Clients, WhenBehind};
pub use builder::ServerBuilder;
pub use connected::ClientConnected;
pub use error::{AddSecretError, BindError};
pub use rejected::Rejected;

use crate::address::Address;
use crate::channel::Channel;
use crate::secret::Secret;
use crate::serve::functions::{Functions, RegisterError};

/// Accepts channels at an address, or over streams that it is given.
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
    /// port that the system chose if 0 was asked for. [`Address::Unnamed`] if it has none.
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

    /// Accepts one more secret from now on, which clients name by its id; as
    /// [`ServerBuilder::secret`]. To exchange a secret, add the new one under a new id, let the clients
    /// move over, and [`revoke`](Self::revoke) the old one:
    ///
    /// ```
    /// # use kaa_rpc_runtime::{Channel, Secret, Server};
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # use std::os::unix::fs::PermissionsExt;
    /// # let private = std::fs::Permissions::from_mode(0o700);
    /// # let folder = tempfile::Builder::new().permissions(private).tempdir()?;
    /// # let address = format!("unix:{}", folder.path().join("s").display());
    /// # let (default, old, new) = (Secret::generate()?, Secret::generate()?, Secret::generate()?);
    /// let server = Server::builder(default).secret("alice.1", old).bind(&address).await?;
    ///
    /// server.add_secret("alice.2", &new)?;
    /// // Alice gets the new secret and connects with it; `name()` is "alice" by either.
    /// let alice = Channel::builder(&new).key_id("alice.2").connect(&address).await?;
    /// assert_eq!(alice.peer().unwrap().name(), "alice");
    /// assert!(server.revoke("alice.1"));
    /// # assert!(!alice.is_closed());
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// When a secret has this id already, or it is longer than 32 bytes.
    pub fn add_secret(&self, id: &str, secret: &Secret) -> Result<(), AddSecretError> {
        self.inner.members.add(id, secret)
    }

    /// Accepts the secret of this id no more; the empty id is that of the default secret. Gives whether
    /// there was one.
    ///
    /// Its channels are cut, with [`CloseReason::Revoked`](crate::CloseReason::Revoked) at this end, and
    /// their handlers are dropped, as if the connection had broken: a call that had come already may
    /// still run up to its next await, and `@uncancelled` functions run to their end. When this returns, no channel is open that came in by this secret, and
    /// none will open any more, not even one whose client had proved the secret already.
    pub fn revoke(&self, id: &str) -> bool {
        self.inner.members.revoke(id)
    }

    /// Stops accepting and [aborts](Channel::abort) all channels, now. Where it matters that calls end and the
    /// other ends are told, [`close`](Self::close) is the way, which is bounded in time, too.
    pub fn abort(&self) {
        for channel in self.inner.stop() {
            channel.abort();
        }
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
        ClientConnected::new(self.inner.connected.subscribe())
    }

    /// The channels that are open now.
    #[must_use]
    pub fn channels(&self) -> Vec<P> {
        self.inner.members.open().into_iter().map(P::from).collect()
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
            .field("channels", &self.inner.members.open().len())
            .finish_non_exhaustive()
    }
}
