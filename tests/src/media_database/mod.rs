//! A media database in memory and a client of it, each for a process of its own.

mod daemon;
mod store;
mod viewer;

pub use daemon::{Daemon, serve};
pub use store::{HUNG, Store};
pub use viewer::{News, Viewer};
