//! The schemas that the examples use, compiled.

kaa_rpc_runtime::include_schema!(pub mod types = "media.types");
kaa_rpc_runtime::include_schema!(pub mod player = "media.player");
