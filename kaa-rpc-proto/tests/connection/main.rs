//! The state of an open connection: two honest ends under any schedule, and one end against a peer
//! that keeps to nothing.

mod abandon;
mod anything;
mod closing;
mod document;
mod driver;
mod flow;
mod hostile;
mod hostile_items;
mod metadata;
mod model;
mod output;
mod pair;
mod schedules;
mod simulation;
mod streams;
mod windows;
