//! The promises of the runtime, as a user meets them.

#[path = "../common/mod.rs"]
mod common;

mod attached;
mod beginning;
mod calls;
mod cancellation;
mod clock;
mod corners;
mod deadlines;
mod elsewhere;
mod faults;
mod identity;
mod order;
mod owners;
mod panics;
mod reentrancy;
mod secrets;
mod serial;
mod shutdown;
mod sizes;
mod starting;
mod streams;
mod wanted;
mod yields;
