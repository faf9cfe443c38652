//! The thread that drives a channel for those who have no runtime.
//!
//! There is one for each channel. With one for all of them, a handler that computes would hold up the
//! channels of others, who know nothing of it, and somebody would have to count who still needs the thread.

use std::io;
use std::sync::{Arc, Weak};
use std::thread;
use std::time::Duration;

use tokio::sync::oneshot;

use super::turns::Turns;
use super::wait;
use crate::channel::Channel;
use crate::open::ConnectError;
use crate::status::Status;

/// Opens a channel on a new thread, which lives as long as the channel.
pub(super) fn open<F>(
    open: impl FnOnce(Weak<Turns>) -> F + Send + 'static,
) -> Result<Channel, ConnectError>
where
    F: Future<Output = Result<Channel, ConnectError>>,
{
    let turns = Arc::new(Turns::new().map_err(ConnectError::Io)?);
    let (told, opened) = oneshot::channel();
    let drive = move || {
        let opened = turns.run(open(Arc::downgrade(&turns)));
        let channel = opened.as_ref().ok().map(|channel| {
            let shared = channel.shared();
            (Arc::downgrade(shared), shared.status())
        });
        // If nobody waits for it any more, it is dropped, and closes.
        let _ = told.send(opened);
        if let Some((shared, mut status)) = channel {
            let received = || shared.upgrade().map_or(0, |shared| shared.received());
            turns.drive(status.wait_for(Status::is_closed), received);
            end(turns);
        }
    };
    thread::Builder::new()
        .name("kaa-rpc".to_owned())
        .spawn(drive)
        .map_err(ConnectError::Io)?;
    // It ends without a word only if `open` panics.
    wait(opened).unwrap_or_else(|_| {
        let message = "the thread that was to open the channel has panicked";
        Err(ConnectError::Io(io::Error::other(message)))
    })
}

/// Lets functions that run to their end, although the channel is closed, do so, and whatever else handlers
/// have spawned.
fn end(mut turns: Arc<Turns>) {
    let mut pause = Duration::from_millis(1);
    while turns.is_busy() {
        turns.run(async { tokio::time::sleep(pause).await });
        pause = (2 * pause).min(Duration::from_millis(100));
    }
    // Threads that waited for calls are about to leave. None of them is to be the one who drops the runtime,
    // for that may take as long as a function that blocks.
    while let Err(others) = Arc::try_unwrap(turns) {
        turns = others;
        thread::sleep(Duration::from_millis(1));
    }
}
