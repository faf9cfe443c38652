//! The promises of the runtime, as a user meets them.

#[path = "../common/mod.rs"]
mod common;

mod calls;
mod cancellation;
mod deadlines;
mod order;
mod reentrancy;
mod serial;
