//! Calls from programs and threads without async.
//!
//! The proxies are the same, and so are the calls and their handles. Who cannot await them blocks the thread
//! instead:
//!
//! | async | blocking |
//! | --- | --- |
//! | `builder.connect(address).await?` | [`builder.connect_blocking(address)?`](crate::ChannelBuilder::connect_blocking) |
//! | `player.play(7).await?` | [`player.play(7).wait()?`](crate::Call::wait) |
//! | `call.await?`, of a call that was started | [`call.wait()?`](crate::InProgress::wait) |
//! | `while let Some(track) = found.next().await?` | [`for track in found.iter()`](crate::InProgress::iter) |
//! | any other future: `channel.close().await` | [`wait(channel.close())`](wait) |
//!
//! ```no_run
//! use kaa_rpc_runtime::blocking::wait;
//! use kaa_rpc_runtime::{Channel, Secret};
//!
//! fn main() -> Result<(), Box<dyn std::error::Error>> {
//!     let secret = Secret::from_file("player.secret")?;
//!     let channel = Channel::builder(&secret).connect_blocking("unix:player")?;
//!     let title: String = channel.rpc("play", (7,)).wait()?;
//!     let mut found = channel.rpc::<u64, _>("scan", ("/music",)).items::<String>().start();
//!     for name in found.iter() {
//!         println!("{}", name?);
//!     }
//!     println!("{title}, and {} in all", found.wait()?);
//!     wait(channel.close());
//!     Ok(())
//! }
//! ```
//!
//! What drives such a channel is a thread of its own: it reads, runs the handlers of this side, looks at
//! timeouts, and connects anew if the channel is to. So calls go in both directions, and a handler runs also
//! while other threads wait for calls of theirs. The thread ends with the channel.
//!
//! When many calls follow each other closely, that thread steps aside, and whoever waits for one drives the channel
//! meanwhile, which saves the way to another thread and back. It matters in two ways:
//!
//! - A handler may run on a thread that waits, not only on the channel's. Such a thread goes on when the handler
//!   has returned, or awaits something; and if it holds a lock that the handler wants, both stand still, as they
//!   would if the channel's thread ran it. What blocks or computes for long belongs
//!   [elsewhere](crate::blocking_params), as always. A thread that is in a span of `tracing` does not run any.
//! - Between two such calls and for a moment after the last one, nobody drives: two milliseconds at most. So
//!   much later may a call be sent that was only started, or one of the other end be run. If the other end
//!   calls, the channel's thread stays for a while.
//!
//! The channel can be used from async code all the same, and one that was made there from threads that block.
//!
//! # Where not to block
//!
//! A thread that runs async code must not block, since what it waits for may need that very thread. What blocks
//! here therefore panics in async code, and handlers and hooks are such: await the call there. Threads of
//! [`tokio::task::spawn_blocking`], functions that were registered [as blocking](crate::blocking_params), and blocks of `block_in_place` may block.

mod driven;
mod iter;
pub(crate) mod park;
mod thread;
pub(crate) mod turns;

use std::future::ready;

use serde::de::DeserializeOwned;
use tokio::runtime::Handle;

pub use iter::Iter;

use crate::call::{Call, InProgress};
use crate::channel::{Channel, ChannelBuilder};
use crate::error::FromFailure;
use crate::open::ConnectError;
use kaa_rpc_proto::msgpack::Arguments;

/// Blocks this thread until `future` is ready: for what this crate gives, such as [`Channel::close`],
/// [`Channel::closed`] or [`ItemSender::give`](crate::ItemSender::give). Futures that need a runtime around
/// them, as tokio's sockets and timers do, do not get one.
///
/// ```no_run
/// use kaa_rpc_runtime::blocking::wait;
/// use kaa_rpc_runtime::{Channel, StreamArgument, item_channel};
///
/// fn upload(channel: &Channel, chunks: &[&str]) -> Result<u64, Box<dyn std::error::Error>> {
///     let (mut sender, items) = item_channel();
///     let call = channel.rpc("upload", (StreamArgument(0),)).stream(items).start();
///     for chunk in chunks {
///         wait(sender.give(chunk))?;
///     }
///     wait(sender.finish())?;
///     Ok(call.wait()?)
/// }
/// ```
///
/// # Panics
///
/// In async code; see [the module](self#where-not-to-block).
#[track_caller]
pub fn wait<F: Future>(future: F) -> F::Output {
    match Handle::try_current() {
        // The runtime knows whether this thread may block, and panics if not.
        Ok(runtime) => runtime.block_on(future),
        Err(_) => park::block_on(future),
    }
}

