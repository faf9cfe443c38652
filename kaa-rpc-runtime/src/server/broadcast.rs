//! Calls to all clients at once.

use std::fmt;
use std::marker::PhantomData;
use std::sync::{Arc, Weak};

use kaa_rpc_proto::msgpack::Arguments;

use super::Server;
use super::accept::Inner;
use crate::call::{Announced, Event};
use crate::channel::Channel;
use crate::error::Error;
use crate::ratelimit::RateLimit;
use crate::scope;

/// What becomes of the events for a client that does not keep up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum WhenBehind {
    /// The oldest that waits is dropped for each that comes, and that is counted. For news of which the latest
    /// count: when the client reads again, it gets what was on its way, and then the newest.
    #[default]
    DropOldest,
    /// Its channel is closed, with [`CloseReason::FellBehind`](crate::CloseReason::FellBehind). For news that make
    /// no sense with a gap: the client begins anew.
    Close,
}

/// The clients of a server, for whoever does not have the [`Server`] itself: its handlers above all, which get it
/// from [`Context::clients`](crate::Context::clients).
///
/// Cheap to clone. It does not keep the server; when that is gone, there are no clients.
pub struct Clients<P = Channel> {
    server: Weak<Inner>,
    marker: PhantomData<fn() -> P>,
}

impl<P> Clients<P> {
    pub(crate) fn new(server: Weak<Inner>) -> Self {
        Self {
            server,
            marker: PhantomData,
        }
    }
}

impl<P: From<Channel>> Clients<P> {
    /// As [`Server::broadcast`].
    ///
    /// ```
    /// # use kaa_rpc_runtime::{Channel, Context, Secret, Server, params};
    /// # async fn example(secret: Secret) -> Result<(), Box<dyn std::error::Error>> {
    /// let eject = async |cx: Context, id: u64| {
    ///     let clients = cx.clients::<Channel>();
    ///     clients.broadcast(|client| client.rpc::<(), _>("removed", (id,)).oneway().start());
    ///     Ok(())
    /// };
    /// let server = Server::builder(secret).register_fn("eject", params(["id"], eject)).bind("unix:player").await?;
    /// # Ok(()) }
    /// ```
    ///
    /// In a handler, events wait where its other calls would fail, and do not inherit its deadline.
    pub fn broadcast<E: Event>(&self, event: impl Fn(&P) -> E) -> Broadcast<P> {
        let server = self.server.upgrade();
        server.map_or_else(Broadcast::default, |server| server.broadcast(event))
    }

    /// As [`Server::broadcast_rpc`].
    ///
    /// # Errors
    ///
    /// When the arguments cannot be encoded. Nobody is told then.
    pub fn broadcast_rpc(
        &self,
        name: &str,
        arguments: impl Arguments,
    ) -> Result<Broadcast<P>, Error> {
        let server = self.server.upgrade();
        server.map_or_else(
            || Ok(Broadcast::default()),
            |server| server.broadcast_rpc(name, &arguments),
        )
    }

    /// The channels that are open now.
    #[must_use]
    pub fn channels(&self) -> Vec<P> {
        let server = self.server.upgrade();
        let open = server.map(|server| server.members.open());
        open.unwrap_or_default().into_iter().map(P::from).collect()
    }
}

impl<P> Clone for Clients<P> {
    fn clone(&self) -> Self {
        Self::new(Weak::clone(&self.server))
    }
}

impl<P> fmt::Debug for Clients<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Clients").finish_non_exhaustive()
    }
}

impl<P: From<Channel>> Server<P> {
    /// The clients, for tasks and objects that do not have the server.
    #[must_use]
    pub fn clients(&self) -> Clients<P> {
        Clients::new(Arc::downgrade(&self.inner))
    }

    /// Tells an event to all clients: makes the call that `event` starts for each channel that is open. It never
    /// waits.
    ///
    /// ```
    /// # use kaa_rpc_runtime::{Channel, Secret, Server};
    /// # async fn example(server: Server) {
    /// let told = server.broadcast(|client| client.rpc::<(), _>("changed", (7,)).oneway().start());
    /// for late in told.behind() {
    ///     println!("{:?} is {} events behind", late.client, late.waiting);
    /// }
    /// # }
    /// ```
    ///
    /// With a proxy it reads `server.broadcast(|client| client.screen.changed(&track).start())`. The closure may
    /// give `None` for a client that the event does not concern. Of a call that has a result nobody gets it.
    ///
    /// **Each client has its events in order, and none waits for another.** An event is sent at once if the client
    /// has room for it in its window (its [`max_calls`](crate::Limits::max_calls)), else it waits at this end;
    /// [`max_behind`](crate::ServerBuilder::max_behind) says how many may, and what becomes of a client that falls
    /// further behind. The report tells which clients are behind, and [`Channel::lag`] how far. A client that reads
    /// nothing at all is closed on after its [`write_timeout`](crate::ServerBuilder::write_timeout).
    ///
    /// Events pass the interceptors of this end as all its calls do. With one that awaits, its events are no longer in
    /// order, and those among the interceptors are not counted here; [`broadcast_rpc`](Self::broadcast_rpc) passes none.
    ///
    /// An event that has a timeout, by its schema or [`timeout`](crate::ServerBuilder::timeout), and waits longer
    /// is dropped and counted. In a handler, events do not inherit its deadline, and wait all the same.
    ///
    /// A channel gets events from the moment on in which it opens, also while
    /// [`on_connect`](crate::ServerBuilder::on_connect) runs: what the hook reads of the state of things has every
    /// event in it that came before, and no later one is missed.
    ///
    /// Handlers have it from [`Context::clients`](crate::Context::clients).
    pub fn broadcast<E: Event>(&self, event: impl Fn(&P) -> E) -> Broadcast<P> {
        self.inner.broadcast(event)
    }

