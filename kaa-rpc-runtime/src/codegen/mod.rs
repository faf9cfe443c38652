//! What generated code names, and nothing else should: it changes without notice.

mod items;
mod proxy;
mod record;
mod unknown;
mod variants;

pub use kaa_rpc_proto::msgpack::{
    ArgumentError, ArgumentReader, AsBytes, BytesArgument, EncodeError, Encoder,
};
pub use serde;

pub use crate::describe::{Schema, check};
pub use crate::items::{ItemSource, StreamArgument};
pub use crate::outcome::DeclaredError;
pub use crate::serve::functions::{Functions, Registration, Service};
pub use items::{items, yielder};
pub use proxy::Proxy;
pub use record::*;
pub use unknown::Unknown;
pub use variants::*;
