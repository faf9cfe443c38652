//! A live connection: what its handles, its handlers and its driver share, under one lock.
//!
//! ```text
//!   callers ──append──►┌───────────────┐◄──append── handlers
//!                      │ State (lock)  │
//!   callers ◄──wake────└──────┬────────┘──spawn───► handlers
//!                             │ takes the output, hands in what was read
//!                          Driver ◄──► Transport
//! ```
//!
//! User code (encoding, decoding, polling, waking, dropping) never runs under the lock: whoever holds
//! it collects wakers and futures in an [`After`] and settles them when the lock is free.

mod callers;
mod driver;
mod frames;
mod inbox;
mod inputs;
mod opening;
mod parked;
mod pump;
mod request;
mod served;
mod session;
mod shared;
mod state;
mod streaming;
mod timer;
mod vigil;
mod waiting;
mod wanted;

pub(crate) use callers::earlier;
pub(crate) use driver::drive;
pub(crate) use inbox::Reader;
pub(crate) use inputs::{CallRef, InputState};
pub(crate) use opening::{Attempts, Hook, install, keep_connected};
pub(crate) use pump::pump;
pub(crate) use request::{Ended, Name, Outcome, Request, Started};
pub(crate) use served::{Responder, Running};
pub(crate) use session::Session;
pub(crate) use shared::{Setup, Shared, too_deep};
pub(crate) use wanted::Unwanted;
