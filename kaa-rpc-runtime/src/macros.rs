//! `include_schema!`.

/// Makes a module of what the build script generated for a package.
///
/// ```ignore
/// kaa_rpc_runtime::include_schema!(pub mod player = "media.player");
/// ```
///
/// The module's documentation is the package's (`//!` in the `.kidl` file). The few lints that a schema provokes by what it declares (an unused proxy, a parameter called
/// `foo`, eight parameters) are allowed on the module, so that everything else stays denied.
#[macro_export]
macro_rules! include_schema {
    ($(#[$attribute:meta])* $visibility:vis mod $name:ident = $package:literal $(;)?) => {
        $(#[$attribute])*
        #[doc = include_str!(concat!(env!("OUT_DIR"), "/", $package, ".md"))]
        #[allow(
            dead_code,
            non_snake_case,
            unreachable_pub,
            clippy::approx_constant,
            clippy::disallowed_names,
            clippy::doc_lazy_continuation,
            clippy::doc_markdown,
            clippy::doc_overindented_list_items,
            clippy::enum_variant_names,
            clippy::fn_params_excessive_bools,
            clippy::iter_not_returning_iterator,
            clippy::just_underscores_and_digits,
            clippy::large_enum_variant,
            clippy::many_single_char_names,
            clippy::pub_underscore_fields,
            clippy::should_implement_trait,
            clippy::similar_names,
            clippy::struct_excessive_bools,
            clippy::struct_field_names,
            clippy::too_many_arguments,
            clippy::too_many_lines,
            clippy::type_complexity,
            clippy::upper_case_acronyms,
            clippy::used_underscore_binding,
            clippy::wrong_self_convention,
            clippy::zero_sized_map_values
        )]
        $visibility mod $name {
            include!(concat!(env!("OUT_DIR"), "/", $package, ".rs"));
        }
    };
}
