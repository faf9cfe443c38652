//! A connection's way from the listener to an open channel.

use std::collections::HashMap;
use std::future::poll_fn;
use std::net::SocketAddr;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::task::Poll;

use kaa_rpc_proto::handshake::Keyring;
use tokio::runtime::Handle;
use tokio::sync::{Semaphore, broadcast, watch};

use crate::channel::Channel;
use crate::connection::{Shared, drive, install};
use crate::open::{ConnectError, Opening, as_server};
use crate::side::SoundSide;
use crate::transport::{Listener, PeerCredentials, SocketFile, Transport};

/// So many connections may be without their proof at once; more wait in the listener's backlog.
pub(super) const OPENING: usize = 256;

/// What a server's handles and tasks share.
pub(super) struct Inner {
    pub(super) side: SoundSide,
    pub(super) channels: Mutex<HashMap<u64, Channel>>,
    pub(super) next: AtomicU64,
    pub(super) connected: broadcast::Sender<Weak<Shared>>,
    pub(super) on_connect: Option<Hook<Channel>>,
    pub(super) on_rejected: Option<Hook<Rejected>>,
    pub(super) closing: watch::Sender<bool>,
    /// Gone when a close begins: the address is free at once, not when the accepting task notices.
    pub(super) file: Mutex<Option<SocketFile>>,
    pub(super) keyring: Keyring,
    /// Of those that have yet to prove themselves, wherever they came from.
    pub(super) places: Arc<Semaphore>,
}

pub(super) type Hook<T> = Box<dyn Fn(T) + Send + Sync>;

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

impl Inner {
    pub(super) fn lock(&self) -> MutexGuard<'_, HashMap<u64, Channel>> {
        self.channels.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Frees the address, and lets all channels begin to close; gives them.
    pub(super) fn begin_close(&self) -> Vec<Channel> {
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
    pub(super) async fn accept(self: Arc<Self>, mut listener: Listener) {
        let mut closing = self.closing.subscribe();
        loop {
            let accepted = async {
                let place = Arc::clone(&self.places).acquire_owned().await;
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

    /// Takes a stream that somebody else accepted, as soon as there is a place for it.
    pub(super) async fn admit(self: &Arc<Self>, transport: Transport) {
        let mut closing = self.closing.subscribe();
        let place = Arc::clone(&self.places).acquire_owned();
        let Some(place) = unless_closing(&mut closing, place).await else {
            return;
        };
        let inner = Arc::clone(self);
        tokio::spawn(async move { inner.serve(transport, place).await });
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
