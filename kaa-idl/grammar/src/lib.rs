//! Makes `kaa-idl/src/syntax/grammar.rs` of `grammar.pest` beside it. It is committed instead of derived: what
//! derives it takes a dozen crates, one of which compiles assembly, in the build of every user.
//!
//! `BLESS=1 cargo test -p kaa-grammar` writes it, after a change of the grammar or of pest. This package does not
//! depend on `kaa-idl`, which may not compile until then.

use quote::quote;

/// The source of the parser that pest makes of a grammar.
///
/// # Panics
///
/// When the grammar is none; the message tells where.
#[must_use]
pub fn parser(grammar: &str) -> String {
    let parser = quote! {
        /// Parses by the rules of `grammar.pest`.
        pub(crate) struct Grammar;
    };
    let input = quote! { #[grammar_inline = #grammar] #parser };
    let made = pest_generator::derive_parser(input, false);
    match syn::parse2(quote! { #parser #made }) {
        Ok(file) => prettyplease::unparse(&file),
        Err(error) => panic!("pest made something else than Rust: {error}"),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    const HEAD: &str = "// Made of grammar.pest by the package kaa-grammar, which says how.\n\n";

    #[test]
    fn the_parser_is_that_of_the_grammar() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../src/syntax");
        let grammar = fs::read_to_string(folder.join("grammar.pest")).unwrap();
        let made = format!("{HEAD}{}", super::parser(&grammar));
        let path = folder.join("grammar.rs");
        if std::env::var_os("BLESS").is_some() {
            fs::write(path, made).unwrap();
            return;
        }
        let committed = fs::read_to_string(path).unwrap_or_default();
        let same = committed.lines().zip(made.lines());
        let same = same.take_while(|(committed, made)| committed == made);
        assert!(
            committed == made,
            "grammar.rs differs from line {}: BLESS=1 cargo test -p kaa-grammar",
            same.count() + 1
        );
    }
}
