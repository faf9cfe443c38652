//! How a call fails, for its caller.

use std::error::Error as StdError;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use kaa_rpc_proto::{Failure, FailureKind};

use crate::Value;
use crate::close::CloseReason;
use crate::outcome::{DeclaredError, Throws};
use crate::text::Escaped;

/// Why a call that declares no errors failed. The variants say whose fault it is.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Error {
    /// The call was never sent: the connection is closed, or could not be opened. It did not run.
    NotConnected(Arc<CloseReason>),
    /// The connection was lost after the call was sent and before it was answered. It may have run.
    ConnectionLost(Arc<CloseReason>),
    /// No outcome came in time. It may have run, or may still be stopped.
    TimedOut {
        /// The function's wire name, or empty where it is not known any more.
        function: String,
        /// The time that was given.
        after: Option<Duration>,
        /// Whether it was sent; if not, it did not run and never will.
        sent: bool,
    },
    /// The other end stopped the function before it ended.
    Cancelled,
    /// The function failed in a way that its schema does not name.
    Fault(Box<RemoteFault>),
    /// The function failed with a declared error that this caller does not know.
    Raised(Box<RemoteError>),
    /// The arguments do not fit the function.
    BadArguments(Box<BadArguments>),
    /// The other end exposes no such function.
    UnknownFunction(Box<UnknownFunction>),
    /// The result is not of the type that was expected.
    BadResult(Box<BadResult>),
    /// The arguments could not be encoded. Nothing was sent.
    Unencodable(String),
    /// A call inside a handler found the window full, and waiting there could wait forever. Nothing
    /// was sent.
    WindowFull {
        /// How many calls the other end accepts at once (its `max_calls`).
        window: u32,
    },
    /// A call inside a handler found as many bytes of calls in flight as the other end accepts, and
    /// waiting there could wait forever. Nothing was sent.
    RequestBytesFull {
        /// How many bytes the calls in flight may have together (its `max_request_bytes`).
        max_request_bytes: u64,
    },
    /// Too many detached calls wait for room already. Nothing was sent.
    TooManyDetached {
        /// How many, or how many bytes, and the limit.
        message: String,
    },
    /// The other end does not let this one have the function, or not now. It did not run.
    Refused {
        /// What the other end said.
        message: String,
    },
    /// Too many calls stand around this one: each a handler that calls back.
    TooDeep {
        /// What the other end said.
        message: String,
    },
    /// The arguments or the result are larger than the receiver accepts.
    TooLarge {
        /// What is too large, and the limit.
        message: String,
        /// Whether the call was sent: then it ran, and its result is what was too large.
        sent: bool,
    },
}

