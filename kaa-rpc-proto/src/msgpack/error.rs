//! Why a value could not be decoded, in the words of the schema.

use std::borrow::Cow;
use std::fmt::{self, Write as _};

use serde::de::{Expected, Unexpected};

use super::ScanError;

/// Bytes of a message or name that came from elsewhere, at most.
const MAX_TEXT: usize = 512;
/// Bytes of a key in a path, at most.
const MAX_KEY: usize = 64;

/// A value is not what the type accepts.
///
/// It tells where (`tracks[3].id`), what was expected and the kind of thing that came, never the
/// thing itself, which could be a secret.
#[derive(Clone, PartialEq, Eq)]
pub struct DecodeError(Box<Inner>);

#[derive(Clone, PartialEq, Eq)]
struct Inner {
    /// From the innermost outwards, since errors gather it on their way out.
    path: Vec<Step>,
    problem: Problem,
}

#[derive(Clone, PartialEq, Eq)]
enum Step {
    Field(String),
    Index(u64),
}

#[derive(Clone, PartialEq, Eq)]
enum Problem {
    Mismatch {
        expected: Cow<'static, str>,
        got: Cow<'static, str>,
    },
    /// Words of the type's own implementation of `Deserialize`, after [`NOT_VALID`].
    Custom(String),
}

/// Before the words of a type, where they stand for what came.
const NOT_VALID: &str = "one that is not: ";

/// What came in the place of a string, also if the type itself has found it out.
#[doc(hidden)]
pub const NOT_UTF8: &str = "a string that is not UTF-8";

impl DecodeError {
    #[cold]
    pub(super) fn mismatch(
        expected: impl Into<Cow<'static, str>>,
        got: impl Into<Cow<'static, str>>,
    ) -> Self {
        Self::new(Problem::Mismatch {
            expected: expected.into(),
            got: got.into(),
        })
    }

    fn new(problem: Problem) -> Self {
        Self(Box::new(Inner {
            path: Vec::new(),
            problem,
        }))
    }

    /// The same error, seen from the container in which the value is a field or has this key.
    #[cold]
    pub(super) fn in_field(mut self, name: &[u8]) -> Self {
        self.0.path.push(Step::Field(printable(name, MAX_KEY)));
        self
    }

    /// The same error, seen from the list of which the value is the item with this index, or the
    /// map in which it has this number as key.
    #[cold]
    pub(super) fn in_item(mut self, index: u64) -> Self {
        self.0.path.push(Step::Index(index));
        self
    }

    /// Where in the decoded value: `tracks[3].id`, or nothing if it is the whole of it.
    #[must_use]
    pub fn path(&self) -> String {
        let mut path = String::new();
        for step in self.0.path.iter().rev() {
            match step {
                Step::Index(index) => _ = write!(path, "[{index}]"),
                Step::Field(name) if !is_plain(name) => _ = write!(path, "[\"{name}\"]"),
                Step::Field(name) if path.is_empty() => path.push_str(name),
                Step::Field(name) => _ = write!(path, ".{name}"),
            }
        }
        path
    }

    /// What the type accepts: `i64`, ``one of `left`, `right` ``.
    #[must_use]
    pub fn expected(&self) -> &str {
        match &self.0.problem {
            Problem::Mismatch { expected, .. } => expected,
            Problem::Custom(_) => "a valid value",
        }
    }

    /// The kind of thing that came: `a string`. For an error that the type's own `Deserialize` has
    /// raised, what that says.
    #[must_use]
    pub fn got(&self) -> &str {
        match &self.0.problem {
            Problem::Mismatch { got, .. } => got,
            Problem::Custom(text) => text,
        }
    }
}

impl fmt::Display for DecodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.0.path.is_empty() {
            write!(f, "{}: ", self.path())?;
        }
        match &self.0.problem {
            Problem::Mismatch { expected, got } => write!(f, "expected {expected}, got {got}"),
            Problem::Custom(text) => f.write_str(text.strip_prefix(NOT_VALID).unwrap_or(text)),
        }
    }
}

impl fmt::Debug for DecodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DecodeError({:?})", self.to_string())
    }
}