    /// As [`broadcast`](Self::broadcast), of the oneway function of this wire name. The arguments are encoded once
    /// for all, which is worth it if they are large, and the clients many.
    ///
    /// ```
    /// # use kaa_rpc_runtime::{Channel, Secret, Server};
    /// # async fn example(server: Server) -> Result<(), kaa_rpc_runtime::Error> {
    /// server.broadcast_rpc("changed", (7,))?;
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// When the arguments cannot be encoded. Nobody is told then.
    pub fn broadcast_rpc(
        &self,
        name: &str,
        arguments: impl Arguments,
    ) -> Result<Broadcast<P>, Error> {
        self.inner.broadcast_rpc(name, &arguments)
    }
}

impl Inner {
    fn broadcast<P: From<Channel>, E: Event>(&self, event: impl Fn(&P) -> E) -> Broadcast<P> {
        self.tell_all(|channel| {
            let client = P::from(channel.clone());
            let started = {
                let _entered = scope::announce();
                event(&client)
            };
            (client, started)
        })
    }

    fn broadcast_rpc<P: From<Channel>>(
        &self,
        name: &str,
        arguments: &impl Arguments,
    ) -> Result<Broadcast<P>, Error> {
        let encoded = crate::call::EncodedCall::new(name, arguments)?;
        Ok(self.tell_all(|channel| {
            let started = {
                let _entered = scope::announce();
                encoded.start(channel)
            };
            (P::from(channel.clone()), started)
        }))
    }

    fn tell_all<P, E: Event>(&self, start: impl Fn(&Channel) -> (P, E)) -> Broadcast<P> {
        static DROPPED: RateLimit = RateLimit::new();
        let mut told = Broadcast::default();
        for channel in self.members.open() {
            let (client, event) = start(&channel);
            match event.announce(self.max_behind) {
                None | Some(Err(Error::NotConnected(_))) => {}
                Some(Err(error)) => told.failed.push((client, error)),
                Some(Ok(Announced { waiting: 0, .. })) => told.clients += 1,
                Some(Ok(Announced {
                    waiting,
                    dropped,
                    closed,
                })) => {
                    told.clients += usize::from(!closed);
                    if (dropped > 0 || closed)
                        && let Some(more) = DROPPED.report()
                    {
                        let peer = channel.peer();
                        let peer = peer.as_ref().map(crate::Peer::session);
                        tracing::warn!(
                            peer,
                            waiting,
                            closed,
                            more,
                            "a client does not keep up with events"
                        );
                    }
                    told.behind.push(Behind {
                        client,
                        waiting,
                        dropped,
                        closed,
                    });
                }
            }
        }
        told
    }
}

/// What became of an event that was told to all clients; see [`Server::broadcast`].
pub struct Broadcast<P = Channel> {
    clients: usize,
    behind: Vec<Behind<P>>,
    failed: Vec<(P, Error)>,
}

/// A client that does not keep up.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Behind<P = Channel> {
    /// The client.
    pub client: P,
    /// So many events wait for room in its window, this one among them.
    pub waiting: usize,
    /// So many older ones were dropped for this one.
    pub dropped: usize,
    /// Its channel was closed instead: [`WhenBehind::Close`].
    pub closed: bool,
}

impl<P> Broadcast<P> {
    /// How many clients the event was sent to, or waits for. One that is just going away does not count.
    #[must_use]
    pub fn clients(&self) -> usize {
        self.clients
    }

    /// The clients to which it could not be sent yet.
    #[must_use]
    pub fn behind(&self) -> &[Behind<P>] {
        &self.behind
    }

    /// The clients that do not get it, and why: it is larger than they accept, for instance.
    #[must_use]
    pub fn failed(&self) -> &[(P, Error)] {
        &self.failed
    }
}

impl<P> Default for Broadcast<P> {
    fn default() -> Self {
        Self {
            clients: 0,
            behind: Vec::new(),
            failed: Vec::new(),
        }
    }
}

impl<P> fmt::Debug for Broadcast<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Broadcast")
            .field("clients", &self.clients)
            .field("behind", &self.behind.len())
            .field("failed", &self.failed.len())
            .finish()
    }
}
