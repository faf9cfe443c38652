//! The functions that a side exposes.

use std::collections::HashMap;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::task::{self, Poll};

use kaa_rpc_proto::msgpack::{ArgumentError, ArgumentReader};
use serde::Serialize;

use super::hash::QuickHash;
use super::params::{ClosureParameter, Handler};
use super::reply::{self, Reply};
use crate::context::Context;
use crate::describe::{Exposed, Schema, built_in};
use crate::outcome::{DeclaredError, Outcome};
use crate::ratelimit::RateLimit;

/// A handler at work: the one allocation of a call.
pub struct BoxedHandler(Pin<Box<dyn Future<Output = Reply> + Send>>);

impl BoxedHandler {
    /// Of a handler's own future; its type ends here.
    pub(crate) fn new<R, E>(future: impl Future<Output = Outcome<R, E>> + Send + 'static) -> Self
    where
        R: Serialize + Send + 'static,
        E: DeclaredError,
    {
        Self(Box::pin(async move { reply::encode(future.await) }))
    }

    /// Of what gives the reply itself.
    pub(crate) fn of_reply(future: impl Future<Output = Reply> + Send + 'static) -> Self {
        Self(Box::pin(future))
    }

    pub(crate) fn poll(&mut self, cx: &mut task::Context<'_>) -> Poll<Reply> {
        self.0.as_mut().poll(cx)
    }
}

/// Decodes arguments and gives the handler's future.
type Run = Box<
    dyn Fn(Context, &mut ArgumentReader<'_>) -> Result<BoxedHandler, ArgumentError> + Send + Sync,
>;

/// Something that has functions to expose: what the generator makes of an interface and an object.
pub trait Service {
    /// Adds its functions.
    fn register(self, functions: &mut Functions);

    /// Runs the function of this wire name in a task of its own from the beginning, for one that computes for
    /// more than a millisecond or so before its first await: handlers are first polled where their calls are
    /// read, and all other calls of the channel wait for that. Tasks are started in the order of the calls.
    ///
    /// ```ignore
    /// use kaa_rpc_runtime::Service;
    ///
    /// Server::builder(secret).register(PlayerService::new(deck).spawned("transcode").blocking("read_tags"))
    /// ```
    ///
    /// A name that the service does not have is an error where it is registered.
    fn spawned(self, name: &'static str) -> Placed<Self>
    where
        Self: Sized,
    {
        Placed::new(self, name, Mode::Spawned)
    }

    /// Runs the function of this wire name on a thread where it may block: one of those that tokio has for
    /// that, up to 512 in a runtime by default. It is for code that waits without `await`, or computes for long.
    ///
    /// It can still await, and stops at its next await when its call is cancelled; what it does without that
    /// runs to its end, unless it asks [`Context::is_cancelled`]. Until then its call keeps its place in
    /// the window, so that a caller that cancels and calls again has no more threads than places. One that
    /// has not begun when its call is cancelled never does. A runtime that is dropped waits for those that run.
    ///
    /// A name that the service does not have is an error where it is registered.
    fn blocking(self, name: &'static str) -> Placed<Self>
    where
        Self: Sized,
    {
        Placed::new(self, name, Mode::Blocking)
    }
}

/// Where the handlers of a function run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mode {
    /// First where its call was read; in a task of its own only if it is not ready then.
    #[default]
    InPlace,
    /// In a task of its own.
    Spawned,
    /// On a thread that may be blocked.
    Blocking,
}

/// A service, one function of which runs elsewhere; see [`Service::spawned`].
#[derive(Debug)]
pub struct Placed<S> {
    service: S,
    name: &'static str,
    mode: Mode,
}

impl<S> Placed<S> {
    fn new(service: S, name: &'static str, mode: Mode) -> Self {
        Self {
            service,
            name,
            mode,
        }
    }
}

impl<S: Service> Service for Placed<S> {
    fn register(self, functions: &mut Functions) {
        let first = functions.list.len();
        self.service.register(functions);
        let name = format!("{}{}", functions.prefix, self.name);
        let mut added = functions.list.iter_mut().skip(first);
        match added.find(|registration| registration.name == name) {
            Some(registration) => registration.mode = self.mode,
            None => functions.missing = Some(name),
        }
    }
}

/// Functions on their way to being exposed.
#[derive(Debug, Default)]
pub struct Functions {
    prefix: String,
    /// Where what is added is described.
    origin: Option<Origin>,
    list: Vec<Registration>,
    /// Was to run in some way, and is not there.
    missing: Option<String>,
}

impl Functions {
    /// Adds all functions of `service`, each name after `prefix`.
    pub(crate) fn add_service(&mut self, prefix: &str, service: impl Service) {
        let before = std::mem::replace(&mut self.prefix, prefix.to_owned());
        let origin = self.origin.take();
        service.register(self);
        self.prefix = before;
        self.origin = origin;
    }

    /// Says that the functions which are added now are those of the interface `name` of `schema`.
    pub fn interface(&mut self, name: &'static str, schema: fn() -> Schema) {
        self.origin = Some(Origin { name, schema });
    }

    /// Adds a function of an object. `run` decodes the arguments, in the order of their declaration,
    /// and gives the future that does the work.
    pub fn add<T, F, Fut, R, E>(&mut self, name: &str, object: &Arc<T>, run: F) -> &mut Registration
    where
        T: Send + Sync + 'static,
        F: Fn(Arc<T>, Context, &mut ArgumentReader<'_>) -> Result<Fut, ArgumentError>
            + Send
            + Sync
            + 'static,
        Fut: Future<Output = Outcome<R, E>> + Send + 'static,
        R: Serialize + Send + 'static,
        E: DeclaredError,
    {
        let object = Arc::clone(object);
        // The type is erased here, at the innermost place: erasing it later took half as long again
        // to compile for 500 functions.
        self.insert(
            name,
            Box::new(move |cx, arguments| {
                let future = run(Arc::clone(&object), cx, arguments)?;
                Ok(BoxedHandler::new(future))
            }),
        )
    }

    /// Adds a closure.
    pub(crate) fn add_fn(&mut self, name: &str, handler: impl Handler) {
        let (parameters, mode) = (handler.parameters(), handler.mode());
        let run =
            Box::new(move |cx, arguments: &mut ArgumentReader<'_>| handler.run(cx, arguments));
        let registration = self.insert(name, run);
        registration.parameters = parameters;
        registration.mode = mode;
    }

    /// The only one.
    pub(crate) fn single(self) -> Option<Registration> {
        self.list.into_iter().next()
    }

    fn insert(&mut self, name: &str, run: Run) -> &mut Registration {
        let registration = Registration {
            name: format!("{}{name}", self.prefix),
            run,
            serial: None,
            uncancelled: false,
            prefix: self.prefix.len(),
            origin: self.origin,
            parameters: Vec::new(),
            mode: Mode::InPlace,
        };
        let last = self.list.len();
        self.list.push(registration);
        #[expect(clippy::indexing_slicing, reason = "it was pushed just now")]
        &mut self.list[last]
    }
}

/// A function that is exposed, and how it is to be run.
pub struct Registration {
    pub(crate) name: String,
    run: Run,
    /// Names the queue of a serial function; unique in the process.
    pub(crate) serial: Option<u64>,
    pub(crate) uncancelled: bool,
    pub(crate) mode: Mode,
    /// How much of the name is the prefix under which it was registered, in bytes.
    pub(crate) prefix: usize,
    pub(crate) origin: Option<Origin>,
    /// Of a closure.
    pub(crate) parameters: Vec<ClosureParameter>,
}

/// Where a function is described.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Origin {
    /// The full name of its interface.
    pub(crate) name: &'static str,
    pub(crate) schema: fn() -> Schema,
}

impl Registration {
    /// Stands for a function that is not exposed, where one must be named. It is not run.
    pub(crate) fn unknown(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            run: Box::new(|_, _| Ok(BoxedHandler::of_reply(std::future::pending()))),
            serial: None,
            uncancelled: false,
            prefix: 0,
            origin: None,
            parameters: Vec::new(),
            mode: Mode::InPlace,
        }
    }

    /// Starts only when the channel's previous call of it has ended.
    pub fn serial(&mut self) -> &mut Self {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        self.serial = Some(NEXT.fetch_add(1, Ordering::Relaxed));
        self
    }

    /// Runs to its end, whatever its caller does.
    pub fn uncancelled(&mut self) -> &mut Self {
        self.uncancelled = true;
        self
    }

    pub(crate) fn run(
        &self,
        cx: Context,
        arguments: &mut ArgumentReader<'_>,
    ) -> Result<BoxedHandler, ArgumentError> {
        let future = (self.run)(cx, arguments)?;
        arguments.finish()?;
        Ok(future)
    }
}

impl fmt::Debug for Registration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Registration")
            .field("name", &self.name)
            .field("serial", &self.serial.is_some())
            .field("uncancelled", &self.uncancelled)
            .finish_non_exhaustive()
    }
}

/// Two functions of one name were to be exposed, or one whose name cannot be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RegisterError {
    /// The wire name.
    pub name: String,
    what: &'static str,
}

