//! The state under the lock.

use std::collections::HashSet;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use kaa_rpc_proto::frame::CallId;
use kaa_rpc_proto::msgpack::{Exceeded, ScanLimits, scan};
use kaa_rpc_proto::{Connection, Failure, FailureKind, Limits, Progress, Token};
use tokio::runtime::Handle;
use tokio::sync::watch;
use tokio::task::AbortHandle;
use tokio::time::Instant;

use super::callers::{Callers, Ended, Request, Started, earlier};
use super::inputs::Inputs;
use super::served::{Running, Served};
use super::session::Session;
use crate::buffers;
use crate::close::CloseReason;
use crate::error::Error;
use crate::peer::Peer;
use crate::scope;
use crate::serve::functions::Registry;
use crate::serve::reply::{Reply, drop_quietly};
use crate::side::Patience;
use crate::status::Status;
use crate::transport::SocketWriter;

/// One channel, shared by its handles, its calls and its driver. It has one connection, or if it
/// reconnects, one after the other.
pub(crate) struct Shared {
    state: Mutex<State>,
    /// Channels that a user holds; the last one to go closes the connection.
    handles: AtomicUsize,
    status: watch::Sender<Status>,
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
    pub(crate) runtime: Handle,
}

/// What the lock protects. No user code runs while it is held.
pub(crate) struct State {
    pub(super) phase: Phase,
    pub(super) callers: Callers,
    pub(super) served: Served,
    pub(super) inputs: Inputs,
    /// Whoever has items to send, while too much waits to be written.
    blocked: Vec<Waker>,
    /// The driver is running, or was woken and will: it looks at everything before it sleeps.
    pub(super) scheduled: bool,
    /// The driver holds bytes that the socket did not take yet; later ones must not overtake them.
    pub(super) writing: bool,
    pub(super) driver: Option<Waker>,
    /// Writes without the driver, where the transport allows it.
    pub(super) writer: Option<SocketWriter>,
    /// When the driver looks at deadlines next.
    pub(super) armed: Option<Instant>,
    pub(super) closing: Option<Closing>,
    /// The number of the connection, and who is at its other end; those of the last one if there is
    /// none now.
    pub(super) session: u64,
    pub(super) peer: Option<Arc<Peer>>,
    /// Why there is no connection.
    pub(super) away: Arc<CloseReason>,
    /// Whether it is no use to wait for one.
    pub(super) hopeless: bool,
}

/// An orderly close that is under way.
#[derive(Clone, Copy, Debug)]
pub(super) struct Closing {
    pub(super) by: Instant,
    /// This end began it.
    pub(super) local: bool,
    /// This end wants the channel closed, too; there is to be no other connection.
    pub(super) for_good: bool,
}

pub(super) enum Phase {
    /// There is no connection yet, or no more. Calls are parked until there is one.
    Opening,
    Open(Box<Connection>),
    Closed(Arc<CloseReason>),
}

impl Phase {
    pub(super) fn connection(&mut self) -> Option<&mut Connection> {
        match self {
            Self::Open(connection) => Some(connection),
            _ => None,
        }
    }
}

/// What is to be done when the lock is free again.
#[derive(Default)]
pub(crate) struct After {
    wakers: Vec<Waker>,
    driver: Option<Waker>,
    discarded: Vec<Waker>,
    aborts: Vec<AbortHandle>,
    dropped: Vec<Running>,
}

impl After {
    pub(super) fn wake(&mut self, waker: Option<Waker>) {
        self.wakers.extend(waker);
    }

    pub(super) fn discard(&mut self, waker: Option<Waker>) {
        self.discarded.extend(waker);
    }

    pub(super) fn abort(&mut self, handle: AbortHandle) {
        self.aborts.push(handle);
    }

    pub(super) fn drop_later(&mut self, running: Running) {
        self.dropped.push(running);
    }

    /// Does it; gives how many callers were woken.
    pub(super) fn settle(&mut self) -> usize {
        if let Some(driver) = self.driver.take() {
            driver.wake();
        }
        let woken = self.wakers.len();
        self.wakers.drain(..).for_each(Waker::wake);
        self.discarded.clear();
        self.aborts.drain(..).for_each(|handle| handle.abort());
        self.dropped.drain(..).for_each(drop_quietly);
        woken
    }
}