impl Error {
    /// A short name of the sort of failure: its kind as the protocol names it, such as `fault`, or what happened
    /// at this end, such as `not_connected`. For logs and measurements.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::NotConnected(_) => "not_connected",
            Self::ConnectionLost(_) => "connection_lost",
            Self::TimedOut { .. } => "timed_out",
            Self::Cancelled => "cancelled",
            Self::Fault(fault) if fault.is_panic() => "panic",
            Self::Fault(_) => "fault",
            Self::Raised(_) => "declared",
            Self::BadArguments(_) => "bad_arguments",
            Self::UnknownFunction(_) => "unknown_function",
            Self::BadResult(_) => "bad_result",
            Self::Unencodable(_) => "unencodable",
            Self::WindowFull { .. } | Self::RequestBytesFull { .. } => "no_room",
            Self::TooManyDetached { .. } => "too_many_detached",
            Self::Refused { .. } => "refused",
            Self::TooDeep { .. } => "too_deep",
            Self::TooLarge { .. } => "too_large",
        }
    }

    /// Whether it is certain that the call did not run: nothing of it was sent, or it was refused.
    ///
    /// Of a call that was sent several times ([`Retry::resend`](crate::Retry::resend)) and refused, this
    /// is told of the last time.
    #[must_use]
    pub fn never_ran(&self) -> bool {
        matches!(
            self,
            Self::NotConnected(_)
                | Self::BadArguments(_)
                | Self::UnknownFunction(_)
                | Self::Unencodable(_)
                | Self::WindowFull { .. }
                | Self::RequestBytesFull { .. }
                | Self::TooManyDetached { .. }
                | Self::Refused { .. }
                | Self::TooDeep { .. }
                | Self::TimedOut { sent: false, .. }
                | Self::TooLarge { sent: false, .. }
        )
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotConnected(reason) => {
                write!(f, "not connected, so the call was not sent: {reason}")
            }
            Self::ConnectionLost(reason) => {
                write!(
                    f,
                    "the connection was lost before the answer, so the call may have run: {reason}"
                )
            }
            Self::TimedOut {
                function, after, ..
            } => {
                f.write_str("timed out")?;
                if let Some(after) = after {
                    write!(f, " after {after:?}")?;
                }
                if !function.is_empty() {
                    write!(f, " calling `{}`", Escaped(function))?;
                }
                Ok(())
            }
            Self::Cancelled => f.write_str("the other end stopped the function before it ended"),
            Self::Fault(fault) => fault.fmt(f),
            Self::Raised(error) => error.fmt(f),
            Self::BadArguments(bad) => bad.fmt(f),
            Self::UnknownFunction(unknown) => unknown.fmt(f),
            Self::BadResult(bad) => bad.fmt(f),
            Self::Unencodable(what) => write!(f, "the arguments cannot be encoded: {what}"),
            Self::WindowFull { window } => write!(
                f,
                "{window} calls are in flight, as many as the other end accepts (max_calls), \
                 and a call made inside a handler does not wait"
            ),
            Self::RequestBytesFull { max_request_bytes } => write!(
                f,
                "the calls in flight leave no room for this one in the {max_request_bytes} bytes that \
                 the other end accepts (max_request_bytes), and a call made inside a handler does not wait"
            ),
            Self::Refused { message } => write!(f, "refused: {}", Escaped(message)),
            Self::TooDeep { message }
            | Self::TooManyDetached { message }
            | Self::TooLarge { message, .. } => Escaped(message).fmt(f),
        }
    }
}

impl StdError for Error {}

/// A function of the other end failed in a way that its schema does not name, or panicked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RemoteFault {
    /// The type of the error at the other end, such as `std::io::error::Error`; `panic` for a panic.
    pub kind: String,
    /// What it says.
    pub message: String,
    /// What caused it, outermost first.
    pub causes: Vec<String>,
    /// The places that it passed at the other end, innermost first: `play at src/deck.rs:41:20`.
    pub trace: Vec<String>,
}

impl RemoteFault {
    /// Whether the function panicked.
    #[must_use]
    pub fn is_panic(&self) -> bool {
        self.kind == PANIC
    }
}

const PANIC: &str = "panic";

impl fmt::Display for RemoteFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = if self.is_panic() {
            "panicked"
        } else {
            "failed"
        };
        write!(
            f,
            "the function {what} at the other end: {}",
            Escaped(&self.message)
        )?;
        for cause in &self.causes {
            write!(f, ": {}", Escaped(cause))?;
        }
        for place in &self.trace {
            write!(f, "\n    in {}", Escaped(place))?;
        }
        Ok(())
    }
}

/// A declared error that the caller's schema does not name for this function, or of a dynamic call.
#[derive(Clone, Debug, PartialEq)]
pub struct RemoteError {
    /// The error's qualified name, such as `media.player.PlayError`.
    pub name: String,
    /// As the other end rendered it.
    pub message: String,
    /// The error as an enum: a name, or a map from the name to the fields.
    pub value: Value,
}

impl fmt::Display for RemoteError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", Escaped(&self.message), Escaped(&self.name))
    }
}

/// Which argument does not fit, and how.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BadArguments {
    /// The parameter; empty if the trouble is with none in particular.
    pub parameter: String,
    /// What the function expects.
    pub expected: String,
    /// What came.
    pub got: String,
    /// All of it in a sentence.
    pub message: String,
}

impl fmt::Display for BadArguments {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "bad arguments: {}", Escaped(&self.message))
    }
}

