//! The encoded outcome of a handler.

use std::any::Any;
use std::error::Error as StdError;
use std::panic::Location;

use kaa_rpc_proto::{Failure, FailureKind, msgpack};
use serde::Serialize;

use crate::buffers;
use crate::error::Error;
use crate::outcome::{DeclaredError, Fault, Outcome, Throws};

/// What is to be sent to the caller.
#[derive(Debug)]
pub(crate) enum Reply {
    /// The encoded result, in a buffer of the pool.
    Value(Vec<u8>),
    /// What went wrong.
    Failure(Box<Failure>),
}

impl Reply {
    pub(crate) fn failure(kind: FailureKind, message: impl Into<String>) -> Self {
        Self::Failure(Box::new(Failure::new(kind, message)))
    }

    /// Adds the function's name to the place where a fault arose.
    pub(crate) fn locate(mut self, function: &str) -> Self {
        if let Self::Failure(failure) = &mut self
            && failure.kind == FailureKind::Fault
            && let Some(place) = failure.trace.last_mut()
        {
            place.insert_str(0, &format!("{function} at "));
        }
        self
    }
}

/// Encodes what a handler gave. This runs user code: `Serialize`, `Display`, `source`.
pub(crate) fn encode<R: Serialize, E: DeclaredError>(outcome: Outcome<R, E>) -> Reply {
    match outcome {
        Ok(result) => {
            let mut buffer = buffers::take();
            match msgpack::encode(&mut buffer, &result) {
                Ok(()) => Reply::Value(buffer),
                Err(error) => unencodable("result", &error),
            }
        }
        Err(Throws::Declared(error)) => match msgpack::to_vec(&error) {
            Ok(value) => Reply::Failure(Box::new(Failure {
                name: E::NAME.to_owned(),
                value: Some(value),
                ..Failure::new(FailureKind::Declared, error.to_string())
            })),
            Err(error) => unencodable("error", &error),
        },
        Err(Throws::Fault(fault)) => Reply::Failure(Box::new(describe(&fault))),
    }
}

fn unencodable(what: &str, error: &msgpack::EncodeError) -> Reply {
    Reply::failure(
        FailureKind::Fault,
        format!("the function's {what} cannot be encoded: {error}"),
    )
}

/// A fault for the wire. One that came from a further call keeps what was said there, and its trace.
fn describe(fault: &Fault) -> Failure {
    let place = place(fault.location());
    if let Some(Error::Fault(remote)) = fault.error().downcast_ref::<Error>() {
        let mut trace = remote.trace.clone();
        trace.push(place);
        return Failure {
            name: remote.kind.clone(),
            causes: remote.causes.clone(),
            trace,
            ..Failure::new(FailureKind::Fault, remote.message.clone())
        };
    }
    let mut causes = Vec::new();
    let mut cause = fault.error().source();
    while let Some(error) = cause.filter(|_| causes.len() < kaa_rpc_proto::failure::MAX_LINES) {
        causes.push(error.to_string());
        cause = StdError::source(error);
    }
    Failure {
        name: fault.kind().to_owned(),
        causes,
        trace: vec![place],
        ..Failure::new(FailureKind::Fault, fault.to_string())
    }
}

fn place(location: &Location<'_>) -> String {
    location.to_string()
}

/// What a panic becomes for the caller.
pub(crate) fn panicked(payload: &(dyn Any + Send)) -> Reply {
    let message = payload
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| payload.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("a panic without a message");
    Reply::failure(FailureKind::Panic, message)
}
