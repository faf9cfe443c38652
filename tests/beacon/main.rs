//! The media database: a daemon and its clients, each a process of its own, over a Unix socket.

mod setup;

mod clients;
mod daemon_by_name;
mod daemon_typed;
mod lifetimes;