impl<P: From<Channel>> ChannelBuilder<P> {
    /// As [`connect`](Self::connect), for programs without a runtime: a thread of the channel's own drives it.
    /// See [`blocking`](crate::blocking).
    ///
    /// ```no_run
    /// # use kaa_rpc_runtime::{Channel, Secret, params};
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let secret = Secret::from_file("player.secret")?;
    /// let channel = Channel::builder(&secret)
    ///     .register_fn("confirm", params(["question"], async |question: String| Ok(question.len() < 80)))
    ///     .connect_blocking("unix:player")?;
    /// let state: String = channel.rpc("play", (7,)).wait()?;
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// Those of [`connect`](Self::connect), or if there can be no further thread.
    ///
    /// # Panics
    ///
    /// In async code.
    #[track_caller]
    pub fn connect_blocking(self, address: &str) -> Result<P, ConnectError> {
        let address = address.to_owned();
        self.open_blocking(|builder| async move { builder.connect(&address).await })
    }

    /// Opens the channel in any way that the builder has, on a thread of the channel's own that drives it
    /// from then on:
    ///
    /// ```no_run
    /// # use kaa_rpc_runtime::{Channel, Inherited};
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// // A plugin without async.
    /// let host = Inherited::take()?;
    /// let secret = host.secret().clone();
    /// let channel = Channel::builder(&secret).open_blocking(|builder| builder.connect_inherited(host))?;
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// Those of `open`, or if there can be no further thread.
    ///
    /// # Panics
    ///
    /// In async code.
    #[track_caller]
    pub fn open_blocking<F>(
        self,
        open: impl FnOnce(ChannelBuilder) -> F + Send + 'static,
    ) -> Result<P, ConnectError>
    where
        F: Future<Output = Result<Channel, ConnectError>>,
    {
        // Panics where it must, before anything has begun.
        wait(ready(()));
        let builder = self.untyped();
        thread::open(move |turns| open(builder.driven_by(turns))).map(P::from)
    }
}

impl<A: Arguments, T: DeserializeOwned, F: FromFailure, Y> Call<'_, A, T, F, Y> {
    /// Sends the call, and blocks this thread until its outcome is there; for code that is not async. See
    /// [`blocking`](crate::blocking).
    ///
    /// # Errors
    ///
    /// That of the call.
    ///
    /// # Panics
    ///
    /// In async code: await it there.
    #[track_caller]
    pub fn wait(self) -> Result<T, F> {
        self.start().wait()
    }
}

impl<T: DeserializeOwned, F: FromFailure, Y> InProgress<T, F, Y> {
    /// Blocks this thread until the outcome is there; for code that is not async. Items that were not taken
    /// are thrown away.
    ///
    /// # Errors
    ///
    /// That of the call.
    ///
    /// # Panics
    ///
    /// In async code: await it there.
    #[track_caller]
    pub fn wait(self) -> Result<T, F> {
        match self.turns() {
            // Interceptors are somebody else's code, which may rely on the runtime that is around.
            Some(turns) if !self.is_intercepted() => turns.wait(self),
            turns => turns::wait_beside(turns, self),
        }
    }
}

impl<T: DeserializeOwned, F: FromFailure, Y: DeserializeOwned> InProgress<T, F, Y> {
    /// Blocks this thread until the next item is there; as [`next`](Self::next), for code that is not async.
    ///
    /// # Errors
    ///
    /// As of [`next`](Self::next).
    ///
    /// # Panics
    ///
    /// In async code.
    #[track_caller]
    pub fn next_blocking(&mut self) -> Result<Option<Y>, F> {
        // Items are read while the thread is busy with those before.
        turns::wait_beside(self.turns(), self.next())
    }

    /// The items that the function yields, each after this thread has waited for it; then the error if the
    /// call fails. The result is to be had from [`wait`](Self::wait).
    ///
    /// Its `next` panics in async code.
    pub fn iter(&mut self) -> Iter<'_, T, F, Y> {
        Iter::new(self)
    }
}
