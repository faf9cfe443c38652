//! Why arguments do not fit a function.

use std::fmt;

use crate::msgpack::DecodeError;
use crate::msgpack::error::printable;

/// Bytes of a name that the caller chose, at most.
const MAX_NAME: usize = 64;

/// The arguments of a call do not fit the parameters of the function; it is the caller's fault.
///
/// Three texts, which travel to the caller: the parameter, what was expected, what came. None of
/// them repeats a value.
#[derive(Clone, PartialEq, Eq)]
pub struct ArgumentError(Box<Inner>);

#[derive(Clone, PartialEq, Eq)]
struct Inner {
    parameter: String,
    expected: String,
    got: String,
}

impl ArgumentError {
    /// The error with these texts, as the other end sent them. `parameter` is empty when it is
    /// about all of them.
    #[must_use]
    pub fn from_wire(
        parameter: impl Into<String>,
        expected: impl Into<String>,
        got: impl Into<String>,
    ) -> Self {
        let inner = Inner {
            parameter: parameter.into(),
            expected: expected.into(),
            got: got.into(),
        };
        Self(Box::new(inner))
    }

    /// The argument for `parameter` has the wrong type.
    #[cold]
    pub(super) fn mismatch(parameter: &str, place: &str, error: &DecodeError) -> Self {
        let path = error.path();
        let separator = if path.is_empty() || path.starts_with('[') {
            ""
        } else {
            "."
        };
        let got = match (place.is_empty(), path.is_empty()) {
            (true, true) => error.got().to_owned(),
            _ => format!("{} at `{parameter}{place}{separator}{path}`", error.got()),
        };
        Self::from_wire(parameter, error.expected(), got)
    }

    /// `similar`: an argument with about this name.
    #[cold]
    pub(super) fn missing(parameter: &str, similar: Option<&[u8]>) -> Self {
        let got = match similar {
            None => "none".to_owned(),
            Some(name) => format!("none (but one for `{}`)", printable(name, MAX_NAME)),
        };
        Self::from_wire(parameter, "an argument", got)
    }

    #[cold]
    pub(super) fn too_many(accepted: u32, got: u32) -> Self {
        let s = if accepted == 1 { "" } else { "s" };
        Self::from_wire(
            "",
            format!("at most {accepted} positional argument{s}"),
            got.to_string(),
        )
    }

    #[cold]
    pub(super) fn unknown(name: &[u8], closest: Option<&str>) -> Self {
        let expected = match closest {
            None => "a parameter of the function".to_owned(),
            Some(closest) => format!("a parameter of the function, such as `{closest}`"),
        };
        Self::from_wire(printable(name, MAX_NAME), expected, "an unknown name")
    }

    #[cold]
    pub(super) fn twice(name: &[u8], by_position: bool) -> Self {
        let got = if by_position {
            "one by position and one by name"
        } else {
            "two by name"
        };
        Self::from_wire(printable(name, MAX_NAME), "one argument", got)
    }

    /// The name of the parameter; empty if the error is about all arguments.
    #[must_use]
    pub fn parameter(&self) -> &str {
        &self.0.parameter
    }

    /// What the function accepts there: `i64`.
    #[must_use]
    pub fn expected(&self) -> &str {
        &self.0.expected
    }

    /// What came: ``a string at `track.tags[3]` ``.
    #[must_use]
    pub fn got(&self) -> &str {
        &self.0.got
    }
}

impl fmt::Display for ArgumentError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Inner {
            parameter,
            expected,
            got,
        } = &*self.0;
        if !parameter.is_empty() {
            write!(f, "argument `{parameter}`: ")?;
        }
        write!(f, "expected {expected}, got {got}")
    }
}

impl fmt::Debug for ArgumentError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ArgumentError({:?})", self.to_string())
    }
}

impl std::error::Error for ArgumentError {}
