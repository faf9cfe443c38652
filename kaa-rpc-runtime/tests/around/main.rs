//! What goes around calls: metadata, traces, interceptors, and what watches them.

mod made;
mod metadata;
mod served;
mod traces;