impl Shared {
    pub(crate) fn new(setup: Setup) -> Arc<Self> {
        let state = State {
            phase: Phase::Opening,
            callers: Callers::default(),
            served: Served::default(),
            inputs: Inputs::default(),
            blocked: Vec::new(),
            scheduled: false,
            writing: false,
            driver: None,
            writer: None,
            armed: None,
            closing: None,
            session: 0,
            peer: None,
            away: Arc::new(CloseReason::NotYetOpen),
            hopeless: false,
        };
        Arc::new(Self {
            state: Mutex::new(state),
            handles: AtomicUsize::new(0),
            status: watch::Sender::new(Status::Connecting),
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

    pub(crate) fn functions(&self) -> &Registry {
        &self.setup.functions
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

    pub(crate) fn peer(&self) -> Option<Arc<Peer>> {
        self.lock().peer.clone()
    }

    /// Starts a call; see [`crate::Call::start`].
    pub(crate) fn start(&self, mut request: Request<'_>) -> Result<Started, Error> {
        let scope = scope::current();
        request.greets = scope.is_some_and(|scope| scope.greets == Some(self.id()));
        request.nested = scope.is_some_and(|scope| scope.greets.is_none());
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
            return Err(super::callers::timed_out(
                request.name.as_str(),
                request.timeout,
                false,
            ));
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
            let started = state.callers.start(connection, request, now, after)?;
            state.arm(deadline, after);
            let alone = state
                .phase
                .connection()
                .is_some_and(|connection| connection.calls_in_flight() <= 1);
            state.flush(alone, after);
            Ok(started)
        })
    }

    pub(crate) fn poll_call(&self, slot: usize, cx: &mut Context<'_>) -> Poll<Ended> {
        let mut replaced = None;
        let polled = self.lock().callers.poll(slot, cx, &mut replaced);
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

    /// The handshake went well: calls that were parked can go, after those of a hook that greets the
    /// connection until [`Self::greeted`]. Unless it was closed meanwhile.
    pub(super) fn open(
        self: &Arc<Self>,
        connection: Connection,
        peer: Peer,
        writer: Option<SocketWriter>,
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
        let goes_on = self.with(|state, after| {
            if matches!(state.phase, Phase::Closed(_))
                || state.closing.is_some_and(|closing| closing.for_good)
            {
                return false;
            }
            state.closing = None;
            state.lose(&reason, !hopeless, after);
            state.away = Arc::clone(&reason);
            state.hopeless = hopeless;
            true
        });
        if goes_on {
            let next_attempt = pause;
            self.set_status(Status::Disconnected {
                reason,
                next_attempt,
            });
        }
        goes_on
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

/// The instant after this time; if it cannot be told, one that nobody lives to see.
pub(super) fn in_time(time: Duration) -> Instant {
    const CENTURY: Duration = Duration::from_secs(100 * 365 * 86_400);
    let now = Instant::now();
    now.checked_add(time).unwrap_or_else(|| now + CENTURY)
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

impl State {
    /// Sends what was waiting for room, as far as there is some.
    pub(super) fn unpark(&mut self, after: &mut After) {
        // What is parked while the connection closes waits for the next one.
        if self.closing.is_none()
            && let Some(connection) = self.phase.connection()
        {
            self.callers.unpark(connection, after);
        }
    }

    /// There is no connection any more. Calls end, but for those that wait for the `next` one.
    fn lose(&mut self, reason: &Arc<CloseReason>, next: bool, after: &mut After) {
        let unsent: HashSet<Token> = match &mut self.phase {
            Phase::Open(connection) => connection
                .abandon()
                .into_iter()
                .filter(|(_, progress)| *progress == Progress::NeverSent)
                .map(|(token, _)| token)
                .collect(),
            _ => HashSet::new(),
        };
        self.phase = Phase::Opening;
        self.writer = None;
        self.writing = false;
        self.callers.lose(&unsent, reason, next, after);
        self.served.stop_all(after);
        self.inputs.end_all(after);
        self.unblock(after);
    }

    /// The connection, if it is that of `session`: the ids of one mean nothing to the next.
    pub(super) fn of_session(&mut self, session: &Session) -> Option<&mut Connection> {
        if self.session == session.number() {
            self.phase.connection()
        } else {
            None
        }
    }

    /// Whoever this waker belongs to is to look again when enough was written.
    pub(super) fn block(&mut self, waker: &Waker) {
        if !self.blocked.iter().any(|other| other.will_wake(waker)) {
            self.blocked.push(waker.clone());
        }
    }

    /// Something was written, or the connection is gone.
    pub(super) fn unblock(&mut self, after: &mut After) {
        if self.blocked.is_empty() {
            return;
        }
        let backlog = self
            .phase
            .connection()
            .is_some_and(|connection| connection.has_backlog());
        if !backlog {
            after.wakers.append(&mut self.blocked);
        }
    }

    /// Lets the driver run soon, unless it will anyway.
    pub(super) fn schedule(&mut self, after: &mut After) {
        if !self.scheduled {
            self.scheduled = true;
            after.driver = self.driver.clone();
        }
    }

    /// Makes sure that the driver looks at deadlines at `deadline`. Nearly always it is armed for an
    /// earlier one already and is left asleep.
    pub(super) fn arm(&mut self, deadline: Option<Instant>, after: &mut After) {
        if let Some(deadline) = deadline
            && self.armed.is_none_or(|armed| deadline < armed)
        {
            self.armed = Some(deadline);
            self.schedule(after);
        }
    }

    /// Sees to it that the queued frames are written. If nothing else is going on (`alone`), here and
    /// now: that saves a wake-up of the driver. Otherwise by the driver, which gathers more.
    pub(super) fn flush(&mut self, alone: bool, after: &mut After) {
        if self.writing {
            return; // The driver goes on as soon as the socket takes more.
        }
        let Phase::Open(connection) = &mut self.phase else {
            return;
        };
        if !connection.has_output() {
            return;
        }
        if self.scheduled {
            return; // The driver writes before it sleeps.
        }
        // The rest of a partial write, and an error if it lasts, is the driver's.
        if alone
            && let Some(writer) = &self.writer
            && matches!(
                connection.write_to(|bytes| writer.try_write(bytes)),
                Ok(true)
            )
            && !connection.is_parted()
        {
            self.unblock(after);
            return;
        }
        // Also when this was the last word: the driver closes.
        self.schedule(after);
    }

    /// Whether a call of a serial function may run now; if not, it is kept until it may.
    pub(crate) fn enter_serial(
        &mut self,
        queue: u64,
        running: Running,
        after: &mut After,
    ) -> Option<Running> {
        let deadline = running.deadline();
        let free = self.served.enter_serial(queue, running);
        if free.is_none() {
            self.arm(deadline, after);
        }
        free
    }

    /// Queues the answer to a call that was served.
    pub(crate) fn answer(
        &mut self,
        id: Option<CallId>,
        cost: u32,
        reply: Reply,
        session: &Session,
        after: &mut After,
    ) {
        if let Some(connection) = self.of_session(session) {
            match (id, &reply) {
                (None, _) => connection.oneway_done(cost),
                (Some(id), Reply::Value(value, shape)) => {
                    let failure = match shape.exceeds(connection.opened().peer_limits()) {
                        Some(exceeded) => Some(result_exceeds(exceeded)),
                        None => connection.result(id, value).err().map(result_too_large),
                    };
                    if let Some(failure) = failure {
                        answer_failure(connection, id, &failure);
                    }
                }
                (Some(id), Reply::Failure(failure)) => answer_failure(connection, id, failure),
            }
            let alone = connection.is_idle();
            self.flush(alone, after);
        }
        if let Reply::Value(buffer, _) = reply {
            buffers::give(buffer);
        }
    }
}

fn result_too_large(too_large: kaa_rpc_proto::TooLarge) -> Failure {
    let kaa_rpc_proto::TooLarge { length, max_frame } = too_large;
    Failure::new(
        FailureKind::TooLarge,
        format!(
            "the result takes {length} bytes, and the caller accepts {max_frame} (its max_frame)"
        ),
    )
}

fn result_exceeds(exceeded: Exceeded) -> Failure {
    let message = format!("the result has {exceeded}");
    Failure::new(FailureKind::TooLarge, message)
}

fn answer_failure(connection: &mut Connection, id: CallId, failure: &Failure) {
    let mut bytes = buffers::take();
    failure.encode(&mut bytes);
    // All but the value of a declared error is within the smallest limits that there are.
    let limits = ScanLimits::from(connection.opened().peer_limits());
    let fits = failure.value.is_none() || scan(&bytes, &limits).is_ok();
    if !fits || connection.error(id, &bytes).is_err() {
        bytes.clear();
        Failure::new(
            FailureKind::TooLarge,
            "the function failed, and its error is larger than the caller accepts",
        )
        .encode(&mut bytes);
        let _ = connection.error(id, &bytes);
    }
    buffers::give(bytes);
}
