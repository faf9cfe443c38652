//! Clients without async: plain threads that block.

#[path = "../common/mod.rs"]
mod common;

mod calls;
mod items;
mod misuse;
mod processes;
mod threads;
mod turns;
mod world;
