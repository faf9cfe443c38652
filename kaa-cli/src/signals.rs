//! Signals that ask the command to end.

use std::time::Duration;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::oneshot;

use crate::report::{Failure, Status};

/// From now on, a signal to end is told here instead of ending the process at once. A second one ends it, and
/// so does the time `patience` after the first one.
pub(crate) fn watch(patience: Duration) -> Result<oneshot::Receiver<Failure>, Failure> {
    let (tell, told) = oneshot::channel();
    let mut interrupt = listen(SignalKind::interrupt())?;
    let mut terminate = listen(SignalKind::terminate())?;
    // On a worker thread, so that it goes on while the main one is stuck in a write.
    tokio::spawn(async move {
        let number = next(&mut interrupt, &mut terminate).await;
        let cancelled = Failure::new(Status::Signalled(number), "cancelled");
        let _ = tell.send(cancelled);
        let again = next(&mut interrupt, &mut terminate);
        let _ = tokio::time::timeout(patience, again).await;
        std::process::exit(128 + i32::from(number));
    });
    Ok(told)
}

fn listen(kind: SignalKind) -> Result<Signal, Failure> {
    signal(kind).map_err(|error| Failure::new(Status::Failed, format!("cannot start: {error}")))
}

/// The number of the next one.
async fn next(interrupt: &mut Signal, terminate: &mut Signal) -> u8 {
    tokio::select! {
        _ = interrupt.recv() => 2,
        _ = terminate.recv() => 15,
    }
}
