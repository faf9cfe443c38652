//! Generates Rust from `.kidl` files; called from `build.rs`.
//!
//! ```no_run
//! // build.rs
//! fn main() -> Result<(), kaa_rpc_build::Error> {
//!     kaa_rpc_build::compile(&["schemas/player.kidl"])
//! }
//! ```
//!
//! Each package becomes a file in `OUT_DIR`, which the program includes as a module:
//!
//! ```text
//! kaa_rpc_runtime::include_schema!(pub mod player = "media.player");
//! ```
//!
//! Files that are imported are generated too; their modules stand beside those that use them (see
//! [`Builder::module`] for other places).
//!
//! [`generate`] does the same from a [`Schema`](kaa_idl::schema::Schema) to text, and touches neither files nor environment.

mod compile;
mod config;
mod docs;
mod emit;
mod error;
mod facts;
mod format;
mod generate;
mod kidl;
mod module;
mod names;
mod types;
mod values;

pub use compile::{Builder, Error, compile, configure};
pub use config::Config;
pub use error::GenerateError;
pub use generate::{GeneratedFile, generate};
