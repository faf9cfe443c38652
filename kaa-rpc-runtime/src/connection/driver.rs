//! The one task of a connection: reads, lets handlers run, writes, looks at deadlines.

use std::future::poll_fn;
use std::io;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use kaa_rpc_proto::frame::{self, Split};
use kaa_rpc_proto::{Output, Violation};
use tokio::time::Instant;

use super::callers::earlier;
use super::opening::CloseOnDrop;
use super::session::Session;
use super::shared::Shared;
use super::state::{After, State};
use super::timer::Timer;
use super::vigil::{Verdict, Vigil};
use crate::buffers;
use crate::close::CloseReason;
use crate::serve::dispatch::Dispatcher;
use crate::transport::Transport;

/// So many calls are dispatched before others get their turn.
pub(super) const CALLS_A_TURN: usize = 64;

/// So often the socket is read before others get their turn.
const READS_A_TURN: usize = 16;

/// The buffer for a frame that has come in part grows so many times at once.
const GROWTH: usize = 3;

/// So many bytes are read at most after writing failed.
const DRAINED: usize = 4 << 20;

/// Drives an open connection until it is closed. It is closed also if the future is dropped, even
/// before its first poll. `kept` is dropped after that.
pub(crate) fn drive(
    session: Arc<Session>,
    transport: Transport,
    kept: impl Send + 'static,
) -> impl Future<Output = ()> + Send + 'static {
    let guard = CloseOnDrop::new(session.shared());
    async move {
        let reason = run(session, transport).await;
        guard.shared.close(Arc::new(reason));
        drop(kept);
    }
}

/// Drives an open connection until it is to be closed, and gives the reason. Its calls are not ended
/// yet.
///
/// Not an async function, so that the future has no second place for what it was made of: a task of it is
/// what an idle connection costs.
pub(super) fn run(
    session: Arc<Session>,
    transport: Transport,
) -> impl Future<Output = CloseReason> + Send {
    let mut driver = Driver::new(session, transport);
    async move {
        #[cfg(feature = "metrics")]
        let _open = crate::observe::measure::Open::new();
        // Turns are limited by `CALLS_A_TURN`; tokio's own budget would end a handler's first poll for no
        // reason of the handler's.
        let reason = tokio::task::unconstrained(poll_fn(|cx| driver.poll(cx))).await;
        // In a box, as the room that it takes is needed only then.
        Box::pin(driver.end(reason)).await
    }
}

pub(super) struct Driver {
    pub(super) shared: Arc<Shared>,
    pub(super) transport: Transport,
    pub(super) dispatcher: Dispatcher,
    pub(super) timer: Timer,
    pub(super) vigil: Vigil,
    /// What was read and not yet handled: the beginning of a frame, or frames beyond the turn's limit.
    pub(super) partial: Vec<u8>,
    /// Taken from the connection, and not yet all taken by the socket.
    pub(super) writing: Output,
    /// The transport holds nothing back.
    pub(super) flushed: bool,
    /// This turn's output was held back once already.
    pub(super) corked: bool,
    /// Empty; kept so that waking a caller allocates nothing.
    pub(super) after: After,
}

/// What a pass over the read buffer brought about.
#[derive(Default)]
pub(super) struct Pass {
    pub(super) reads: usize,
    pub(super) calls: usize,
    pub(super) spawned: usize,
    pub(super) woken: usize,
}

impl Driver {
    fn new(session: Arc<Session>, transport: Transport) -> Self {
        let vigil = Vigil::new(session.shared().patience(), transport.is_network());
        Self {
            shared: Arc::clone(session.shared()),
            dispatcher: Dispatcher::new(session),
            transport,
            timer: Timer::default(),
            vigil,
            partial: Vec::new(),
            writing: Output::new(buffers::OUTPUT),
            flushed: true,
            corked: false,
            after: After::default(),
        }
    }

