//! State and hooks of a channel's users.

use std::sync::Arc;

use super::Channel;
use crate::close::CloseReason;
use crate::lag::Lag;

/// What a server keeps for one client: its locks, its jobs, who it is.
///
/// ```
/// # use kaa_rpc_runtime::{Channel, Context, params};
/// # use std::sync::atomic::{AtomicU64, Ordering};
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// #[derive(Default)]
/// struct Visits(AtomicU64);
///
/// let visit = async |cx: Context| {
///     let visits = cx.channel().state_or_insert_with(Visits::default);
///     Ok(visits.0.fetch_add(1, Ordering::Relaxed) + 1)
/// };
/// let (server, client) = Channel::pair(
///     |side| side.register_fn("visit", params([], visit)),
///     |side| side,
/// )
/// .await?;
/// assert_eq!(client.rpc::<u64, _>("visit", ()).await?, 1);
/// assert_eq!(client.rpc::<u64, _>("visit", ()).await?, 2);
///
/// // The channel lets go of it when it closes.
/// let visits = Arc::downgrade(&server.state::<Visits>().unwrap());
/// # use std::sync::Arc;
/// client.close().await;
/// server.closed().await;
/// assert!(visits.upgrade().is_none());
/// # Ok(()) }
/// ```
///
/// **State belongs to the channel**, not to one connection of it: it stays while a channel that
/// [reconnects](crate::ChannelBuilder::retry) has none. (At a server, each connection is a channel.) It goes
/// in the moment in which the channel closes, after the hooks of [`on_close`](Self::on_close), and before
/// [`closed`](Self::closed) resolves. By then all handlers have been told to stop, but one that runs on another
/// thread may come to its next await, and an `@uncancelled` one to its end, only later: each has what it took,
/// as an [`Arc`]. Nothing is attached to a channel that is closed.
///
/// A [`Channel`] in its own state, or in its own hook, keeps it open.
impl Channel {
    /// The state of type `T`, if there is one.
    #[must_use]
    pub fn state<T: Send + Sync + 'static>(&self) -> Option<Arc<T>> {
        self.shared.attached().get()
    }

    /// The state of type `T`, made now if there is none. If two threads make one at once, both get that of
    /// the first. What is made for a channel that is closed is the caller's alone.
    pub fn state_or_insert_with<T: Send + Sync + 'static>(
        &self,
        make: impl FnOnce() -> T,
    ) -> Arc<T> {
        self.shared.attached().get_or_insert_with(make)
    }

    /// Attaches a state, in place of the one of its type, which it gives. If the channel is closed, it gives
    /// back `state`.
    pub fn insert_state<T: Send + Sync + 'static>(&self, state: T) -> Option<Arc<T>> {
        self.shared.attached().insert(state)
    }

    /// Takes the state of type `T` away.
    pub fn remove_state<T: Send + Sync + 'static>(&self) -> Option<Arc<T>> {
        self.shared.attached().remove()
    }

    /// Runs `hook` when the channel closes, however it closes, before [`closed`](Self::closed) resolves; now, if
    /// it is closed. Hooks run one after the other, in the order in which they were given.
    ///
    /// It runs where the channel is closed, mostly on its own task: it must be short, and not block. When a
    /// runtime is shut down it runs as well, and nothing can be spawned there. If it panics, that is logged.
    ///
    /// ```
    /// # use kaa_rpc_runtime::Channel;
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let (server, client) = Channel::pair(|side| side, |side| side).await?;
    /// let (gone, told) = std::sync::mpsc::channel();
    /// server.on_close(move |reason| {
    ///     let _ = gone.send(reason.to_string());
    /// });
    /// client.close().await;
    /// server.closed().await;
    /// assert_eq!(told.try_recv()?, "the other end closed the channel");
    /// # Ok(()) }
    /// ```
    pub fn on_close(&self, hook: impl FnOnce(&CloseReason) + Send + 'static) {
        self.shared.attached().on_close(hook);
    }

    /// How far the other end is behind with what this end calls: with events above all, which are not waited for.
    #[must_use]
    pub fn lag(&self) -> Lag {
        self.shared.lag()
    }

    /// Closes the channel now: nothing more is read or written. Calls in progress end, at both ends, as if the
    /// connection had broken, and handlers are dropped at their next await; what was not written yet is lost.
    /// When this returns, no call of it succeeds any more; [`closed`](Self::closed) tells
    /// [`CloseReason::Aborted`], and the connection goes as soon as the runtime runs the channel's task.
    ///
    /// [`close`](Self::close) is the orderly way, and is bounded in time, too.
    pub fn abort(&self) {
        self.shared.close(CloseReason::Aborted);
    }
}
