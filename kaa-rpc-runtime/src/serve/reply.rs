//! The encoded outcome of a handler.

use std::any::Any;
use std::error::Error as StdError;
use std::panic::{AssertUnwindSafe, Location, catch_unwind};

use kaa_rpc_proto::msgpack::{self, Encoded, Shape};
use kaa_rpc_proto::{Failure, FailureKind, MetadataError};
use serde::Serialize;

use crate::buffers;
use crate::error::Error;
use crate::outcome::{DeclaredError, Fault, Outcome, Throws};

/// What is to be sent to the caller.
#[derive(Debug)]
pub(crate) enum Reply {
    /// The encoded result, in a buffer of the pool.
    Value(Encoded, Shape),
    /// What went wrong.
    Failure(Box<Failure>),
}

impl Reply {
    pub(crate) fn failure(kind: FailureKind, message: impl Into<String>) -> Self {
        Self::Failure(Box::new(Failure::new(kind, message)))
    }

    pub(crate) fn timed_out(function: &str) -> Self {
        Self::Failure(Box::new(Failure {
            name: function.to_owned(),
            ..Failure::new(FailureKind::TimedOut, "the time for the call was over")
        }))
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
            let mut value = Encoded::new(buffers::take());
            match value.value(&result) {
                Ok(shape) => Reply::Value(value, shape),
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
        // What came along is not as the handler must expect it.
        Err(Throws::Fault(fault))
            if matches!(fault.error().downcast_ref(), Some(MetadataError::Malformed)) =>
        {
            Reply::failure(FailureKind::BadArguments, fault.to_string())
        }
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
    let chain = chain(fault.error());
    if let Some(Error::Fault(remote)) = chain.first().and_then(|first| first.1) {
        let mut trace = remote.trace.clone();
        trace.push(place);
        return Failure {
            name: remote.kind.clone(),
            causes: remote.causes.clone(),
            trace,
            ..Failure::new(FailureKind::Fault, remote.message.clone())
        };
    }
    let mut texts = chain.into_iter().map(|(text, _)| text);
    let message = texts.next().unwrap_or_default();
    Failure {
        name: fault.kind().to_owned(),
        causes: texts.collect(),
        trace: vec![place],
        ..Failure::new(FailureKind::Fault, message)
    }
}

/// What an error and its causes say, and which of them are failed calls. An error that says the same
/// as its cause, as [`crate::CallError`] does, counts as one with it.
fn chain<'a>(error: &'a (dyn StdError + 'static)) -> Vec<(String, Option<&'a Error>)> {
    let mut chain: Vec<(String, Option<&'a Error>)> = Vec::new();
    let mut next = Some(error);
    for _ in 0..=kaa_rpc_proto::failure::MAX_LINES {
        let Some(error) = next else { break };
        let (text, call) = (error.to_string(), error.downcast_ref());
        match chain.last_mut() {
            Some(last) if last.0 == text => last.1 = last.1.or(call),
            _ => chain.push((text, call)),
        }
        next = error.source();
    }
    chain
}

fn place(location: &Location<'_>) -> String {
    location.to_string()
}

/// What a panic becomes for the caller.
pub(crate) fn panicked(payload: Box<dyn Any + Send>) -> Reply {
    let message = payload
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| payload.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("a panic without a message");
    let reply = Reply::failure(FailureKind::Panic, message);
    drop_quietly(payload);
    reply
}

/// Drops user data whose destructor may panic.
pub(crate) fn drop_quietly<T>(data: T) {
    if let Err(payload) = catch_unwind(AssertUnwindSafe(|| drop(data))) {
        // What a destructor panics with may have one that panics, too.
        std::mem::forget(payload);
    }
}
