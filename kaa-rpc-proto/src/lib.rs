//! The protocol of Kaa RPC without I/O: codec, frames, handshake, connection state.

#![cfg_attr(
    not(test),
    warn(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::indexing_slicing,
        clippy::panic
    )
)]

mod connection;
mod error;
pub mod failure;
pub mod frame;
pub mod handshake;
mod limits;
pub mod metadata;
pub mod msgpack;
#[cfg(feature = "noise")]
pub mod noise;
mod secret;

pub use connection::{
    Buffers, CannotCall, CannotSend, Connection, Event, LARGE_PAYLOAD, MAX_PINGS, Output, Payload,
    Progress, Token, TooLarge,
};
pub use error::Violation;
pub use failure::{Failure, FailureKind};
pub use limits::{LimitOutOfRange, Limits};
pub use metadata::{Metadata, MetadataError};
pub use secret::{Secret, SecretError};
