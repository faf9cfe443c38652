//! A span of `tracing` for each call, at both ends, in one trace.
//!
//! The fields are those of OpenTelemetry's semantic conventions for RPC, and the `otel.…` ones that its layer for
//! `tracing` reads.

use tracing::field::Empty;
use tracing::{Instrument, Span};

use super::bounded;
use crate::call::{CallEnd, MadeCall, MadeNext};
use crate::serve::intercept::{Answer, ServedCall, ServedNext};
use crate::trace::TraceContext;

/// The span of a call, which belongs to `trace`.
macro_rules! call_span {
    ($kind:literal, $function:expr, $trace:expr, $parent:expr) => {{
        let (function, trace) = ($function, &$trace);
        let span = tracing::info_span!(
            "call",
            "otel.name" = function,
            "otel.kind" = $kind,
            "otel.status_code" = Empty,
            "rpc.system.name" = "kaa",
            "rpc.method" = function,
            "rpc.response.status_code" = Empty,
            "error.type" = Empty,
            trace_id = trace.trace_id(),
            span_id = trace.span_id(),
            parent_span_id = Empty,
        );
        if let Some(parent) = $parent {
            let parent: &TraceContext = parent;
            span.record("parent_span_id", parent.span_id());
        }
        span
    }};
}

/// Around a served call: a step of the trace that came with it, or of a new one.
pub(crate) async fn served(call: ServedCall, next: ServedNext) -> Answer {
    let parent = call.context().trace().cloned();
    let trace = parent
        .as_ref()
        .map_or_else(TraceContext::root, TraceContext::child);
    let function = bounded(call.name(), call.is_known());
    let span = call_span!("server", function, trace, parent.as_ref());
    let answer = next.run_in(trace, call).instrument(span.clone()).await;
    end(&span, answer.code());
    answer
}

/// Around a call that is made: a step of the trace of the handler that makes it, or of a new one.
pub(crate) async fn made(mut call: MadeCall, next: MadeNext) -> CallEnd {
    let along = TraceContext::of(call.metadata());
    let (parent, trace) = match (call.parent().cloned(), along) {
        // The step was begun when the call was made.
        (Some(parent), Some(trace)) if trace.trace_id() == parent.trace_id() => {
            (Some(parent), trace)
        }
        // The user wants the call to belong to this one.
        (_, Some(parent)) => {
            let trace = parent.child();
            (Some(parent), trace)
        }
        (parent, None) => {
            let trace = parent
                .as_ref()
                .map_or_else(TraceContext::root, TraceContext::child);
            (parent, trace)
        }
    };
    let span = call_span!("client", call.name(), trace, parent.as_ref());
    if let Err(error) = trace.send_along(call.metadata_mut()) {
        tracing::debug!(%error, "a call goes on without its trace");
    }
    let ended = next.run(call).instrument(span.clone()).await;
    end(&span, ended.code());
    ended
}

fn end(span: &Span, code: &'static str) {
    span.record("rpc.response.status_code", code);
    if code != "ok" {
        span.record("error.type", code);
        span.record("otel.status_code", "ERROR");
    }
}
