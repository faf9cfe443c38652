//! The schemas that the end-to-end tests use, compiled, and the programs that they run.

kaa_rpc_runtime::include_schema!(pub mod types = "media.types");
kaa_rpc_runtime::include_schema!(pub mod player = "media.player");
kaa_rpc_runtime::include_schema!(pub mod beacon = "beacon");
kaa_rpc_runtime::include_schema!(pub mod typed = "typed");
kaa_rpc_runtime::include_schema!(pub mod flow = "typed.flow");
kaa_rpc_runtime::include_schema!(pub mod old_shop = "old/shop");
kaa_rpc_runtime::include_schema!(pub mod new_shop = "new/shop");

pub mod media_database;
pub mod media_player;

pub use kaa_rpc_runtime;