impl std::error::Error for DecodeError {}

impl From<ScanError> for DecodeError {
    #[cold]
    fn from(error: ScanError) -> Self {
        Self::mismatch("well-formed MessagePack", error.to_string())
    }
}

impl serde::de::Error for DecodeError {
    #[cold]
    fn custom<T: fmt::Display>(message: T) -> Self {
        let message = printable(message.to_string().as_bytes(), MAX_TEXT);
        Self::new(Problem::Custom(format!("{NOT_VALID}{message}")))
    }

    #[cold]
    fn invalid_type(unexpected: Unexpected<'_>, expected: &dyn Expected) -> Self {
        Self::mismatch(expected.to_string(), describe(&unexpected))
    }

    #[cold]
    fn invalid_value(unexpected: Unexpected<'_>, expected: &dyn Expected) -> Self {
        let got = match unexpected {
            Unexpected::Signed(_) | Unexpected::Unsigned(_) => "another integer",
            Unexpected::Str(_) | Unexpected::Char(_) => "another string",
            other => describe(&other),
        };
        Self::mismatch(expected.to_string(), got)
    }

    #[cold]
    fn invalid_length(length: usize, expected: &dyn Expected) -> Self {
        Self::mismatch(expected.to_string(), format!("{length} items"))
    }

    #[cold]
    fn unknown_variant(_variant: &str, expected: &'static [&'static str]) -> Self {
        Self::mismatch(one_of(expected), "another variant")
    }

    #[cold]
    fn unknown_field(_field: &str, expected: &'static [&'static str]) -> Self {
        Self::mismatch(one_of(expected), "another field")
    }

    #[cold]
    fn missing_field(field: &'static str) -> Self {
        Self::mismatch(format!("field `{field}`"), "a map without it")
    }

    #[cold]
    fn duplicate_field(field: &'static str) -> Self {
        Self::mismatch(format!("field `{field}` once"), "it twice")
    }
}

fn describe(unexpected: &Unexpected<'_>) -> &'static str {
    match unexpected {
        Unexpected::Bool(_) => "a bool",
        Unexpected::Unsigned(_) | Unexpected::Signed(_) => "an integer",
        Unexpected::Float(_) => "a float",
        Unexpected::Char(_) | Unexpected::Str(_) => "a string",
        Unexpected::Bytes(_) => "bytes",
        Unexpected::Unit | Unexpected::Option => "null",
        // The only newtype that the decoder offers by itself.
        Unexpected::NewtypeStruct => "a timestamp",
        Unexpected::Seq => "a list",
        Unexpected::Map => "a map",
        Unexpected::Enum
        | Unexpected::UnitVariant
        | Unexpected::NewtypeVariant
        | Unexpected::TupleVariant
        | Unexpected::StructVariant => "a variant",
        Unexpected::Other(NOT_UTF8) => NOT_UTF8,
        Unexpected::Other(_) => "something else",
    }
}

fn one_of(names: &[&str]) -> String {
    let mut text = String::from(if names.is_empty() {
        "nothing"
    } else {
        "one of "
    });
    for (index, name) in names.iter().enumerate() {
        let separator = if index == 0 { "" } else { ", " };
        _ = write!(text, "{separator}`{name}`");
    }
    text
}

/// Text that others chose, fit for a terminal and a log: escaped, and cut after `limit` bytes.
pub(super) fn printable(text: &[u8], limit: usize) -> String {
    let cut = text.get(..limit).unwrap_or(text);
    let mut printable = String::new();
    for chunk in cut.utf8_chunks() {
        for character in chunk.valid().chars() {
            // Quotation marks need no escape: nothing parses this.
            if matches!(character, '"' | '\'') {
                printable.push(character);
            } else {
                printable.extend(character.escape_debug());
            }
        }
        if !chunk.invalid().is_empty() {
            printable.push(char::REPLACEMENT_CHARACTER);
        }
    }
    if cut.len() < text.len() {
        printable.push('…');
    }
    printable
}

fn is_plain(name: &str) -> bool {
    !name.is_empty()
        && name
            .chars()
            .all(|c| c.is_alphanumeric() || matches!(c, '_' | '-'))
}
