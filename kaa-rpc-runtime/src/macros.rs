//! `include_schema!`.

/// Makes a module of what the build script generated for a package.
///
/// ```ignore
/// kaa_rpc_runtime::include_schema!(pub mod player = "media.player");
/// ```
///
/// The few lints that a schema provokes by what it declares (an unused proxy, a parameter called
/// `foo`, eight parameters) are allowed on the module, so that everything else stays denied.
#[macro_export]
macro_rules! include_schema {
    ($(#[$attribute:meta])* $visibility:vis mod $name:ident = $package:literal $(;)?) => {
        $(#[$attribute])*
        #[allow(
            dead_code,
            clippy::disallowed_names,
            clippy::doc_markdown,
            clippy::fn_params_excessive_bools,
            clippy::large_enum_variant,
            clippy::many_single_char_names,
            clippy::struct_excessive_bools,
            clippy::too_many_arguments,
            clippy::type_complexity,
            clippy::wrong_self_convention
        )]
        $visibility mod $name {
            include!(concat!(env!("OUT_DIR"), "/", $package, ".rs"));
        }
    };
}