impl fmt::Display for RegisterError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "the function `{}` cannot be exposed: {}",
            self.name, self.what
        )
    }
}

impl std::error::Error for RegisterError {}

/// Functions by name.
pub(crate) type Table = HashMap<String, Arc<Registration>, QuickHash>;

/// What a side exposes. Readers keep the table that they got; a change makes a new one.
#[derive(Debug, Default)]
pub(crate) struct Registry {
    table: RwLock<Arc<Table>>,
    /// Whether it answers what it exposes.
    introspection: bool,
    /// What it answered last, and the version of the table that this is of.
    described: Mutex<Option<(u64, Arc<Exposed>)>>,
    /// Changes with the table, so that drivers need not lock to see that nothing did.
    version: AtomicU64,
    /// The log of oneway calls that failed, on all channels: whoever calls can bring that about.
    pub(crate) oneway_failed: RateLimit,
    /// The log of handlers that keep their channels waiting.
    pub(crate) slow: RateLimit,
}

impl Registry {
    pub(crate) fn new(functions: Functions, introspection: bool) -> Result<Self, RegisterError> {
        let registry = Self {
            introspection,
            ..Self::default()
        };
        registry.register(functions)?;
        Ok(registry)
    }

    pub(crate) fn version(&self) -> u64 {
        self.version.load(Ordering::Acquire)
    }

