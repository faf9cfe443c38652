//! What a channel's handles, calls and driver share.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::task::{Context, Poll};
use std::time::Duration;

use kaa_rpc_proto::msgpack::ScanLimits;
use kaa_rpc_proto::{Connection, Limits};
use tokio::runtime::Handle;
use tokio::sync::watch;
use tokio::time::Instant;

use super::callers::earlier;
use super::request::{Outcome, Request, Started, timed_out};
use super::session::Session;
use super::state::{After, Closing, Phase, State, in_time};
use crate::attached::Attached;
use crate::blocking::turns::Turns;
use crate::call::{Announced, MadeChain};
use crate::close::CloseReason;
use crate::error::Error;
use crate::lag::Lag;
use crate::peer::Peer;
use crate::scope;
use crate::serve::functions::Registry;
use crate::serve::intercept::ServedChain;
use crate::server::{ServerInner, WhenBehind};
use crate::side::Patience;
use crate::status::Status;
use crate::transport::DirectWriter;

/// One channel, shared by its handles, its calls and its driver. It has one connection, or if it
/// reconnects, one after the other.
pub(crate) struct Shared {
    state: Mutex<State>,
    /// Channels that a user holds; the last one to go closes the connection.
    handles: AtomicUsize,
    status: watch::Sender<Status>,
    attached: Attached,
    setup: Setup,
}

/// What a connection is made with.
pub(crate) struct Setup {
    pub(crate) functions: Arc<Registry>,
    pub(crate) limits: Limits,
    /// The time that calls have which say nothing themselves.
    pub(crate) timeout: Option<Duration>,
    /// The time that an orderly close may take.
    pub(crate) close_timeout: Duration,
    /// The time that the other end has for its part.
    pub(crate) patience: Patience,
    /// Whether calls that say nothing themselves wait while the channel is not connected.
    pub(crate) waits: bool,
    /// Whether the channel goes on without a connection that was lost.
    pub(crate) reconnects: bool,
    /// So often calls that say nothing themselves may go over one more connection, if one was lost.
    pub(crate) resends: u32,
    pub(crate) served_chain: Option<Arc<ServedChain>>,
    pub(crate) made_chain: Option<Arc<MadeChain>>,
    /// Whose channel it is, if it is a server's.
    pub(crate) server: Weak<ServerInner>,
    pub(crate) runtime: Handle,
    /// Who drives the channel, if it has a thread of its own.
    pub(crate) turns: Weak<Turns>,
}

