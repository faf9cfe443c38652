//! What the examples share: their schemas, compiled, and [`stage`], which starts their processes.
//!
//! The examples themselves are in `src/bin`, one folder each.

// `media.player` imports `media.types`, so both modules stand side by side.
kaa_rpc_runtime::include_schema!(pub mod types = "media.types");
kaa_rpc_runtime::include_schema!(pub mod player = "media.player");
kaa_rpc_runtime::include_schema!(pub mod archive = "archive");
kaa_rpc_runtime::include_schema!(pub mod climate = "climate");
kaa_rpc_runtime::include_schema!(pub mod studio = "studio");
kaa_rpc_runtime::include_schema!(pub mod press = "press");
kaa_rpc_runtime::include_schema!(pub mod supper = "supper");
kaa_rpc_runtime::include_schema!(pub mod tally = "tally");
kaa_rpc_runtime::include_schema!(pub mod workshop = "workshop");

pub mod stage;
