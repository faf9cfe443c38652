//! What the fuzz targets do with their bytes, as plain functions: `fuzz_targets/` gives them to
//! libFuzzer, `tests/` to the seeds and to random mutations of them on a stable compiler.
//!
//! Each function panics if something is wrong, and returns if not, whatever the bytes are.

mod arguments;
mod connection;
mod frames;
mod generated;
mod handshake;
mod input;
mod records;
mod schema;
mod seeds;
mod values;

pub use arguments::arguments;
pub use connection::connection;
pub use frames::frames;
pub use generated::generated;
pub use handshake::handshake;
pub use records::records;
pub use schema::schema;
pub use seeds::{Seed, seeds};
pub use values::values;

/// A target: its name, that of its folder of seeds, and what it does.
pub type Target = (&'static str, fn(&[u8]));

/// All targets.
pub const TARGETS: [Target; 8] = [
    ("handshake", handshake),
    ("records", records),
    ("frames", frames),
    ("values", values),
    ("generated", generated),
    ("arguments", arguments),
    ("connection", connection),
    ("schema", schema),
];
