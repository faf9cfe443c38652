//! The code that is generated for `kaa-rpc-build/tests/fixtures`, under every lint that a program could
//! have switched on. `compile-2021` is the same in the older edition.

#![deny(
    warnings,
    missing_docs,
    unused,
    nonstandard_style,
    future_incompatible,
    rust_2018_idioms
)]
#![deny(missing_debug_implementations, unreachable_pub, unused_qualifications)]
#![deny(clippy::all, clippy::pedantic, rustdoc::all)]

kaa_rpc_runtime::include_schema!(
    /// A player.
    pub mod player = "media.player"
);
kaa_rpc_runtime::include_schema!(
    /// What others import.
    pub mod types = "media.types"
);
kaa_rpc_runtime::include_schema!(
    /// Every type.
    pub mod everything = "test.everything"
);
kaa_rpc_runtime::include_schema!(
    /// Every keyword.
    pub mod keywords = "test.type"
);
kaa_rpc_runtime::include_schema!(
    /// Names that meet.
    pub mod names = "test.names"
);
kaa_rpc_runtime::include_schema!(
    /// Documentation.
    pub mod docs = "test.docs"
);
kaa_rpc_runtime::include_schema!(
    /// Lints.
    pub mod lints = "test.lints"
);
kaa_rpc_runtime::include_schema!(
    /// Items.
    pub mod streams = "test.streams"
);

/// The same in a module of which nothing is used, as a program would have it.
mod unused {
    use super::types;

    kaa_rpc_runtime::include_schema!(mod player = "media.player");
    kaa_rpc_runtime::include_schema!(mod everything = "test.everything");
    kaa_rpc_runtime::include_schema!(mod keywords = "test.type");
    kaa_rpc_runtime::include_schema!(mod names = "test.names");
    kaa_rpc_runtime::include_schema!(mod docs = "test.docs");
    kaa_rpc_runtime::include_schema!(mod lints = "test.lints");
    kaa_rpc_runtime::include_schema!(mod streams = "test.streams");
}
