//! Measurements through the facade `metrics`: whoever wants them installs a recorder.
//! Names and labels are in the documentation of `measure_calls`.

use std::time::Instant;

use metrics::{SharedString, counter, gauge, histogram};

use super::bounded;
use crate::call::{CallEnd, MadeCall, MadeNext};
use crate::open::ConnectError;
use crate::serve::intercept::{Answer, ServedCall, ServedNext};

/// The names for one end.
struct Names {
    duration: &'static str,
    calls: &'static str,
    in_flight: &'static str,
    arguments: &'static str,
    outcomes: &'static str,
}

static SERVER: Names = Names {
    duration: "rpc.server.call.duration",
    calls: "kaa.server.calls",
    in_flight: "kaa.server.calls_in_flight",
    arguments: "kaa.server.received_bytes",
    outcomes: "kaa.server.sent_bytes",
};

static CLIENT: Names = Names {
    duration: "rpc.client.call.duration",
    calls: "kaa.client.calls",
    in_flight: "kaa.client.calls_in_flight",
    arguments: "kaa.client.sent_bytes",
    outcomes: "kaa.client.received_bytes",
};

/// A call that is measured. One that is dropped before its end was cancelled, or its time was over.
struct Measured {
    names: &'static Names,
    function: SharedString,
    began: Instant,
    code: &'static str,
    bytes: usize,
}

impl Measured {
    fn begin(names: &'static Names, function: &str, arguments: usize) -> Self {
        let function = SharedString::from(function.to_owned());
        gauge!(names.in_flight).increment(1.0);
        counter!(names.arguments, "rpc.method" => function.clone()).increment(arguments as u64);
        Self {
            names,
            function,
            began: Instant::now(),
            code: "cancelled",
            bytes: 0,
        }
    }

    fn end(mut self, code: &'static str, bytes: usize) {
        (self.code, self.bytes) = (code, bytes);
    }
}

impl Drop for Measured {
    fn drop(&mut self) {
        let Self { names, code, .. } = *self;
        let function = || self.function.clone();
        gauge!(names.in_flight).decrement(1.0);
        counter!(names.outcomes, "rpc.method" => function()).increment(self.bytes as u64);
        counter!(names.calls, "rpc.method" => function(), "rpc.response.status_code" => code)
            .increment(1);
        histogram!(names.duration, "rpc.method" => function(), "rpc.response.status_code" => code)
            .record(self.began.elapsed().as_secs_f64());
    }
}

/// Around a served call.
pub(crate) async fn served(call: ServedCall, next: ServedNext) -> Answer {
    let function = bounded(call.name(), call.is_known());
    let measured = Measured::begin(&SERVER, function, call.arguments().len());
    let answer = next.run(call).await;
    measured.end(answer.code(), answer.size());
    answer
}

/// Around a call that is made.
pub(crate) async fn made(call: MadeCall, next: MadeNext) -> CallEnd {
    let function = bounded(call.name(), call.is_declared());
    let measured = Measured::begin(&CLIENT, function, call.size());
    let end = next.run(call).await;
    measured.end(end.code(), end.size());
    end
}

/// A connection that is open.
pub(crate) struct Open;

impl Open {
    pub(crate) fn new() -> Self {
        gauge!("kaa.channels").increment(1.0);
        Self
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        gauge!("kaa.channels").decrement(1.0);
    }
}

/// A connection that became no channel.
pub(crate) fn rejected(error: &ConnectError) {
    let reason = match error {
        ConnectError::Handshake(_) | ConnectError::Binding(_) => "handshake",
        ConnectError::TimedOut(_) => "timed_out",
        ConnectError::Crowded { .. } => "crowded",
        ConnectError::TooManyChannels { .. } => "too_many_channels",
        ConnectError::Revoked { .. } => "revoked",
        ConnectError::User { .. } => "user",
        ConnectError::Closing => "closing",
        ConnectError::Io(_) => "io",
        _ => "other",
    };
    counter!("kaa.rejected", "reason" => reason).increment(1);
}
