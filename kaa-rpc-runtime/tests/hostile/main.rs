//! Peers that know the secret and mean no good, or have lost their minds.
//!
//! Each test is named after its line in the list of hostile inputs, and shows that an honest client is
//! served all the while.

#[path = "../common/mod.rs"]
mod common;

mod calls;
mod flow;
mod framing;
mod items;
mod opening;
mod patience;
mod payloads;
mod stage;
