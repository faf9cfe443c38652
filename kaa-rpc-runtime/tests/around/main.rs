//! What goes around calls: metadata, traces, interceptors, and what watches them.

mod made;
#[cfg(feature = "metrics")]
mod measurements;
mod metadata;
mod served;
mod spans;
mod traces;
