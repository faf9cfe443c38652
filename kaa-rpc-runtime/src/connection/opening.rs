//! From a stream that is yet to be opened to a driver at work, and on to the next one.
//!
//! ```text
//!             ┌────────── pause ◄───────────┐
//!             ▼                             │
//!  connect ───┬── failed ──────► may it be tried again? ── no ──► closed
//!             │                             ▲
//!             └── opened, hook, driver ─ lost┘
//! ```

use std::future::poll_fn;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use kaa_rpc_proto::Connection;
use tokio::time::Instant;

use super::driver::run;
use super::session::Session;
use super::shared::Shared;
use super::state::Phase;
use super::timer::Timer;
use crate::buffers;
use crate::channel::Channel;
use crate::close::CloseReason;
use crate::open::{ConnectError, Opening};
use crate::retry::Backoff;
use crate::scope::{self, Scope};
use crate::transport::Transport;

/// Is run for each new connection of a channel, before any other of its calls.
pub(crate) type Hook = Box<dyn Fn(Channel) + Send + Sync>;

/// How a channel comes by its connections.
pub(crate) struct Attempts<C> {
    pub(crate) connect: C,
    /// `None`: there is one connection, and no other.
    pub(crate) backoff: Option<Backoff>,
    pub(crate) on_connect: Option<Hook>,
    /// It is open already.
    pub(crate) first: Option<(Session, Transport)>,
}

/// Opens a connection and drives it; and again, as often as may be. The channel is closed also if the
/// future is dropped, even before its first poll.
pub(crate) fn keep_connected<C, F>(
    shared: Arc<Shared>,
    attempts: Attempts<C>,
) -> impl Future<Output = ()> + Send + 'static
where
    C: Fn() -> F + Send + Sync + 'static,
    F: Future<Output = Result<Opening, ConnectError>> + Send + 'static,
{
    let guard = CloseOnDrop::new(&shared);
    async move {
        let reason = attempts.run(&shared).await;
        guard.shared.close(reason);
    }
}

impl<C, F> Attempts<C>
where
    C: Fn() -> F,
    F: Future<Output = Result<Opening, ConnectError>>,
{
    /// Runs until the channel is to be closed for good, and gives the reason.
    async fn run(mut self, shared: &Arc<Shared>) -> Arc<CloseReason> {
        loop {
            let opened = match self.first.take() {
                Some(first) => Ok(first),
                None => self.open(shared).await,
            };
            let (session, transport) = match opened {
                Ok(opened) => opened,
                Err(reason) => return reason,
            };
            if let Some(hook) = &self.on_connect {
                greet(shared, hook);
            }
            let began = Instant::now();
            let reason = Arc::new(run(Arc::new(session), transport).await);
            let Some(backoff) = &mut self.backoff else {
                return reason;
            };
            let pause = backoff.lost(began.elapsed());
            if !shared.go_on_without(Arc::clone(&reason), pause, false) {
                return reason;
            }
            if let Err(closed) = sleep(shared, pause).await {
                return closed;
            }
        }
    }

    /// Tries until there is a connection; fails when no further attempt is to be made.
    async fn open(
        &mut self,
        shared: &Arc<Shared>,
    ) -> Result<(Session, Transport), Arc<CloseReason>> {
        loop {
            shared.connecting();
            // In a box that is gone when it has ended: it takes several times what an open channel does.
            let opening = Box::pin((self.connect)());
            let error = match unless_closed(shared, opening).await {
                Err(closed) => return Err(closed),
                Ok(Ok(opening)) => return Ok(install(shared, opening, self.on_connect.is_some())),
                Ok(Err(error)) => error,
            };
            let next = self
                .backoff
                .as_mut()
                .and_then(|backoff| backoff.failed(&error));
            let reason = Arc::new(CloseReason::NotOpened(Arc::new(error)));
            let Some(next) = next else {
                return Err(reason);
            };
            if next.hopeless && !shared.is_hopeless() {
                tracing::error!(error = %reason, "a channel cannot be opened; calls do not wait for it any more");
            }
            if !shared.go_on_without(reason, next.pause, next.hopeless) {
                return Err(Arc::new(CloseReason::Closed));
            }
            sleep(shared, next.pause).await?;
        }
    }
}

async fn sleep(shared: &Shared, pause: Duration) -> Result<(), Arc<CloseReason>> {
    unless_closed(shared, tokio::time::sleep(pause)).await
}

/// Runs the hook for a new connection. If it panics, the channel is closed: what it was to set up is
/// not.
fn greet(shared: &Arc<Shared>, hook: &Hook) {
    let channel = Channel::from_shared(Arc::clone(shared));
    let scope = Scope {
        depth: 0,
        deadline: None,
        greets: Some(shared.id()),
        told: false,
        announces: false,
    };
    let ran = {
        let _entered = scope::enter(scope, None);
        catch_unwind(AssertUnwindSafe(|| hook(channel)))
    };
    if ran.is_err() {
        tracing::error!("the on_connect hook panicked; its channel is closed");
        shared.begin_close(shared.close_timeout());
    }
    shared.greeted();
}

/// Makes a connection usable whose handshake went well. It must be driven from now on. `greeting`:
/// once its hook has run.
pub(crate) fn install(
    shared: &Arc<Shared>,
    opening: Opening,
    greeting: bool,
) -> (Session, Transport) {
    let Opening {
        opened,
        transport,
        peer,
    } = opening;
    let writer = transport.direct_writer();
    let connection = Connection::new(opened).with_buffers(buffers::OUTPUT);
    let session = shared.open(connection, peer, writer, greeting);
    (session, transport)
}

/// Waits for something while there is no connection; parked calls meanwhile can time out, and the user
/// can close the channel, which is the error.
async fn unless_closed<T>(
    shared: &Shared,
    future: impl Future<Output = T>,
) -> Result<T, Arc<CloseReason>> {
    let mut timer = Timer::default();
    let mut future = pin!(future);
    poll_fn(|cx| poll_unless_closed(shared, &mut timer, future.as_mut(), cx)).await
}

fn poll_unless_closed<T>(
    shared: &Shared,
    timer: &mut Timer,
    future: Pin<&mut impl Future<Output = T>>,
    cx: &mut Context<'_>,
) -> Poll<Result<T, Arc<CloseReason>>> {
    {
        let mut state = shared.lock();
        // Every wake is needed now: nobody else looks at deadlines.
        state.scheduled = false;
        state.driver = Some(cx.waker().clone());
    }
    if let Poll::Ready(output) = future.poll(cx) {
        return Poll::Ready(Ok(output));
    }
    shared.with(|state, after| timer.poll(state, cx, after, |_, _| None));
    let state = shared.lock();
    match &state.phase {
        Phase::Closed(reason) => Poll::Ready(Err(Arc::clone(reason))),
        _ if state.closing.is_some() => Poll::Ready(Err(Arc::new(CloseReason::Closed))),
        _ => Poll::Pending,
    }
}

/// Closes the connection also when the runtime drops the driver.
pub(super) struct CloseOnDrop {
    pub(super) shared: Arc<Shared>,
}

impl CloseOnDrop {
    pub(super) fn new(shared: &Arc<Shared>) -> Self {
        let shared = Arc::clone(shared);
        Self { shared }
    }
}

impl Drop for CloseOnDrop {
    fn drop(&mut self) {
        self.shared.close(Arc::new(CloseReason::RuntimeGone));
    }
}
