//! From a stream that is yet to be opened to a driver at work.

use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};

use kaa_rpc_proto::Connection;

use super::driver::drive;
use super::shared::Shared;
use super::timer::Timer;
use crate::close::CloseReason;
use crate::open::{ConnectError, Opening};
use crate::transport::Transport;

/// Opens a connection, then drives it until it is closed. It is closed also if the future is dropped,
/// even before its first poll.
pub(crate) fn open_and_drive<F>(
    shared: Arc<Shared>,
    opening: F,
) -> impl Future<Output = ()> + Send + 'static
where
    F: Future<Output = Result<Opening, ConnectError>> + Send + 'static,
{
    let guard = CloseOnDrop {
        shared: Arc::clone(&shared),
    };
    open_guarded(guard, shared, opening)
}

async fn open_guarded(
    guard: CloseOnDrop,
    shared: Arc<Shared>,
    opening: impl Future<Output = Result<Opening, ConnectError>>,
) {
    let mut timer = Timer::default();
    let opened = {
        let mut opening = pin!(opening);
        poll_fn(|cx| poll_opening(&shared, &mut timer, opening.as_mut(), cx)).await
    };
    match opened {
        Ok(opening) => {
            let transport = install(&shared, opening);
            drive(shared, transport).await;
        }
        Err(reason) => guard.shared.close(reason),
    }
}

/// Makes a connection usable whose handshake went well. It must be driven from now on.
pub(crate) fn install(shared: &Shared, opening: Opening) -> Transport {
    let Opening {
        opened,
        transport,
        peer,
    } = opening;
    shared.open(Connection::new(opened), peer, transport.direct_writer());
    transport
}

/// Waits for the connection to open; parked calls meanwhile can time out, and the user can close it.
fn poll_opening(
    shared: &Shared,
    timer: &mut Timer,
    opening: Pin<&mut impl Future<Output = Result<Opening, ConnectError>>>,
    cx: &mut Context<'_>,
) -> Poll<Result<Opening, CloseReason>> {
    {
        let mut state = shared.lock();
        // Every wake is needed now: nobody else looks at deadlines.
        state.scheduled = false;
        state.driver = Some(cx.waker().clone());
    }
    if let Poll::Ready(opened) = opening.poll(cx) {
        return Poll::Ready(opened.map_err(|error| CloseReason::NotOpened(Arc::new(error))));
    }
    shared.with(|state, after| timer.poll(state, cx, after, |_, _| None));
    let closing = shared.lock().closing;
    if closing.is_some() {
        Poll::Ready(Err(CloseReason::Closed))
    } else {
        Poll::Pending
    }
}

/// Closes the connection also when the runtime drops the driver.
pub(super) struct CloseOnDrop {
    pub(super) shared: Arc<Shared>,
}

impl Drop for CloseOnDrop {
    fn drop(&mut self) {
        self.shared.close(CloseReason::RuntimeGone);
    }
}
