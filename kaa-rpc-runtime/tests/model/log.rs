//! What became of each call, as its caller, its function and its streams have seen it themselves.

use std::sync::{Mutex, MutexGuard};
use std::time::Duration;

use kaa_rpc_runtime::{Error, TakeError};
use tokio::time::Instant;

use crate::schedule::Call;

/// Names a call in the log, and is its first argument.
pub(crate) type Token = usize;

pub(crate) struct Log(Mutex<Inner>);

#[derive(Default)]
pub(crate) struct Inner {
    /// What a pause of one is.
    pub(crate) tick: Duration,
    pub(crate) entries: Vec<Entry>,
    /// The calls in the order in which an end made them, outside of functions.
    pub(crate) made: [Vec<Token>; 2],
    /// The calls in the order in which an end began to run them.
    pub(crate) begun: [Vec<Token>; 2],
    /// What somebody saw and must not be.
    pub(crate) objections: Vec<String>,
    /// How many calls of each serial function run at an end.
    pub(crate) serial: [[u32; 3]; 2],
}

pub(crate) struct Entry {
    pub(crate) plan: Call,
    pub(crate) caller: usize,
    /// The call in whose function it was made.
    pub(crate) outer: Option<Token>,
    pub(crate) made: Instant,
    pub(crate) told: Vec<Told>,
    /// When it was told.
    pub(crate) told_at: Instant,
    /// How many items its caller has got.
    pub(crate) taken: usize,
    /// The caller was told that there are no more.
    pub(crate) all_taken: bool,
    /// The caller takes no items, or no more.
    pub(crate) ignores: bool,
    /// The handle was dropped before an outcome: nothing is told any more.
    pub(crate) gave_up: bool,
    pub(crate) detached: bool,
    pub(crate) runs: u32,
    pub(crate) run: Option<Run>,
    /// How many items its function has given.
    pub(crate) given: usize,
    pub(crate) inputs: [Input; 2],
}

#[derive(Debug)]
pub(crate) enum Told {
    Value(usize),
    /// Of a oneway call.
    Sent,
    Failed(Error),
}

/// How a function ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Run {
    Returned,
    Failed,
    Panicked,
    Dropped,
}

/// A stream of a call.
#[derive(Default)]
pub(crate) struct Input {
    /// How many items its source has given.
    pub(crate) made: usize,
    /// The source has said that this was all; or has broken off.
    pub(crate) complete: bool,
    pub(crate) broken: bool,
    /// How many items the function has got.
    pub(crate) taken: usize,
    pub(crate) end: Option<Result<(), TakeError>>,
}

impl Log {
    pub(crate) fn new(tick: Duration) -> Self {
        let inner = Inner {
            tick,
            ..Inner::default()
        };
        Self(Mutex::new(inner))
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap()
    }

    /// A call is about to be made.
    pub(crate) fn add(&self, plan: Call, caller: usize, outer: Option<Token>) -> Token {
        let mut inner = self.lock();
        let token = inner.entries.len();
        if outer.is_none() {
            inner.made[caller].push(token);
        }
        inner.entries.push(Entry {
            plan,
            caller,
            outer,
            made: Instant::now(),
            told: Vec::new(),
            told_at: Instant::now(),
            taken: 0,
            all_taken: false,
            ignores: false,
            gave_up: false,
            detached: false,
            runs: 0,
            run: None,
            given: 0,
            inputs: Default::default(),
        });
        token
    }

    pub(crate) fn with<T>(&self, token: Token, change: impl FnOnce(&mut Entry) -> T) -> T {
        change(&mut self.lock().entries[token])
    }

    pub(crate) fn object(&self, objection: String) {
        self.lock().objections.push(objection);
    }

    pub(crate) fn tell(&self, token: Token, told: Told) {
        self.with(token, |entry| {
            entry.told.push(told);
            entry.told_at = Instant::now();
        });
    }
}
