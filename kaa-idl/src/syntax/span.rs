//! Places in source files.

use std::ops::Range;
use std::path::PathBuf;

/// A piece of a source file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Span {
    /// Index of the file among all that were read.
    pub source: usize,
    /// Offset of the first byte.
    pub start: usize,
    /// Offset behind the last byte.
    pub end: usize,
}

impl Span {
    /// The bytes of the file that this covers.
    #[must_use]
    pub fn range(self) -> Range<usize> {
        self.start..self.end
    }

    /// From where `self` begins to where `other`, which stands behind it, ends.
    pub(crate) fn to(self, other: Self) -> Self {
        Self {
            end: other.end.max(self.end),
            ..self
        }
    }
}

/// A file that was read.
#[derive(Clone, Debug)]
pub struct Source {
    /// Its path, as the loader was asked for it.
    pub path: PathBuf,
    /// Its content.
    pub text: String,
}

impl Source {
    /// The line and the column of the byte at `offset`, both counted from one; columns in characters.
    #[must_use]
    pub fn position(&self, offset: usize) -> (usize, usize) {
        let before = self.text.get(..offset).unwrap_or(&self.text);
        let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
        let line = before.bytes().filter(|&byte| byte == b'\n').count() + 1;
        (line, before[line_start..].chars().count() + 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_count_characters() {
        let source = Source {
            path: "a.kidl".into(),
            text: "one\nzwölf x\n".into(),
        };
        assert_eq!(source.position(0), (1, 1));
        assert_eq!(source.position(3), (1, 4));
        assert_eq!(source.position(4), (2, 1));
        assert_eq!(source.position(11), (2, 7));
        assert_eq!(source.position(usize::MAX), (3, 1));
    }
}