    pub(crate) fn table(&self) -> Arc<Table> {
        Arc::clone(&self.table.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// The runtime's own function of that name, unless they are switched off.
    pub(crate) fn built_in(&self, name: &str) -> Option<Arc<Registration>> {
        match self.introspection {
            true => built_in(name),
            false => None,
        }
    }

    /// What it exposes, in words. Nothing is made of it before somebody asks.
    pub(crate) fn described(&self) -> Arc<Exposed> {
        // A change after this makes it older than it is, so that it is made anew.
        let version = self.version();
        let lock = || {
            self.described
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
        };
        if let Some((of, described)) = &*lock()
            && *of == version
        {
            return Arc::clone(described);
        }
        let described = Arc::new(Exposed::new(&self.table()));
        *lock() = Some((version, Arc::clone(&described)));
        described
    }

    /// Adds all of `functions` or, on an error, none.
    pub(crate) fn register(&self, functions: Functions) -> Result<(), RegisterError> {
        if let Some(name) = functions.missing {
            let what =
                "its service has no function of this name, so it cannot be `spawned` or `blocking`";
            return Err(RegisterError { name, what });
        }
        self.change(|table| {
            for registration in functions.list {
                let name = registration.name.clone();
                let fail = |what| {
                    Err(RegisterError {
                        name: name.clone(),
                        what,
                    })
                };
                if name.is_empty() || name.len() > kaa_rpc_proto::frame::MAX_NAME {
                    return fail("a name is 1 to 255 bytes long");
                }
                if name.starts_with("kaa.") {
                    return fail("names that begin with `kaa.` are reserved");
                }
                if table.contains_key(&name) {
                    return fail("a function of this name is exposed already");
                }
                table.insert(name, Arc::new(registration));
            }
            Ok(())
        })
    }

    /// Takes functions away; gives how many there were. Calls that run go on.
    pub(crate) fn unregister(&self, matches: impl Fn(&str) -> bool) -> usize {
        let mut removed = 0;
        let _ = self.change(|table| {
            let before = table.len();
            table.retain(|name, _| !matches(name));
            removed = before - table.len();
            Ok(())
        });
        removed
    }

    fn change(
        &self,
        change: impl FnOnce(&mut Table) -> Result<(), RegisterError>,
    ) -> Result<(), RegisterError> {
        let mut current = self.table.write().unwrap_or_else(PoisonError::into_inner);
        let mut table = Table::clone(&current);
        change(&mut table)?;
        let old = std::mem::replace(&mut *current, Arc::new(table));
        self.version.fetch_add(1, Ordering::Release);
        drop(current);
        // Not under the lock: with the last table, objects of users may go.
        drop(old);
        Ok(())
    }
}

/// For longer names nobody guesses which one is meant. In bytes.
const MAX_GUESSED: usize = 64;

/// The exposed name that is closest to `name`, if one is close.
pub(crate) fn closest<'a>(table: &'a Table, name: &str) -> Option<&'a str> {
    // Each unknown call asks, so that the work must be small whatever is asked for.
    if name.len() > MAX_GUESSED {
        return None;
    }
    let limit = (name.chars().count() / 3 + 1).min(3);
    table
        .keys()
        .map(|candidate| (distance(candidate, name, limit), candidate.as_str()))
        .filter(|(distance, _)| *distance <= limit)
        .min()
        .map(|(_, candidate)| candidate)
}

/// The Levenshtein distance, or more than `limit` where the lengths alone say so.
/// Names are at most 255 bytes, so the table is small.
fn distance(a: &str, b: &str, limit: usize) -> usize {
    if a.chars().count().abs_diff(b.chars().count()) > limit {
        return limit + 1;
    }
    let mut row: Vec<usize> = (0..=b.chars().count()).collect();
    for (i, left) in a.chars().enumerate() {
        let mut diagonal = i;
        let mut before = i + 1;
        for (right, place) in b.chars().zip(row.iter_mut().skip(1)) {
            let substituted = diagonal + usize::from(left != right);
            diagonal = *place;
            before = substituted.min(before + 1).min(diagonal + 1);
            *place = before;
        }
        if let Some(first) = row.first_mut() {
            *first = i + 1;
        }
    }
    row.last().copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_distance_counts_edits() {
        for (a, b, expected) in [
            ("", "", 0),
            ("play", "play", 0),
            ("play", "plya", 2),
            ("play", "pla", 1),
            ("kitten", "sitting", 3),
        ] {
            assert_eq!(distance(a, b, 9), expected, "{a} {b}");
            assert_eq!(distance(b, a, 9), expected, "{b} {a}");
        }
    }
}
