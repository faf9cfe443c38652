//! The state under the lock.

use std::collections::HashSet;
use std::io;
use std::sync::Arc;
use std::task::Waker;
use std::time::Duration;

use kaa_rpc_proto::frame::CallId;
use kaa_rpc_proto::msgpack::{Exceeded, ScanLimits, scan};
use kaa_rpc_proto::{Connection, Failure, FailureKind, Progress, Token};
use tokio::task::AbortHandle;
use tokio::time::Instant;

use super::callers::{Callers, Slot};
use super::inputs::Inputs;
use super::parked::Parked;
use super::request::Ended;
use super::served::{Running, Served};
use super::session::Session;
use super::wanted::Watchers;
use crate::buffers;
use crate::close::CloseReason;
use crate::peer::Peer;
use crate::serve::reply::{Reply, drop_quietly};
use crate::transport::DirectWriter;

/// What the lock protects. No user code runs while it is held.
pub(crate) struct State {
    pub(super) phase: Phase,
    pub(super) callers: Callers,
    pub(super) served: Served,
    pub(super) inputs: Inputs,
    pub(super) watchers: Watchers,
    /// Whoever has items to send, while too much waits to be written.
    blocked: Vec<Waker>,
    /// The driver is running, or was woken and will: it looks at everything before it sleeps.
    pub(super) scheduled: bool,
    /// The driver holds bytes that the socket did not take yet; later ones must not overtake them.
    pub(super) writing: bool,
    pub(super) driver: Option<Waker>,
    /// Writes without the driver, where the transport allows it.
    pub(super) writer: Option<DirectWriter>,
    /// Something that was written without the driver has not gone yet: it is to flush it.
    pub(super) unflushed: bool,
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
///
/// Each call makes several, nearly all of which stay empty: what is rare shares a list, so that little is
/// made, looked at and dropped for nothing.
#[derive(Default)]
pub(crate) struct After {
    wakers: Vec<Waker>,
    pub(super) driver: Option<Waker>,
    rare: Vec<Rare>,
}

enum Rare {
    Abort(AbortHandle),
    /// To be dropped: each owns something of a user's.
    Waker(#[expect(dead_code, reason = "dropped")] Waker),
    Outcome(#[expect(dead_code, reason = "dropped")] Ended),
    Running(Running),
    Parked(#[expect(dead_code, reason = "dropped")] Box<Parked>),
    Reply(#[expect(dead_code, reason = "dropped")] Reply),
    Connection(#[expect(dead_code, reason = "dropped")] Box<Connection>),
    Spent(#[expect(dead_code, reason = "dropped")] Vec<bytes::Bytes>),
}

impl After {
    pub(super) fn wake(&mut self, waker: Option<Waker>) {
        self.wakers.extend(waker);
    }

    pub(super) fn wake_all(&mut self, wakers: &mut Vec<Waker>) {
        self.wakers.append(wakers);
    }

    pub(super) fn discard(&mut self, waker: Option<Waker>) {
        self.rare.extend(waker.map(Rare::Waker));
    }

    pub(super) fn abort(&mut self, handle: AbortHandle) {
        self.rare.push(Rare::Abort(handle));
    }

    /// An outcome may own an error of a user's stream.
    pub(super) fn drop_outcome(&mut self, ended: Ended) {
        self.rare.push(Rare::Outcome(ended));
    }

    /// What a call was made of may own bytes of a user's.
    #[inline]
    pub(super) fn drop_parked(&mut self, parked: Option<Box<Parked>>) {
        if let Some(parked) = parked
            && parked.arguments.is_shared()
        {
            self.rare.push(Rare::Parked(parked));
        }
    }

    /// The same of a call that has ended.
    pub(super) fn drop_slot(&mut self, slot: Slot) {
        match slot {
            Slot::Parked { parked, waker } => {
                self.drop_parked(Some(parked));
                self.discard(waker);
            }
            Slot::Sent { kept, waker, .. } => {
                self.drop_parked(kept);
                self.discard(waker);
            }
            Slot::Done(ended) => self.drop_outcome(ended),
        }
    }

    /// What was written may be bytes of a user's.
    #[inline]
    fn drop_spent(&mut self, connection: &mut Connection) {
        if let Some(spent) = connection.take_spent() {
            self.rare.push(Rare::Spent(spent));
        }
    }

    pub(super) fn drop_later(&mut self, running: Running) {
        self.rare.push(Rare::Running(running));
    }

    /// Does it; gives how many callers were woken.
    #[inline]
    pub(super) fn settle(&mut self) -> usize {
        if let Some(driver) = self.driver.take() {
            driver.wake();
        }
        let woken = self.wakers.len();
        if woken > 0 {
            self.wakers.drain(..).for_each(Waker::wake);
        }
        if !self.rare.is_empty() {
            self.rare.drain(..).for_each(Rare::settle);
        }
        woken
    }
}

impl Rare {
    fn settle(self) {
        match self {
            Self::Abort(handle) => handle.abort(),
            Self::Running(running) => drop_quietly(running),
            Self::Waker(_)
            | Self::Outcome(_)
            | Self::Parked(_)
            | Self::Reply(_)
            | Self::Connection(_)
            | Self::Spent(_) => {}
        }
    }
}

/// Adds a waker, unless it is there already.
pub(super) fn add_waker(wakers: &mut Vec<Waker>, waker: &Waker) {
    if !wakers.iter().any(|other| other.will_wake(waker)) {
        wakers.push(waker.clone());
    }
}

/// The instant after this time; if it cannot be told, one that nobody lives to see.
pub(super) fn in_time(time: Duration) -> Instant {
    const CENTURY: Duration = Duration::from_secs(100 * 365 * 86_400);
    let now = Instant::now();
    now.checked_add(time).unwrap_or_else(|| now + CENTURY)
}

impl State {
    pub(super) fn new() -> Self {
        Self {
            phase: Phase::Opening,
            callers: Callers::default(),
            served: Served::default(),
            inputs: Inputs::default(),
            watchers: Watchers::default(),
            blocked: Vec::new(),
            scheduled: false,
            writing: false,
            driver: None,
            writer: None,
            unflushed: false,
            armed: None,
            closing: None,
            session: 0,
            peer: None,
            away: Arc::new(CloseReason::NotYetOpen),
            hopeless: false,
        }
    }

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
    pub(super) fn lose(&mut self, reason: &Arc<CloseReason>, next: bool, after: &mut After) {
        let unsent: HashSet<Token> = match &mut self.phase {
            Phase::Open(connection) => connection
                .abandon()
                .into_iter()
                .filter(|(_, progress)| *progress == Progress::NeverSent)
                .map(|(token, _)| token)
                .collect(),
            _ => HashSet::new(),
        };
        // What was to be written may be bytes of a user's.
        if let Phase::Open(connection) = std::mem::replace(&mut self.phase, Phase::Opening) {
            after.rare.push(Rare::Connection(connection));
        }
        self.writer = None;
        self.unflushed = false;
        self.writing = false;
        self.callers.lose(&unsent, reason, next, after);
        self.served.stop_all(after);
        self.inputs.end_all(after);
        self.watchers.wake_all(after);
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
        add_waker(&mut self.blocked, waker);
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
            after.wake_all(&mut self.blocked);
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
        let unflushed = &mut self.unflushed;
        if alone && let Some(writer) = &self.writer {
            let written = connection.write_to(|segments| {
                let (count, flushed) = writer.try_write(segments)?;
                *unflushed |= !flushed;
                Ok::<_, io::Error>(count)
            });
            after.drop_spent(connection);
            if let Ok(true) = written
                && !*unflushed
                && !connection.is_parted()
            {
                self.unblock(after);
                return;
            }
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
        mut reply: Reply,
        session: &Session,
        after: &mut After,
    ) {
        if let Some(connection) = self.of_session(session) {
            match (id, &mut reply) {
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
        if let Reply::Value(value, _) = &mut reply {
            buffers::give(value.take_buffer());
            if value.is_shared() {
                after.rare.push(Rare::Reply(reply));
            }
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
