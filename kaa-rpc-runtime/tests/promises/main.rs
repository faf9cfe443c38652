//! The promises of the runtime, as a user meets them.

#[path = "../common/mod.rs"]
mod common;

mod calls;
mod order;
mod serial;
