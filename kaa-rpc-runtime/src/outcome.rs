//! What a handler gives: a result, a declared error, or a fault.

use std::any::Any;
use std::error::Error as StdError;
use std::fmt;
use std::panic::Location;

use crate::error::Error;

/// What a handler gives. `?` works in it on the declared error `E` and on every other error, which
/// becomes a fault.
pub type Outcome<T, E = NoError> = Result<T, Throws<E>>;

/// How a handler fails.
///
/// It is not an [`std::error::Error`] itself: that is what lets every error turn into it.
///
/// ```
/// use kaa_rpc_runtime::Outcome;
///
/// fn length(path: &str) -> Outcome<u64> {
///     if path.is_empty() {
///         return Err("no path was given".into());
///     }
///     Ok(std::fs::metadata(path)?.len())
/// }
/// # assert!(length("").is_err());
/// ```
pub enum Throws<E = NoError> {
    /// The error that the schema names after `throws`.
    Declared(E),
    /// Any other.
    Fault(Box<Fault>),
}

impl<E: fmt::Debug> fmt::Debug for Throws<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Declared(error) => f.debug_tuple("Declared").field(error).finish(),
            Self::Fault(fault) => f.debug_tuple("Fault").field(fault).finish(),
        }
    }
}

/// The declared error of functions that declare none. There are no values of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum NoError {}

impl fmt::Display for NoError {
    fn fmt(&self, _: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {}
    }
}

impl StdError for NoError {}

impl serde::Serialize for NoError {
    fn serialize<S: serde::Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
        match *self {}
    }
}

impl<'de> serde::Deserialize<'de> for NoError {
    fn deserialize<D: serde::Deserializer<'de>>(_: D) -> Result<Self, D::Error> {
        Err(serde::de::Error::custom("this function declares no errors"))
    }
}

/// An error that the generator made from an `error` declaration.
pub trait DeclaredError:
    StdError + serde::Serialize + serde::de::DeserializeOwned + Send + Sync + 'static
{
    /// The qualified name, such as `media.player.PlayError`.
    const NAME: &'static str;
}

impl DeclaredError for NoError {
    const NAME: &'static str = "";
}

/// A failure that the schema does not name, on its way to the caller.
#[derive(Debug)]
pub struct Fault {
    error: Box<dyn StdError + Send + Sync>,
    kind: &'static str,
    location: &'static Location<'static>,
}

impl Fault {
    /// The error that caused it.
    #[must_use]
    pub fn error(&self) -> &(dyn StdError + Send + Sync + 'static) {
        self.error.as_ref()
    }

    /// The type of the error, such as `std::io::error::Error`.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        self.kind
    }

    /// Where it became a fault: the place of the `?` or `.into()`.
    #[must_use]
    pub fn location(&self) -> &'static Location<'static> {
        self.location
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.error.fmt(f)
    }
}

impl<E, X> From<X> for Throws<E>
where
    E: 'static,
    X: Into<Box<dyn StdError + Send + Sync>> + 'static,
{
    /// Keeps an `E` as declared; anything else becomes a fault. Two implementations would overlap,
    /// so this one looks at the type.
    #[track_caller]
    fn from(error: X) -> Self {
        let mut error = Some(error);
        let slot: &mut dyn Any = &mut error;
        if let Some(declared) = slot.downcast_mut::<Option<E>>().and_then(Option::take) {
            return Self::Declared(declared);
        }
        // Nothing took it, so it is still there.
        let Some(error) = error else {
            unreachable!("the error was taken as declared")
        };
        Self::Fault(Box::new(Fault {
            error: error.into(),
            kind: std::any::type_name::<X>(),
            location: Location::caller(),
        }))
    }
}

/// A declared error that must travel on as what it is, made by [`crate::CallError::rethrow`].
impl<E> Throws<E> {
    /// A fault made of a failed call, with its remote trace kept.
    #[track_caller]
    pub(crate) fn from_call(error: Error) -> Self {
        Self::Fault(Box::new(Fault {
            error: Box::new(error),
            kind: std::any::type_name::<Error>(),
            location: Location::caller(),
        }))
    }
}
