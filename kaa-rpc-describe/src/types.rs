//! Types, as they are written in `.kidl` files.

use std::fmt;
use std::str::FromStr;

use crate::read::{ReadError, Reader};

/// A type. Aliases are gone: what they stand for is here.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Type {
    /// A built-in type such as `u8`, or a struct, enum or error by its full name, which has a dot.
    Named(String),
    /// `T?`
    Optional(Box<Self>),
    /// `list<T>`
    List(Box<Self>),
    /// `map<K, V>`
    Map(Box<Self>, Box<Self>),
    /// `stream<T>`
    Stream(Box<Self>),
    /// `(A, B)`
    Tuple(Vec<Self>),
}

/// Types nest at most so deep. The language allows 64, and what nests deeper comes from a stranger.
pub(crate) const MAX_NESTING: usize = 64;

impl Type {
    /// `any`
    #[must_use]
    pub fn any() -> Self {
        Self::Named("any".to_owned())
    }

    /// Adds the declared types that it names.
    pub(crate) fn names<'a>(&'a self, names: &mut Vec<&'a str>) {
        match self {
            Self::Named(name) => {
                if name.contains('.') {
                    names.push(name);
                }
            }
            Self::Optional(inner) | Self::List(inner) | Self::Stream(inner) => inner.names(names),
            Self::Map(key, value) => {
                key.names(names);
                value.names(names);
            }
            Self::Tuple(members) => members.iter().for_each(|member| member.names(names)),
        }
    }

    /// Its text, with declared types named by `name`.
    pub(crate) fn write(
        &self,
        f: &mut dyn fmt::Write,
        name: &dyn Fn(&str) -> String,
    ) -> fmt::Result {
        match self {
            Self::Named(full) => f.write_str(&name(full)),
            Self::Optional(inner) => {
                inner.write(f, name)?;
                f.write_str("?")
            }
            Self::List(inner) => wrap(f, "list", &[inner], name),
            Self::Stream(inner) => wrap(f, "stream", &[inner], name),
            Self::Map(key, value) => wrap(f, "map", &[key, value], name),
            Self::Tuple(members) => {
                f.write_str("(")?;
                list(f, members.iter(), name)?;
                f.write_str(")")
            }
        }
    }
}

fn wrap(
    f: &mut dyn fmt::Write,
    outer: &str,
    inner: &[&Type],
    name: &dyn Fn(&str) -> String,
) -> fmt::Result {
    write!(f, "{outer}<")?;
    list(f, inner.iter().copied(), name)?;
    f.write_str(">")
}

fn list<'a>(
    f: &mut dyn fmt::Write,
    types: impl Iterator<Item = &'a Type>,
    name: &dyn Fn(&str) -> String,
) -> fmt::Result {
    for (index, ty) in types.enumerate() {
        if index > 0 {
            f.write_str(", ")?;
        }
        ty.write(f, name)?;
    }
    Ok(())
}

impl fmt::Display for Type {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.write(f, &str::to_owned)
    }
}

impl FromStr for Type {
    type Err = ReadError;

    fn from_str(text: &str) -> Result<Self, ReadError> {
        let mut reader = Reader::new(text);
        let ty = reader.ty(MAX_NESTING)?;
        reader.end()?;
        Ok(ty)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_are_written_as_they_are_read() {
        for text in [
            "u8",
            "list<map<string, a.b.C?>>?",
            "(u8, bool, list<any?>)",
            "stream<bytes>",
            "future_type",
        ] {
            assert_eq!(text.parse::<Type>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn what_is_no_type_is_refused() {
        for text in [
            "",
            "u8 u8",
            "list<u8",
            "list<>",
            "map<u8>",
            "()",
            "(u8,",
            "u8??",
            "?",
            "a..b",
            ".a",
            "1",
            "list<u8>>",
            "\u{1b}[2J",
            "é",
            "list<u8, u8>",
            "set<u8>",
        ] {
            assert!(text.parse::<Type>().is_err(), "{text}");
        }
        let deep = "list<".repeat(100_000) + "u8" + &">".repeat(100_000);
        assert!(deep.parse::<Type>().is_err());
        let deep = "(".repeat(100_000);
        assert!(deep.parse::<Type>().is_err());
    }
}