/// The other end exposes no function of this name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnknownFunction {
    /// The closest name that it does expose, or empty.
    pub closest: String,
    /// All of it in a sentence.
    pub message: String,
}

impl fmt::Display for UnknownFunction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Escaped(&self.message).fmt(f)
    }
}

/// The function ended well, but its result is of another type than the caller expects.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BadResult {
    /// Where in the result, what was expected and what came.
    pub message: String,
}

impl fmt::Display for BadResult {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "the result is not of the expected type: {}",
            Escaped(&self.message)
        )
    }
}

/// Why a call of a function that declares an error failed.
#[derive(Clone, Debug)]
pub enum CallError<E> {
    /// The error that the schema names.
    Declared(E),
    /// Any other failure.
    Failed(Error),
}

impl<E> CallError<E> {
    /// Hands the failure on from inside a handler: a declared error stays one, anything else
    /// becomes a fault.
    ///
    /// ```ignore
    /// player.play(7).await.map_err(CallError::rethrow)?;
    /// ```
    #[track_caller]
    pub fn rethrow(self) -> Throws<E> {
        match self {
            Self::Declared(error) => Throws::Declared(error),
            Self::Failed(error) => Throws::from_call(error),
        }
    }
}

impl<E> From<Error> for CallError<E> {
    fn from(error: Error) -> Self {
        Self::Failed(error)
    }
}

impl<E: fmt::Display> fmt::Display for CallError<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Declared(error) => error.fmt(f),
            Self::Failed(error) => error.fmt(f),
        }
    }
}

impl<E: StdError + 'static> StdError for CallError<E> {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        match self {
            Self::Declared(error) => error.source(),
            Self::Failed(error) => Some(error),
        }
    }
}

/// What a call can fail with: [`Error`], or [`CallError`] of a declared one.
pub trait FromFailure: Sized + 'static {
    /// Of what the other end said.
    fn from_failure(failure: Failure) -> Self;
    /// Of what happened at this end.
    fn from_error(error: Error) -> Self;
}

impl FromFailure for Error {
    fn from_failure(failure: Failure) -> Self {
        let Failure {
            kind,
            message,
            name,
            value,
            causes,
            trace,
            parameter,
            expected,
            got,
        } = failure;
        match kind {
            FailureKind::Fault => Self::Fault(Box::new(RemoteFault {
                kind: name,
                message,
                causes,
                trace,
            })),
            FailureKind::Panic => Self::Fault(Box::new(RemoteFault {
                kind: PANIC.to_owned(),
                message,
                causes,
                trace,
            })),
            FailureKind::Declared => {
                let value = value.and_then(|bytes| kaa_rpc_proto::msgpack::from_slice(&bytes).ok());
                Self::Raised(Box::new(RemoteError {
                    name,
                    message,
                    value: value.unwrap_or_default(),
                }))
            }
            FailureKind::Cancelled => Self::Cancelled,
            FailureKind::TimedOut => Self::TimedOut {
                function: name,
                after: None,
                sent: true,
            },
            FailureKind::BadArguments => Self::BadArguments(Box::new(BadArguments {
                parameter,
                expected,
                got,
                message,
            })),
            FailureKind::UnknownFunction => Self::UnknownFunction(Box::new(UnknownFunction {
                closest: name,
                message,
            })),
            FailureKind::Refused => Self::Refused { message },
            FailureKind::TooDeep => Self::TooDeep { message },
            FailureKind::TooLarge => Self::TooLarge {
                message,
                sent: true,
            },
        }
    }

    fn from_error(error: Error) -> Self {
        error
    }
}

impl<E: DeclaredError> FromFailure for CallError<E> {
    fn from_failure(failure: Failure) -> Self {
        if failure.kind == FailureKind::Declared
            && failure.name == E::NAME
            && let Some(value) = &failure.value
            && let Ok(error) = kaa_rpc_proto::msgpack::from_slice(value)
        {
            return Self::Declared(error);
        }
        Self::Failed(Error::from_failure(failure))
    }

    fn from_error(error: Error) -> Self {
        Self::Failed(error)
    }
}
