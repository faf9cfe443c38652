//! Why a checked schema does not become Rust.

use std::fmt;

/// A schema that is correct, but cannot be generated as it was asked for: names that meet in Rust, a
/// configuration that names what is not there, a part of the language that has no Rust form yet.
#[derive(Clone, PartialEq, Eq)]
pub struct GenerateError {
    problems: Vec<String>,
}

impl GenerateError {
    /// `Ok` if there are no problems.
    pub(crate) fn check(problems: &mut Vec<String>) -> Result<(), Self> {
        if problems.is_empty() {
            Ok(())
        } else {
            Err(Self {
                problems: std::mem::take(problems),
            })
        }
    }

    /// All that was found, each a sentence that begins with its package.
    #[must_use]
    pub fn problems(&self) -> &[String] {
        &self.problems
    }
}

impl From<String> for GenerateError {
    fn from(problem: String) -> Self {
        Self {
            problems: vec![problem],
        }
    }
}

impl fmt::Display for GenerateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, problem) in self.problems.iter().enumerate() {
            let separator = if index == 0 { "" } else { "\n" };
            write!(f, "{separator}error: {problem}")?;
        }
        Ok(())
    }
}

/// As [`Display`](fmt::Display): build scripts show errors so.
impl fmt::Debug for GenerateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl std::error::Error for GenerateError {}