    /// Runs until the connection is to be closed, and gives the reason.
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<CloseReason> {
        let Some(mut write) = self.begin_turn(cx) else {
            // Somebody cut it, and has said why.
            return Poll::Ready(CloseReason::Closed);
        };
        let mut pass = Pass::default();
        loop {
            let read = match self.poll_read(cx, &mut pass) {
                Err(reason) => return Poll::Ready(reason),
                Ok(read) => read,
            };
            // If several callers were woken, or several handlers have yet to run, what they produce
            // should share a write: let them go first, once. What is there already goes ahead.
            let cork =
                (pass.woken > 1 || pass.spawned > 1) && !std::mem::replace(&mut self.corked, true);
            if (read.is_ready() || std::mem::take(&mut write))
                && let Err(error) = self.poll_write(cx)
            {
                return Poll::Ready(self.drain(error, &mut pass));
            }
            if cork || pass.calls >= CALLS_A_TURN || pass.reads >= READS_A_TURN {
                // A busy connection may not come to the end of a turn for long.
                if let Some(reason) = self.overdue(cx) {
                    return Poll::Ready(reason);
                }
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
            if read.is_pending() {
                match self.end_turn(cx) {
                    Some(end) => return end,
                    None => write = true,
                }
            }
        }
    }

    /// Says whether there is something to write. `None`: the connection is not open any more.
    fn begin_turn(&mut self, cx: &mut Context<'_>) -> Option<bool> {
        let mut state = self.shared.lock();
        let has_output = state.phase.connection()?.has_output();
        state.scheduled = true;
        self.flushed &= !std::mem::take(&mut state.unflushed);
        let same = |driver: &Waker| driver.will_wake(cx.waker());
        if !state.driver.as_ref().is_some_and(same) {
            state.driver = Some(cx.waker().clone());
            self.timer.forget_waker();
        }
        Some(has_output || !self.writing.is_empty() || !self.flushed)
    }

    /// Ends calls whose time is over; tells if that of the connection is.
    fn overdue(&mut self, cx: &mut Context<'_>) -> Option<CloseReason> {
        let after = &mut self.after;
        let mut state = self.shared.lock();
        let received = self.partial.len();
        let vigil = &mut self.vigil;
        let over = poll_time(&mut self.timer, vigil, received, &mut state, cx, after);
        let closing = state.closing;
        drop(state);
        after.settle();
        if closing.is_some_and(|closing| closing.by <= Instant::now()) {
            return Some(CloseReason::CloseTimedOut);
        }
        over
    }

    /// Goes to sleep, unless there is something to do after all.
    fn end_turn(&mut self, cx: &mut Context<'_>) -> Option<Poll<CloseReason>> {
        let vigil = &mut self.vigil;
        if buffers::keeps_any() {
            vigil.tidy_later();
        }
        let after = &mut self.after;
        let mut state = self.shared.lock();
        let received = self.partial.len();
        let over = poll_time(&mut self.timer, vigil, received, &mut state, cx, after);
        let closing = state.closing;
        let blocked = !self.writing.is_empty();
        let Some(connection) = state.phase.connection() else {
            return Some(Poll::Ready(CloseReason::Closed));
        };
        let more = connection.has_output() && !blocked;
        let finished = connection.is_finished() && self.flushed;
        let idle = !more && !blocked && connection.is_idle();
        if idle {
            connection.give_back();
        }
        if !more {
            state.scheduled = false;
            self.corked = false;
        }
        drop(state);
        if idle {
            self.writing.give_back();
        }
        after.settle();
        if finished {
            let local = closing.is_some_and(|closing| closing.local);
            return Some(Poll::Ready(if local {
                CloseReason::Closed
            } else {
                CloseReason::ClosedByPeer
            }));
        }
        if closing.is_some_and(|closing| closing.by <= Instant::now()) {
            return Some(Poll::Ready(CloseReason::CloseTimedOut));
        }
        if let Some(reason) = over {
            return Some(Poll::Ready(reason));
        }
        if more { None } else { Some(Poll::Pending) }
    }

    /// Reads once and handles every complete frame. Pending: nothing more is to be read now.
    fn poll_read(
        &mut self,
        cx: &mut Context<'_>,
        pass: &mut Pass,
    ) -> Result<Poll<()>, CloseReason> {
        if self.has_whole_frame()? {
            let partial = std::mem::take(&mut self.partial);
            self.handle_own(partial, pass)?;
            return Ok(Poll::Ready(()));
        }
        if !self.partial.is_empty() {
            return self.poll_read_more(cx, pass);
        }
        pass.reads += 1;
        let mut buffer = buffers::take_read();
        let read = match self.transport.poll_read(cx, &mut buffer) {
            Poll::Pending => Ok(Poll::Pending),
            Poll::Ready(Err(error)) => Err(self.reason(lost(error))),
            Poll::Ready(Ok(0)) => Err(self.reason(CloseReason::Ended)),
            Poll::Ready(Ok(_)) => self.handle(&buffer, pass).map(|()| Poll::Ready(())),
        };
        buffers::give_read(buffer);
        read
    }

    /// Reads what is missing of a frame. The buffer grows with what has come, not with what was
    /// promised.
    fn poll_read_more(
        &mut self,
        cx: &mut Context<'_>,
        pass: &mut Pass,
    ) -> Result<Poll<()>, CloseReason> {
        let length = self.partial.len();
        let missing = match frame::split(&self.partial, self.max_frame()) {
            Ok(Split::Incomplete(whole)) => whole.saturating_sub(length),
            _ => 0,
        };
        // Some times as much as has come: an end that promises much and sends little gets little.
        let most = buffers::READ_CAPACITY.max(GROWTH * length);
        self.partial.reserve_exact(missing.clamp(1, most));
        pass.reads += 1;
        match self.transport.poll_read(cx, &mut self.partial) {
            Poll::Pending => Ok(Poll::Pending),
            Poll::Ready(Err(error)) => Err(self.reason(lost(error))),
            Poll::Ready(Ok(0)) => Err(self.reason(CloseReason::Ended)),
            Poll::Ready(Ok(_)) => {
                self.vigil.read(Instant::now());
                if self.has_whole_frame()? {
                    let partial = std::mem::take(&mut self.partial);
                    self.handle_own(partial, pass)?;
                }
                Ok(Poll::Ready(()))
            }
        }
    }

    pub(super) fn max_frame(&self) -> u32 {
        self.shared.limits().max_frame
    }

    fn has_whole_frame(&self) -> Result<bool, CloseReason> {
        let split = frame::split(&self.partial, self.max_frame()).map_err(violation)?;
        Ok(matches!(split, Split::Frame(..)))
    }

    /// Writes what is queued, until the socket takes no more.
    fn poll_write(&mut self, cx: &mut Context<'_>) -> io::Result<()> {
        if self.writing.is_empty() {
            self.take_output();
        }
        while !self.writing.is_empty() {
            let (writing, transport) = (&self.writing, &mut self.transport);
            match writing.offer(|segments| transport.poll_write(cx, segments)) {
                Poll::Pending => {
                    self.vigil.stuck();
                    return Ok(());
                }
                Poll::Ready(Ok(0)) => return Err(io::ErrorKind::WriteZero.into()),
                Poll::Ready(Err(error)) => return Err(error),
                Poll::Ready(Ok(count)) => self.wrote(count),
            }
        }
        if self.flushed {
            return Ok(());
        }
        match self.transport.poll_flush(cx) {
            Poll::Pending => {
                self.vigil.stuck();
                Ok(())
            }
            Poll::Ready(result) => {
                self.vigil.wrote();
                self.flushed = true;
                result
            }
        }
    }

    fn take_output(&mut self) {
        let mut state = self.shared.lock();
        take_output(&mut state, &mut self.writing);
    }

    /// The socket took something. If it was all, what was queued meanwhile is next.
    fn wrote(&mut self, count: usize) {
        self.writing.advance(count);
        drop(self.writing.take_spent());
        self.flushed = false;
        self.vigil.wrote();
        let after = &mut self.after;
        let mut state = self.shared.lock();
        if let Some(connection) = state.phase.connection() {
            connection.wrote(count);
        }
        state.unblock(after);
        if self.writing.is_empty() {
            take_output(&mut state, &mut self.writing);
        }
        drop(state);
        after.settle();
    }

    /// Writing failed: the other end is gone, but what it sent before may still be there to be read.
    /// No more than buffers of sockets hold: an end that reads nothing but goes on sending is not
    /// listened to for ever.
    fn drain(&mut self, error: io::Error, pass: &mut Pass) -> CloseReason {
        for _ in 0..DRAINED / buffers::READ_CAPACITY {
            // Calls are dispatched as usual; their answers go nowhere.
            pass.calls = 0;
            let mut chunk = std::mem::take(&mut self.partial);
            let whole = matches!(frame::split(&chunk, self.max_frame()), Ok(Split::Frame(..)));
            if !whole {
                chunk.reserve(buffers::READ_CAPACITY);
                let Ok(1..) = self.transport.try_read(&mut chunk) else {
                    return self.reason(lost(error));
                };
            }
            if let Err(reason) = self.handle(&chunk, pass) {
                return reason;
            }
        }
        self.reason(lost(error))
    }

    /// A connection that breaks after both ends have said goodbye and owe each other nothing has
    /// ended in order: the other end was merely faster.
    fn reason(&self, reason: CloseReason) -> CloseReason {
        let mut state = self.shared.lock();
        let local = state.closing.is_some_and(|closing| closing.local);
        match state.phase.connection() {
            Some(connection) if connection.is_parted() => {
                if local {
                    CloseReason::Closed
                } else {
                    CloseReason::ClosedByPeer
                }
            }
            Some(connection)
                if connection.heard_goodbye() && matches!(reason, CloseReason::Ended) =>
            {
                // Not a crash: the time that it gave was over.
                CloseReason::CloseTimedOut
            }
            _ => reason,
        }
    }

    /// Parts from the other end, and gives the reason with what there is to add to it.
    async fn end(&mut self, reason: CloseReason) -> CloseReason {
        let orderly = matches!(reason, CloseReason::Closed | CloseReason::ClosedByPeer);
        buffers::give_up();
        self.shutdown(orderly).await;
        self.transport.end(reason).await
    }

    /// Tells the other end that nothing more comes. It gets a moment; a stream that does not take it
    /// is dropped all the same.
    ///
    /// After an orderly end, what still comes is read and thrown away: where closing with unread bytes
    /// resets the connection, a late ping would otherwise destroy our last words on their way.
    async fn shutdown(&mut self, orderly: bool) {
        let transport = &mut self.transport;
        let shutdown = async {
            let ended = poll_fn(|cx| transport.poll_shutdown(cx)).await;
            if !(orderly && ended.is_ok() && transport.resets_when_unread()) {
                return;
            }
            let mut read = |cx: &mut Context<'_>| {
                let mut unread = buffers::take_read();
                let read = transport.poll_read(cx, &mut unread);
                buffers::give_read(unread);
                read
            };
            while let Ok(1..) = poll_fn(&mut read).await {}
        };
        let _ = tokio::time::timeout(Duration::from_secs(1), shutdown).await;
    }
}

