//! The thread that drives a channel for those who have no runtime.
//!
//! There is one for each channel. With one for all of them, a handler that computes would hold up the
//! channels of others, who know nothing of it, and somebody would have to count who still needs the thread.

use std::io;
use std::thread;
use std::time::Duration;

use tokio::runtime::{Builder, Runtime};
use tokio::sync::oneshot;

use super::wait;
use crate::channel::Channel;
use crate::open::ConnectError;
use crate::status::Status;

/// Opens a channel on a new thread, which lives as long as the channel.
pub(super) fn open<F>(open: impl FnOnce() -> F + Send + 'static) -> Result<Channel, ConnectError>
where
    F: Future<Output = Result<Channel, ConnectError>>,
{
    let runtime = Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(ConnectError::Io)?;
    let (told, opened) = oneshot::channel();
    let drive = move || {
        let told_status = runtime.block_on(async {
            let opened = open().await;
            let status = opened
                .as_ref()
                .ok()
                .map(|channel| channel.shared().status());
            // If nobody waits for it any more, it is dropped, and closes.
            let _ = told.send(opened);
            status
        });
        if let Some(mut status) = told_status {
            let _ = runtime.block_on(status.wait_for(Status::is_closed));
            end(&runtime);
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
fn end(runtime: &Runtime) {
    let tasks = runtime.metrics();
    let mut pause = Duration::from_millis(1);
    while tasks.num_alive_tasks() > 0 {
        runtime.block_on(async { tokio::time::sleep(pause).await });
        pause = (2 * pause).min(Duration::from_millis(100));
    }
}
