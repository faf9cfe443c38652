//! A connection's way from the listener to an open channel.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::task::{Context, Poll};

use kaa_rpc_proto::handshake::server::{AwaitPreamble, Refusal, VersionAgreed};
use kaa_rpc_proto::handshake::{Opened, Step};
use pin_project_lite::pin_project;
use tokio::runtime::Handle;
use tokio::sync::{broadcast, watch};

use super::WhenBehind;
use super::members::{Members, Membership, SecretNumber};
use super::places::{Asked, Origin, Place, Places};
use super::rejected::{Rejected, Visitor};
use crate::channel::Channel;
use crate::connection::{Session, Setup, Shared, drive, install};
use crate::open::{ConnectError, Doorkeeper, Opening, as_server};
use crate::ratelimit::RateLimit;
use crate::side::SoundSide;
use crate::transport::{AllowedUsers, Listener, SocketFile, Transport};

/// What a server's handles and tasks share.
pub(crate) struct Inner {
    pub(super) side: SoundSide,
    pub(super) members: Arc<Members>,
    pub(super) places: Arc<Places>,
    /// Who may be at the other end of a Unix socket.
    pub(super) users: AllowedUsers,
    pub(super) connected: broadcast::Sender<Weak<Shared>>,
    pub(super) on_connect: Option<Hook<Channel>>,
    pub(super) on_rejected: Option<Hook<Rejected>>,
    pub(super) log: RateLimit,
    /// So many events may wait for a client, and what becomes of one that has more.
    pub(super) max_behind: (usize, WhenBehind),
    pub(super) closing: watch::Sender<bool>,
    /// Gone when a close begins: the address is free at once, not when the accepting task notices.
    pub(super) file: Mutex<Option<SocketFile>>,
}

pub(super) type Hook<T> = Box<dyn Fn(T) + Send + Sync>;

impl Inner {
    /// Of a channel that is let in.
    pub(super) fn setup(self: &Arc<Self>) -> Setup {
        Setup {
            server: Arc::downgrade(self),
            ..self.side.setup(Handle::current())
        }
    }

    /// Frees the address, and lets all channels begin to close; gives them.
    pub(super) fn begin_close(&self) -> Vec<Channel> {
        let channels = self.stop();
        for channel in &channels {
            channel
                .shared()
                .begin_close(channel.shared().close_timeout());
        }
        channels
    }

    /// Accepts no more, and frees the address; gives the channels that there are.
    pub(super) fn stop(&self) -> Vec<Channel> {
        let file = self
            .file
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        drop(file);
        self.closing.send_replace(true);
        self.members.all()
    }

    /// Accepts until the server is closed; the listener goes with it.
    pub(super) async fn accept(self: Arc<Self>, mut listener: Listener) {
        let mut closing = self.closing.subscribe();
        loop {
            let accepted = unless(closed(&mut closing), listener.accept()).await;
            match accepted {
                None => return,
                Some(Ok(transport)) => {
                    if self.receive(transport).is_err() {
                        // Whoever has to go does so before the next one comes: else a crowd would take
                        // more sockets than there are places.
                        tokio::task::yield_now().await;
                    }
                }
                Some(Err(error)) => {
                    tracing::error!(%error, "the listening socket broke; no more channels are accepted");
                    return;
                }
            }
        }
    }

    /// Takes a stream that somebody else accepted.
    pub(super) async fn admit(self: &Arc<Self>, transport: Transport) {
        if *self.closing.borrow() {
            return;
        }
        if self.receive(transport).is_err() {
            tokio::task::yield_now().await;
        }
    }

    /// Begins with a connection. An error: somebody had to go, that one or another.
    fn receive(self: &Arc<Self>, transport: Transport) -> Result<(), ()> {
        let visitor = Visitor::of(&transport);
        if let Some(peer) = visitor.credentials
            && !self.users.contain(&peer)
        {
            drop(transport);
            self.reject(visitor.rejected(ConnectError::User {
                uid: peer.uid(),
                allowed: self.users.to_string(),
            }));
            return Err(());
        }
        let (place, result) = match self.places.ask(Origin::of(&transport)) {
            Asked::Free(place) => (place, Ok(())),
            Asked::Displacing(place) => (place, Err(())),
            Asked::Full => {
                drop(transport);
                self.reject(visitor.rejected(self.crowded()));
                return Err(());
            }
        };
        tokio::spawn(Arc::clone(self).serve(transport, place));
        result
    }

    fn crowded(&self) -> ConnectError {
        ConnectError::Crowded {
            places: self.places.all(),
        }
    }