/// Looks at the timer: ends calls whose time is over, asks whether the other end lives, tells if it
/// was too slow.
fn poll_time(
    timer: &mut Timer,
    vigil: &mut Vigil,
    received: usize,
    state: &mut State,
    cx: &mut Context<'_>,
    after: &mut After,
) -> Option<CloseReason> {
    let mut over = None;
    // The driver runs and need not be woken for it.
    state.armed = earlier(state.armed, vigil.due());
    timer.poll(state, cx, after, |state, now| {
        match vigil.judge(now, received) {
            Verdict::Fine => {}
            Verdict::Ping => {
                if let Some(connection) = state.phase.connection() {
                    connection.ping();
                }
            }
            Verdict::Over(reason) => over = Some(reason),
        }
        vigil.due()
    });
    over
}

/// Takes over what is queued; from then on, nobody else writes until it is written. `writing` is empty.
fn take_output(state: &mut State, writing: &mut Output) {
    if let Some(connection) = state.phase.connection() {
        connection.take_output(writing);
        state.writing = !writing.is_empty();
    }
}

fn lost(error: io::Error) -> CloseReason {
    match error.kind() {
        io::ErrorKind::BrokenPipe
        | io::ErrorKind::ConnectionReset
        // TLS that ended without its own goodbye.
        | io::ErrorKind::UnexpectedEof => CloseReason::Ended,
        _ => CloseReason::Lost(error),
    }
}

pub(super) fn violation(violation: Violation) -> CloseReason {
    CloseReason::Violation(violation)
}
