//! Watching calls: spans that are linked over processes, and measurements. Both are interceptors.

#[cfg(feature = "metrics")]
pub(crate) mod measure;
pub(crate) mod spans;

/// The function of a call where its name is one of a bounded number; all others share a name, as callers may
/// make up any.
pub(crate) fn bounded(name: &str, known: bool) -> &str {
    if known { name } else { OTHER }
}

/// What OpenTelemetry calls a method that is not known.
const OTHER: &str = "_OTHER";
