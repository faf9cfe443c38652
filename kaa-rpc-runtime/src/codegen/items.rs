use kaa_rpc_proto::msgpack::{ArgumentError, ArgumentReader};
use serde::Serialize;

use crate::context::Context;
use crate::items::{Items, Yielder};

/// What gives the items that a function yields.
#[must_use]
pub fn yielder<T: Serialize>(cx: &Context) -> Yielder<T> {
    cx.yielder()
}

/// The stream for a parameter of type `stream<T>`.
///
/// # Errors
///
/// When there is none.
pub fn items<T>(
    cx: &Context,
    arguments: &mut ArgumentReader<'_>,
    name: &'static str,
) -> Result<Items<T>, ArgumentError> {
    cx.items(arguments, name)
}
