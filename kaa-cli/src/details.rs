//! What `--json-errors` tells of a call that failed.

use kaa_rpc_runtime::{Error, Value};

/// The kind of the failure, and what belongs to it besides its message.
pub(crate) fn details(error: &Error) -> (&'static str, Vec<(&'static str, Value)>) {
    match error {
        Error::Raised(raised) => (
            "declared",
            vec![
                ("name", raised.name.as_str().into()),
                ("value", raised.value.clone()),
            ],
        ),
        Error::Fault(fault) => (
            if fault.is_panic() { "panic" } else { "fault" },
            vec![
                ("kind", fault.kind.as_str().into()),
                ("causes", fault.causes.clone().into()),
                ("trace", fault.trace.clone().into()),
            ],
        ),
        Error::BadArguments(bad) => (
            "bad_arguments",
            vec![
                ("parameter", bad.parameter.as_str().into()),
                ("expected", bad.expected.as_str().into()),
                ("got", bad.got.as_str().into()),
            ],
        ),
        Error::UnknownFunction(unknown) => (
            "unknown_function",
            vec![("closest", unknown.closest.as_str().into())],
        ),
        Error::Refused { .. } => ("refused", Vec::new()),
        Error::TimedOut { .. } => ("timed_out", Vec::new()),
        Error::Cancelled => ("cancelled", Vec::new()),
        Error::ConnectionLost(_) => ("connection_lost", Vec::new()),
        Error::NotConnected(_) => ("not_connected", Vec::new()),
        _ => ("failed", Vec::new()),
    }
}