    /// Lets one client prove itself, then drives its channel.
    fn serve(
        self: Arc<Self>,
        transport: Transport,
        place: Place,
    ) -> impl Future<Output = ()> + Send + 'static {
        // In a box that is gone once the channel is open: it takes several times what that does.
        let opening = Box::pin(self.let_in(transport, place));
        async move {
            if let Some((session, transport, membership)) = opening.await {
                drive(session, transport, membership).await;
            }
        }
    }

    /// Lets one client prove itself, and makes its channel usable, which is to be driven. None comes of it
    /// if the client is rejected, or the server is closed.
    async fn let_in(
        self: Arc<Self>,
        transport: Transport,
        mut place: Place,
    ) -> Option<(Arc<Session>, Transport, Membership)> {
        let visitor = Visitor::of(&transport);
        let limit = self.side.open_timeout;
        let mut closing = self.closing.subscribe();
        let lost = place.lost();
        let mut candidate = Candidate {
            server: &self,
            encrypts: transport.encrypts(),
            place: Some(place),
            secret: None,
            membership: None,
        };
        let opening = as_server(transport, &self.side.announcement, &mut candidate);
        let opening = unless(lost, tokio::time::timeout(limit, opening));
        let opening = match unless(closed(&mut closing), opening).await? {
            None => Err(self.crowded()),
            Some(Err(_)) => Err(ConnectError::TimedOut(limit)),
            Some(Ok(opening)) => opening,
        };
        let membership = candidate.membership.take();
        drop(candidate);
        match opening {
            // Nothing opens that was not admitted.
            Ok(opening) => self.welcome(opening, membership?, visitor),
            Err(error) => {
                self.reject(visitor.rejected(error));
                None
            }
        }
    }

    /// Makes the channel of a client usable that was admitted, unless its secret was revoked meanwhile. It
    /// must be driven from now on.
    pub(super) fn welcome(
        &self,
        opening: Opening,
        membership: Membership,
        visitor: Visitor,
    ) -> Option<(Arc<Session>, Transport, Membership)> {
        let shared = membership.shared();
        let key_id = opening.peer.key_id.clone();
        let (session, transport) = install(shared, opening, false);
        if shared.status().borrow().is_closed() {
            self.reject(visitor.rejected(ConnectError::Revoked { key_id }));
            return None;
        }
        // A close that began meanwhile may have missed this channel.
        if *self.closing.borrow() {
            shared.begin_close(shared.close_timeout());
        }
        if let Some(hook) = &self.on_connect {
            // What the hook was to set up or to check is not, so the client is let go. The channel is
            // driven all the same: only that tells the client.
            let channel = Channel::from_shared(Arc::clone(shared));
            if catch_unwind(AssertUnwindSafe(|| hook(channel))).is_err() {
                tracing::error!("the on_connect hook panicked; its channel is closed");
                shared.begin_close(shared.close_timeout());
            }
        }
        let _ = self.connected.send(Arc::downgrade(shared));
        Some((Arc::new(session), transport, membership))
    }

    /// Tells of a connection that was turned away.
    fn reject(&self, rejected: Rejected) {
        #[cfg(feature = "metrics")]
        crate::observe::measure::rejected(&rejected.error);
        if let Some(more) = self.log.report() {
            let Rejected {
                error,
                credentials,
                address,
            } = &rejected;
            tracing::warn!(%error, peer = ?credentials, ?address, more, "a client was rejected");
        }
        if let Some(hook) = &self.on_rejected
            && catch_unwind(AssertUnwindSafe(|| hook(rejected))).is_err()
        {
            tracing::error!("the on_rejected hook panicked");
        }
    }
}

/// A client that is opening a channel.
struct Candidate<'a> {
    server: &'a Arc<Inner>,
    /// A Noise message will come, which shows more than a preamble does.
    encrypts: bool,
    /// Held as long as it is a stranger.
    place: Option<Place>,
    /// The secret that it has to prove; none, if its key id has none.
    secret: Option<SecretNumber>,
    membership: Option<Membership>,
}

impl Doorkeeper for Candidate<'_> {
    fn judge(
        &mut self,
        state: AwaitPreamble,
        preamble: &[u8; AwaitPreamble::NEEDS],
    ) -> Result<Step<VersionAgreed>, Refusal> {
        let (step, secret) = self.server.members.judge(state, preamble)?;
        self.secret = secret;
        if let Some(place) = &self.place
            && !self.encrypts
        {
            place.showed_preamble();
        }
        Ok(step)
    }

    fn showed_secret(&mut self, message: &[u8]) {
        if let Some(place) = &self.place {
            place.showed_secret(message);
        }
    }

    /// On the list before the client gets the server's proof: so a secret that is revoked from now on
    /// finds this channel there.
    fn admit(&mut self, opened: &Opened) -> Result<(), ConnectError> {
        let shared = Shared::new(self.server.setup());
        let members = &self.server.members;
        let membership = members.admit(shared, opened.key_id(), self.secret)?;
        self.membership = Some(membership);
        self.place = None;
        Ok(())
    }
}

pub(super) async fn closed(closing: &mut watch::Receiver<bool>) {
    // Without a server there is nothing to wait for either.
    let _ = closing.wait_for(|closing| *closing).await;
}

/// Runs `future`, but no longer than until `stop`.
pub(super) fn unless<S, F>(stop: S, future: F) -> Unless<S, F> {
    Unless { stop, future }
}

pin_project! {
    /// See [`unless`]. No async function, which would have both futures twice: as arguments and pinned.
    pub(super) struct Unless<S, F> {
        #[pin]
        stop: S,
        #[pin]
        future: F,
    }
}

impl<S: Future<Output = ()>, F: Future> Future for Unless<S, F> {
    type Output = Option<F::Output>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        if this.stop.poll(cx).is_ready() {
            return Poll::Ready(None);
        }
        this.future.poll(cx).map(Some)
    }
}
