//! Named arguments that are gathered one by one.

use std::fmt;

use serde::Serialize;

use super::names::Entries;
use crate::msgpack::{EncodeError, Shape, Value, encode_measured, from_slice};

/// Named arguments in order, encoded as they come.
///
/// A value that cannot be encoded, and a name that is given twice, are errors of the call for which
/// they are used. [`kwargs!`](crate::kwargs!) makes them from literals.
///
/// ```
/// use kaa_rpc_proto::msgpack::Kwargs;
///
/// let kwargs = Kwargs::new().with("foo", 4).with("at", "now");
/// assert_eq!(format!("{kwargs:?}"), r#"{"foo": 4, "at": "now"}"#);
/// ```
#[derive(Clone, Default)]
pub struct Kwargs {
    /// Names and values, one after the other.
    entries: Vec<u8>,
    count: usize,
    /// Of all entries.
    shape: Shape,
    /// The first failure.
    error: Option<EncodeError>,
}

// `Kwargs` must not implement `Serialize`: see the implementations of `Arguments`.
impl Kwargs {
    /// No arguments.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds an argument.
    pub fn insert(&mut self, name: impl AsRef<str>, value: impl Serialize) -> &mut Self {
        let length = self.entries.len();
        let result = encode_measured(&mut self.entries, name.as_ref())
            .and_then(|name| Ok(name.and(encode_measured(&mut self.entries, &value)?)));
        match result {
            Ok(shape) => {
                self.count += 1;
                self.shape = self.shape.and(shape);
            }
            Err(error) => {
                self.entries.truncate(length);
                self.error.get_or_insert(error);
            }
        }
        self
    }

    /// The same with one more argument.
    #[must_use]
    pub fn with(mut self, name: impl AsRef<str>, value: impl Serialize) -> Self {
        self.insert(name, value);
        self
    }

    /// Adds all of `other`.
    pub fn append(&mut self, other: Self) {
        self.entries.extend_from_slice(&other.entries);
        self.count += other.count;
        self.shape = self.shape.and(other.shape);
        self.error = self.error.take().or(other.error);
    }

    /// How many arguments there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.count
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// The names, in order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.iter()
            .filter_map(|(name, _)| std::str::from_utf8(name).ok())
    }

    /// The entries of a map, their number and shape.
    pub(super) fn encoded(&self) -> Result<(&[u8], usize, Shape), EncodeError> {
        match &self.error {
            None => Ok((&self.entries, self.count, self.shape)),
            Some(error) => Err(error.clone()),
        }
    }

    fn iter(&self) -> Entries<'_> {
        Entries::new(&self.entries, u32::try_from(self.count).unwrap_or(u32::MAX))
    }
}

impl fmt::Debug for Kwargs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(error) = &self.error {
            return write!(f, "Kwargs({error})");
        }
        let entries = self.iter().map(|(name, value)| {
            let name = Value::String(String::from_utf8_lossy(name).into_owned());
            (name, from_slice(value).unwrap_or(Value::Null))
        });
        fmt::Debug::fmt(&Value::Map(entries.collect()), f)
    }
}

impl<N: AsRef<str>, V: Serialize> Extend<(N, V)> for Kwargs {
    fn extend<I: IntoIterator<Item = (N, V)>>(&mut self, arguments: I) {
        for (name, value) in arguments {
            self.insert(name, value);
        }
    }
}

impl<N: AsRef<str>, V: Serialize> FromIterator<(N, V)> for Kwargs {
    fn from_iter<I: IntoIterator<Item = (N, V)>>(arguments: I) -> Self {
        let mut kwargs = Self::new();
        kwargs.extend(arguments);
        kwargs
    }
}

/// Named arguments: `kwargs! { foo: 4, "any name": x }`.
///
/// A name is an identifier, also a keyword or a raw one, or a string literal. Values are borrowed.
///
/// ```
/// use kaa_rpc_proto::kwargs;
///
/// let title = String::from("Lucia");
/// let kwargs = kwargs! { title: title, type: "opera", "encore.wanted": true };
/// assert_eq!(kwargs.len(), 3);
/// ```
#[macro_export]
macro_rules! kwargs {
    () => { $crate::msgpack::Kwargs::new() };
    (@name $name:ident) => {{
        let name: &'static str = ::core::stringify!($name);
        match name.strip_prefix("r#") {
            ::core::option::Option::Some(name) => name,
            ::core::option::Option::None => name,
        }
    }};
    (@name $name:literal) => { $name };
    ($($name:tt : $value:expr),+ $(,)?) => {{
        let mut kwargs = $crate::msgpack::Kwargs::new();
        $( kwargs.insert($crate::kwargs!(@name $name), &$value); )+
        kwargs
    }};
}
