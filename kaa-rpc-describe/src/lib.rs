//! Descriptions: what an end exposes, or was built for, as plain data.
//!
//! | module | what it knows |
//! | --- | --- |
//! | `model` | interfaces, functions and the types that they use |
//! | `types` | types, and their text |
//! | `write`, `read` | a description as text in the syntax of `.kidl` files |
//! | `canonical` | what of a function two ends must have the same to have the same contract |
//! | `compare` | what differs between a caller and a callee, and what that breaks |
//!
//! The crate has no dependencies: the generator and its checker are built with it, and every program that
//! exposes or calls functions carries it.

#![cfg_attr(
    not(test),
    warn(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)
)]

mod canonical;
mod compare;
mod model;
mod read;
mod report;
mod types;
mod write;

pub use compare::compare;
pub use model::{
    About, Description, Field, Function, Interface, Kind, Parameter, Shape, TypeDeclaration,
    Variant,
};
pub use read::{ReadError, read};
pub use report::{Change, Compatibility, Difference, Effect};
pub use types::Type;
pub use write::quoted;
