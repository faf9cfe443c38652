//! The arguments of a call: a list of the positional ones, then a map of the named ones.

mod encoder;
mod error;
mod kwargs;
mod names;
mod reader;

use serde::Serialize;

use super::EncodeError;

pub use encoder::{Encoder, encode_arguments};
pub use error::ArgumentError;
pub use kwargs::Kwargs;
pub use reader::ArgumentReader;

/// What can be the arguments of a call: `()`, a tuple of values, [`Kwargs`], or both in a tuple.
///
/// ```
/// use kaa_rpc_proto::{kwargs, msgpack::{Arguments, Value, encode_arguments}};
///
/// fn bytes(arguments: impl Arguments) -> Vec<u8> {
///     let mut out = Vec::new();
///     encode_arguments(&mut out, &arguments).unwrap();
///     out
/// }
///
/// assert_eq!(bytes(()), [0x90, 0x80]);
/// assert_eq!(bytes((6,)), [0x91, 6, 0x80]);
/// assert_eq!(bytes((6, kwargs! { a: true })), [0x91, 6, 0x81, 0xa1, b'a', 0xc3]);
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be the arguments of a call",
    label = "neither a tuple of values nor `Kwargs`",
    note = "one argument is a tuple too: `(x,)`; named ones are `kwargs! {{ name: x }}`"
)]
pub trait Arguments {
    /// Gives each argument to `out`, the positional ones first.
    ///
    /// # Errors
    ///
    /// When a value cannot be encoded, or as the functions of [`Encoder`].
    fn encode(&self, out: &mut Encoder) -> Result<(), EncodeError>;
}

impl<A: Arguments + ?Sized> Arguments for &A {
    fn encode(&self, out: &mut Encoder) -> Result<(), EncodeError> {
        (**self).encode(out)
    }
}

impl Arguments for () {
    fn encode(&self, _out: &mut Encoder) -> Result<(), EncodeError> {
        Ok(())
    }
}

impl Arguments for Kwargs {
    fn encode(&self, out: &mut Encoder) -> Result<(), EncodeError> {
        out.kwargs(self)
    }
}

impl Arguments for (Kwargs,) {
    fn encode(&self, out: &mut Encoder) -> Result<(), EncodeError> {
        out.kwargs(&self.0)
    }
}

macro_rules! tuples {
    ($($($type:ident)+;)*) => {$(
        #[allow(non_snake_case, reason = "each value is called like its type")]
        impl<$($type: Serialize),+> Arguments for ($($type,)+) {
            fn encode(&self, out: &mut Encoder) -> Result<(), EncodeError> {
                let ($($type,)+) = self;
                $(out.positional($type)?;)+
                Ok(())
            }
        }
    )*};
}

/// These do not overlap with the tuples of values, since `Kwargs` is no value: it must never
/// implement `Serialize`.
macro_rules! tuples_with_kwargs {
    ($($($type:ident)+;)*) => {$(
        #[allow(non_snake_case, reason = "each value is called like its type")]
        impl<$($type: Serialize),+> Arguments for ($($type,)+ Kwargs) {
            fn encode(&self, out: &mut Encoder) -> Result<(), EncodeError> {
                let ($($type,)+ kwargs) = self;
                $(out.positional($type)?;)+
                out.kwargs(kwargs)
            }
        }
    )*};
}

tuples! {
    A;
    A B;
    A B C;
    A B C D;
    A B C D E;
    A B C D E F;
    A B C D E F G;
    A B C D E F G H;
}

tuples_with_kwargs! {
    A;
    A B;
    A B C;
    A B C D;
    A B C D E;
    A B C D E F;
    A B C D E F G;
}
