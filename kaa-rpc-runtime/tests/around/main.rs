//! What goes around calls: metadata, traces, interceptors, and what watches them.

mod metadata;
mod traces;