impl Shared {
    pub(crate) fn new(setup: Setup) -> Arc<Self> {
        Arc::new(Self {
            state: Mutex::new(State::new()),
            handles: AtomicUsize::new(0),
            status: watch::Sender::new(Status::Connecting),
            attached: Attached::default(),
            setup,
        })
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing that can panic runs under the lock, so a poisoned state is a sound one.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes the state, then does what must be done outside of the lock.
    pub(crate) fn with<R>(&self, change: impl FnOnce(&mut State, &mut After) -> R) -> R {
        let mut after = After::default();
        let result = change(&mut self.lock(), &mut after);
        after.settle();
        result
    }

    pub(crate) fn runtime(&self) -> &Handle {
        &self.setup.runtime
    }

    pub(crate) fn turns(&self) -> Option<Arc<Turns>> {
        self.setup.turns.upgrade()
    }

    /// How many calls have come over this connection.
    pub(crate) fn received(&self) -> u64 {
        let mut state = self.lock();
        let connection = state.phase.connection();
        connection.map_or(0, |connection| connection.calls_received())
    }

    pub(crate) fn functions(&self) -> &Registry {
        &self.setup.functions
    }

    /// What stands around the calls that this end serves.
    pub(crate) fn served_chain(&self) -> Option<&Arc<ServedChain>> {
        self.setup.served_chain.as_ref()
    }

    /// What stands around the calls that this end makes.
    pub(crate) fn made_chain(&self) -> Option<&Arc<MadeChain>> {
        self.setup.made_chain.as_ref()
    }

    pub(crate) fn limits(&self) -> &Limits {
        &self.setup.limits
    }

    pub(crate) fn scan_limits(&self) -> ScanLimits {
        let limits = self.limits();
        ScanLimits {
            max_nesting: limits.max_nesting,
            max_items: limits.max_items,
        }
    }

    pub(crate) fn patience(&self) -> &Patience {
        &self.setup.patience
    }

    pub(crate) fn default_timeout(&self) -> Option<Duration> {
        self.setup.timeout
    }

    pub(crate) fn server(&self) -> Weak<ServerInner> {
        Weak::clone(&self.setup.server)
    }

    pub(crate) fn attached(&self) -> &Attached {
        &self.attached
    }

    pub(crate) fn peer(&self) -> Option<Arc<Peer>> {
        self.lock().peer.clone()
    }

    /// Starts a call; see [`crate::Call::start`]. What the request holds may be taken out of it.
    pub(crate) fn start(&self, request: &mut Request<'_>) -> Result<Started, Error> {
        let scope = scope::current();
        request.greets = scope.is_some_and(|scope| scope.greets == Some(self.id()));
        request.nested = scope.is_some_and(|scope| scope.greets.is_none() && !scope.announces);
        let waits = *request.waits.get_or_insert(self.setup.waits);
        request.depth = scope.map_or(0, |scope| scope.depth);
        let inherited = scope.and_then(|scope| scope.deadline);
        let now = (request.timeout.is_some() || inherited.is_some()).then(Instant::now);
        // A deadline that is too far to be told is none.
        let own = now
            .zip(request.timeout)
            .and_then(|(now, timeout)| now.checked_add(timeout));
        request.deadline = earlier(own, inherited);
        if let Some(now) = now
            && request.deadline != own
        {
            // The error tells the time that there really was.
            request.timeout = inherited.map(|inherited| inherited.saturating_duration_since(now));
        }
        if let Some(now) = now
            && request.deadline.is_some_and(|deadline| deadline <= now)
        {
            return Err(timed_out(request.name.as_str(), request.timeout, false));
        }
        self.with(|state, after| {
            match &state.phase {
                Phase::Closed(reason) => return Err(Error::NotConnected(Arc::clone(reason))),
                Phase::Opening if !waits || state.hopeless => {
                    return Err(Error::NotConnected(Arc::clone(&state.away)));
                }
                Phase::Opening => {}
                Phase::Open(connection) => check_depth(request.depth, connection)?,
            }
            let connection = match state.closing {
                None => state.phase.connection(),
                // It waits for the next connection.
                Some(closing) if waits && self.setup.reconnects && !closing.for_good => None,
                Some(closing) => {
                    let reason = if closing.local {
                        CloseReason::Closed
                    } else {
                        CloseReason::ClosedByPeer
                    };
                    return Err(Error::NotConnected(Arc::new(reason)));
                }
            };
            let deadline = request.deadline;
            let started = state.callers.start(connection, request, after)?;
            state.arm(deadline, after);
            let alone = state
                .phase
                .connection()
                .is_some_and(|connection| connection.calls_in_flight() <= 1);
            state.flush(alone, after);
            Ok(started)
        })
    }

    pub(crate) fn poll_call(&self, slot: usize, cx: &mut Context<'_>) -> Poll<Outcome> {
        let mut replaced = None;
        let mut state = self.lock();
        let polled = state.callers.poll(slot, cx, &mut replaced);
        let polled = polled.map(|ended| Outcome {
            ended,
            metadata: state.callers.told.take(slot),
        });
        drop(state);
        // Not under the lock: what a waker owns may be a handle of this very connection.
        drop(replaced);
        polled
    }

    /// The handle of a call is gone.
    pub(crate) fn cancel_call(&self, slot: usize) {
        self.with(|state, after| {
            state.callers.cancel(state.phase.connection(), slot, after);
            // A smaller call may have waited behind it.
            state.unpark(after);
            state.flush(false, after);
        });
    }

    /// The handle of a call is gone, but the call is to go on. It is dropped if too many wait for room
    /// like that already.
    pub(crate) fn detach_call(&self, slot: usize) -> Result<(), Error> {
        let result =
            self.with(|state, after| state.callers.detach(state.phase.connection(), slot, after));
        if result.is_err() {
            self.cancel_call(slot);
        }
        result
    }

    /// The handle of an event is gone. If it has to wait, others may have to go, or the channel.
    pub(crate) fn announce_call(
        &self,
        slot: usize,
        (most, when_behind): (usize, WhenBehind),
    ) -> Result<Announced, Error> {
        let told = self.with(|state, after| {
            let connection = state.phase.connection();
            state
                .callers
                .announce(connection, slot, most, when_behind, after)
        });
        if told.is_err() {
            self.cancel_call(slot);
        }
        if let Ok(Announced { closed: true, .. }) = told {
            self.close(CloseReason::FellBehind(most));
            self.cancel_call(slot);
        }
        told
    }

    pub(crate) fn lag(&self) -> Lag {
        let mut state = self.lock();
        let connection = state.phase.connection();
        Lag {
            in_flight: connection.map_or(0, |connection| connection.calls_in_flight()),
            waiting: state.callers.waiting.events(),
            dropped: state.callers.waiting.events_dropped(),
        }
    }

    /// The handshake went well: calls that were parked can go, after those of a hook that greets the
    /// connection until [`Self::greeted`]. Unless it was closed meanwhile.
    pub(super) fn open(
        self: &Arc<Self>,
        connection: Connection,
        peer: Peer,
        writer: Option<DirectWriter>,
        greeting: bool,
    ) -> Session {
        let peer = Arc::new(peer);
        let (opened, number) = self.with(|state, after| {
            state.session += 1;
            if let Phase::Closed(_) = state.phase {
                return (false, state.session);
            }
            state.peer = Some(Arc::clone(&peer));
            state.hopeless = false;
            let mut connection = Box::new(connection);
            state.callers.waiting.greet(greeting);
            state.callers.unpark(&mut connection, after);
            if state.closing.is_some() {
                connection.goodbye();
            }
            state.phase = Phase::Open(connection);
            state.writer = writer;
            (true, state.session)
        });
        if opened {
            self.set_status(Status::Connected);
        }
        Session::new(Arc::clone(self), number, peer)
    }

    /// The hook has run: all other calls can go, too.
    pub(super) fn greeted(&self) {
        self.with(|state, after| {
            state.callers.waiting.greet(false);
            state.unpark(after);
        });
    }

    /// The channel is closed, because its connection is gone and there is to be no other, or because it is
    /// to be cut. Every call ends now, and the driver lets go of the stream.
    pub(crate) fn close(&self, reason: impl Into<Arc<CloseReason>>) {
        let reason = reason.into();
        let closed = self.with(|state, after| {
            // The first reason stays.
            let open = !matches!(state.phase, Phase::Closed(_));
            if open {
                state.lose(&reason, false, after);
                after.driver = state.driver.take();
                state.phase = Phase::Closed(Arc::clone(&reason));
            } else {
                // If it was somebody else who closed it, and not the driver, the driver may have let a
                // handler begin meanwhile.
                state.served.stop_all(after);
            }
            open
        });
        if closed {
            self.attached.close(&reason);
            self.set_status(Status::Closed(reason));
        }
    }

    /// There is no connection any more, or not yet, and the next attempt is made after `pause`. Says
    /// whether the channel goes on so. `hopeless`: calls do not wait for it.
    pub(super) fn go_on_without(
        &self,
        reason: Arc<CloseReason>,
        pause: Duration,
        hopeless: bool,
    ) -> bool {
        let mut replaced = None;
        let goes_on = self.with(|state, after| {
            if matches!(state.phase, Phase::Closed(_))
                || state.closing.is_some_and(|closing| closing.for_good)
            {
                return false;
            }
            state.closing = None;
            state.lose(&reason, !hopeless, after);
            // Dropped when the lock is free: an error of a user's stream may be in it.
            replaced = Some(std::mem::replace(&mut state.away, Arc::clone(&reason)));
            state.hopeless = hopeless;
            true
        });
        drop(replaced);
        if goes_on {
            let next_attempt = pause;
            self.set_status(Status::Disconnected {
                reason,
                next_attempt,
            });
        }
        goes_on
    }

    /// Whether it is known that no connection is to be hoped for.
    pub(super) fn is_hopeless(&self) -> bool {
        self.lock().hopeless
    }

    /// The next attempt begins.
    pub(super) fn connecting(&self) {
        self.set_status(Status::Connecting);
    }

    /// Tells those who watch, if it is news. What is closed stays so.
    fn set_status(&self, status: Status) {
        self.status
            .send_if_modified(|shown| match (&*shown, &status) {
                (Status::Closed(_), _) | (Status::Connecting, Status::Connecting) => false,
                _ => {
                    *shown = status;
                    true
                }
            });
    }

    /// Tells this channel from all others that there are.
    pub(crate) fn id(&self) -> usize {
        std::ptr::from_ref(self).addr()
    }

    /// Says goodbye: calls that run may end within `limit`, new ones are refused.
    pub(crate) fn begin_close(&self, limit: Duration) {
        self.with(|state, after| {
            let by = in_time(limit);
            let closing = state.closing.get_or_insert(Closing {
                by,
                local: true,
                for_good: true,
            });
            closing.by = closing.by.min(by);
            closing.for_good = true;
            let by = closing.by;
            if let Some(connection) = state.phase.connection() {
                connection.goodbye();
            }
            let reason = Arc::new(CloseReason::Closed);
            state.callers.refuse_parked(&reason, false, after);
            // A program often ends right after it lets go: the goodbye should not wait for the driver.
            state.flush(true, after);
            state.arm(Some(by), after);
            state.schedule(after);
        });
        if let Some(turns) = self.turns() {
            turns.come_back();
        }
    }

    pub(crate) fn close_timeout(&self) -> Duration {
        self.setup.close_timeout
    }

    pub(crate) fn resends(&self) -> u32 {
        self.setup.resends
    }

    pub(super) fn reconnects(&self) -> bool {
        self.setup.reconnects
    }

    pub(crate) fn status(&self) -> watch::Receiver<Status> {
        self.status.subscribe()
    }

    pub(crate) fn add_handle(&self) {
        self.handles.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn remove_handle(&self) {
        if self.handles.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.begin_close(self.setup.close_timeout);
        }
    }
}

fn check_depth(depth: u16, connection: &Connection) -> Result<(), Error> {
    let limit = connection.opened().peer_limits().max_depth;
    if u32::from(depth) > limit {
        let message = too_deep(depth, limit);
        return Err(Error::TooDeep { message });
    }
    Ok(())
}

pub(crate) fn too_deep(depth: u16, limit: u32) -> String {
    format!(
        "{depth} calls stand around this one, and {limit} are allowed (max_depth): do two handlers call each other?"
    )
}
