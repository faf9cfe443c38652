//! The schemas that the end-to-end tests use, compiled, and the programs that they run.

kaa_rpc_runtime::include_schema!(pub mod types = "media.types");
kaa_rpc_runtime::include_schema!(pub mod player = "media.player");
kaa_rpc_runtime::include_schema!(pub mod beacon = "beacon");

pub mod media_database;
