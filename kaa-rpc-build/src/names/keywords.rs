//! The words that Rust keeps for itself.

use proc_macro2::{Ident, Span};

/// The keywords of all editions.
const KEYWORDS: &[&str] = &[
    "abstract", "as", "async", "await", "become", "box", "break", "const", "continue", "crate",
    "do", "dyn", "else", "enum", "extern", "false", "final", "fn", "for", "gen", "if", "impl",
    "in", "let", "loop", "macro", "match", "mod", "move", "mut", "override", "priv", "pub", "ref",
    "return", "self", "Self", "static", "struct", "super", "trait", "true", "try", "type",
    "typeof", "unsafe", "unsized", "use", "virtual", "where", "while", "yield",
];

/// Those of them (and `_`) that cannot be raw identifiers either.
const NEVER_RAW: &[&str] = &["self", "Self", "super", "crate", "_"];

/// An identifier for `name`: raw if it is a keyword, with a trailing underscore if it may not even be raw.
pub(crate) fn identifier(name: &str) -> Ident {
    if NEVER_RAW.contains(&name) {
        Ident::new(&format!("{name}_"), Span::call_site())
    } else if KEYWORDS.contains(&name) {
        Ident::new_raw(name, Span::call_site())
    } else {
        Ident::new(name, Span::call_site())
    }
}

/// `identifier` with an underscore after it; not raw, since no keyword ends in one.
pub(crate) fn underscored(identifier: &Ident) -> Ident {
    Ident::new(&format!("{}_", plain(identifier)), Span::call_site())
}

/// `identifier` without `r#`.
pub(crate) fn plain(identifier: &Ident) -> String {
    let name = identifier.to_string();
    name.strip_prefix("r#").map(str::to_owned).unwrap_or(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keywords_are_raw_or_underscored() {
        for keyword in KEYWORDS {
            let spelled = identifier(keyword).to_string();
            if NEVER_RAW.contains(keyword) {
                assert_eq!(spelled, format!("{keyword}_"));
            } else {
                assert_eq!(spelled, format!("r#{keyword}"));
            }
            assert!(syn::parse_str::<Ident>(&spelled).is_ok(), "{spelled}");
        }
        assert_eq!(identifier("_").to_string(), "__");
        assert_eq!(identifier("union").to_string(), "union");
        assert_eq!(underscored(&identifier("type")).to_string(), "type_");
        assert_eq!(plain(&identifier("type")), "type");
    }

    #[test]
    fn every_word_that_rust_reserves_is_in_the_table() {
        for word in [
            "union",
            "auto",
            "default",
            "raw",
            "safe",
            "macro_rules",
            "i64",
            "str",
            "std",
        ] {
            assert!(syn::parse_str::<Ident>(word).is_ok(), "{word}");
        }
        // syn does not know of edition 2024.
        for word in KEYWORDS.iter().filter(|word| **word != "gen") {
            assert!(syn::parse_str::<Ident>(word).is_err(), "{word}");
        }
    }
}
