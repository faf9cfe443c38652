//! What a handler knows about its call.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{self, Poll};

use kaa_rpc_proto::msgpack::{ArgumentError, ArgumentReader};
use kaa_rpc_proto::{Metadata, MetadataError};
use serde::Serialize;
use tokio::time::Instant;

use crate::channel::Channel;
use crate::connection::{CallRef, Session, Unwanted};
use crate::items::{Items, Yielder};
use crate::peer::Peer;
use crate::scope::{Scope, Scoped};
use crate::serve::functions::Registry;
use crate::server::Clients;
use crate::told::Told;
use crate::trace::TraceContext;

/// What a handler knows about its call: the channel it came from, its deadline, and what came along with it.
///
/// Cheap to clone; a clone can go into a task.
#[derive(Clone)]
pub struct Context {
    session: Arc<Session>,
    scope: Scope,
    call: CallRef,
    pub(crate) told: Option<Arc<Told>>,
}

impl Context {
    pub(crate) fn new(
        session: Arc<Session>,
        scope: Scope,
        call: CallRef,
        told: Option<Arc<Told>>,
    ) -> Self {
        Self {
            session,
            scope,
            call,
            told,
        }
    }

    /// What gives items to the caller, for closures; functions of a schema that yield have it as a
    /// parameter. After the end of the call it gives nothing any more.
    #[must_use]
    pub fn yielder<T: Serialize>(&self) -> Yielder<T> {
        Yielder::new(Arc::clone(&self.session), self.call)
    }

    /// The stream that came for the parameter `name`.
    pub(crate) fn items<T>(
        &self,
        arguments: &mut ArgumentReader<'_>,
        name: &'static str,
    ) -> Result<Items<T>, ArgumentError> {
        Items::argument(&self.session, self.call, arguments, name)
    }

    /// What this end exposes.
    pub(crate) fn functions(&self) -> &Registry {
        self.session.shared().functions()
    }

    /// The channel that the call came from: call back whoever called, or keep it to call later.
    ///
    /// ```ignore
    /// ScreenClient::new(&cx.channel()).confirm("Delete it?").await?
    /// ```
    #[must_use]
    pub fn channel(&self) -> Channel {
        Channel::from_shared(Arc::clone(self.session.shared()))
    }

    /// All clients of the server that was called, to [tell](Clients::broadcast) them what has changed. There are
    /// none if the call did not come to a [`Server`](crate::Server).
    ///
    /// `P` is what the server hands channels out as: a [`Channel`], or the typed end of a schema.
    #[must_use]
    pub fn clients<P: From<Channel>>(&self) -> Clients<P> {
        Clients::new(self.session.shared().server())
    }

    /// Who called.
    #[must_use]
    pub fn peer(&self) -> Peer {
        self.session.peer().clone()
    }

    /// When the call must be over, if it has a deadline. The handler is dropped then.
    #[must_use]
    pub fn deadline(&self) -> Option<Instant> {
        self.scope.deadline
    }

    /// How many handlers' calls stand around this one; 0 if it was not made inside a handler.
    #[must_use]
    pub fn depth(&self) -> u16 {
        self.scope.depth.saturating_sub(1)
    }

    /// What the caller sent along beside the arguments. Decoded when it is first asked for.
    ///
    /// # Errors
    ///
    /// If what came is not a map from text to text, within its bounds. A handler that gives the error on fails
    /// with [`Error::BadArguments`](crate::Error::BadArguments) for its caller.
    pub fn metadata(&self) -> Result<&Metadata, MetadataError> {
        static NONE: Metadata = Metadata::new();
        match &self.told {
            Some(told) => told.metadata().map_err(Clone::clone),
            None => Ok(&NONE),
        }
    }

    /// Which trace the call belongs to, if it came with one. Calls that the handler makes go on with it by
    /// themselves.
    #[must_use]
    pub fn trace(&self) -> Option<&TraceContext> {
        self.told.as_ref()?.trace()
    }

    /// Tells the caller something beside the outcome of the call, whatever that will be. The caller finds it in
    /// [`InProgress::metadata`](crate::InProgress::metadata). Nobody hears of it if the call is oneway, was
    /// cancelled or is over.
    ///
    /// # Errors
    ///
    /// If the key is empty, or there is no room for the entry: 64 entries and 8192 bytes are allowed.
    pub fn answer_metadata(
        &self,
        key: impl Into<String>,
        value: impl Into<String>,
    ) -> Result<(), MetadataError> {
        self.session
            .answer_metadata(self.call, key.into(), value.into())
    }

    /// Ends when nobody waits for the call any more: its caller has cancelled it, its deadline is over, its
    /// connection is lost, or it was answered. Nobody waits for a oneway call from the beginning; there it
    /// ends with the deadline or the connection.
    ///
    /// Most handlers need not ask: they are dropped at their next await. It is for those that are not
    /// (`@uncancelled`), and for tasks and threads that they start:
    ///
    /// ```
    /// # use kaa_rpc_runtime::{Channel, Context, params};
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let (ended, mut end) = tokio::sync::mpsc::channel(1);
    /// let watch = move |cx: Context| {
    /// #   let ended = ended.clone();
    ///     async move {
    ///         let watching = tokio::spawn({
    ///             let cx = cx.clone();
    ///             async move {
    ///                 cx.cancelled().await;
    ///                 // Close the camera.
    /// #               ended.send(()).await.unwrap();
    ///             }
    ///         });
    ///         Ok(watching.await?)
    ///     }
    /// };
    /// let (_server, client) =
    ///     Channel::pair(|side| side.register_fn("watch", params([], watch)), |side| side).await?;
    /// let watching = client.rpc::<(), _>("watch", ()).start();
    /// watching.cancel();
    /// # end.recv().await.unwrap();
    /// # Ok(()) }
    /// ```
    ///
    /// **Cancel safe.**
    pub fn cancelled(&self) -> Cancelled {
        Cancelled {
            unwanted: self.session.unwanted(self.call, self.scope.deadline),
        }
    }

    /// Whether [`cancelled`](Self::cancelled) has ended: for loops that compute, in tasks or threads of their own.
    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        self.session.is_unwanted(self.call, self.scope.deadline)
    }

    /// Lets calls made inside `future` inherit deadline, depth and trace, as calls made by the handler itself
    /// do. For what a handler spawns:
    ///
    /// ```ignore
    /// tokio::spawn(cx.scope(async move { screen.confirm("Sure?").await }));
    /// ```
    pub fn scope<F: Future>(&self, future: F) -> Scoped<F> {
        Scoped {
            future,
            scope: self.scope,
            told: self.told.clone(),
        }
    }
}

/// Ends when nobody waits for a call any more; see [`Context::cancelled`].
#[must_use = "it tells when it is awaited"]
pub struct Cancelled {
    unwanted: Unwanted,
}

impl Future for Cancelled {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut task::Context<'_>) -> Poll<()> {
        self.unwanted.poll(cx)
    }
}

impl fmt::Debug for Cancelled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cancelled").finish_non_exhaustive()
    }
}

impl fmt::Debug for Context {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Context")
            .field("peer", self.session.peer())
            .field("deadline", &self.scope.deadline)
            .field("depth", &self.depth())
            .finish_non_exhaustive()
    }
}
