//! What a handler knows about its call.

use std::fmt;
use std::sync::Arc;

use kaa_rpc_proto::msgpack::{ArgumentError, ArgumentReader};
use serde::Serialize;
use tokio::time::Instant;

use crate::channel::Channel;
use crate::connection::{CallRef, Session};
use crate::items::{Items, Yielder};
use crate::peer::Peer;
use crate::scope::{Scope, Scoped};

/// What a handler knows about its call: the channel it came from, and its deadline.
///
/// Cheap to clone; a clone can go into a task.
#[derive(Clone)]
pub struct Context {
    session: Arc<Session>,
    scope: Scope,
    call: CallRef,
}

impl Context {
    pub(crate) fn new(session: Arc<Session>, scope: Scope, call: CallRef) -> Self {
        Self {
            session,
            scope,
            call,
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

    /// The channel that the call came from: call back whoever called, or keep it to call later.
    ///
    /// ```ignore
    /// ScreenClient::new(&cx.channel()).confirm("Delete it?").await?
    /// ```
    #[must_use]
    pub fn channel(&self) -> Channel {
        Channel::from_shared(Arc::clone(self.session.shared()))
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

    /// Lets calls made inside `future` inherit deadline and depth, as calls made by the handler itself
    /// do. For what a handler spawns:
    ///
    /// ```ignore
    /// tokio::spawn(cx.scope(async move { screen.confirm("Sure?").await }));
    /// ```
    pub fn scope<F: Future>(&self, future: F) -> Scoped<F> {
        Scoped {
            future,
            scope: self.scope,
        }
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
