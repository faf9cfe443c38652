//! The text of a package, from which the runtime tells and compares what is exposed.

use proc_macro2::{Ident, Literal, Span, TokenStream};
use quote::quote;

use super::Items;
use crate::module::{Module, names};

/// One function for the whole package, so that what several interfaces use is there once. It is a
/// function because no schema can declare one of that name beside it.
pub(super) fn emit(module: &Module<'_>, items: &mut Items<'_, '_>) {
    names!(module; codegen);
    let mut description = module.schema.describe(module.package());
    let used: Vec<String> = module
        .declarations()
        .filter(|(id, _)| module.facts.is_called(*id) || module.facts.is_exposed(*id))
        .map(|(id, _)| module.schema.full_name(id))
        .collect();
    description.interfaces.retain(|it| used.contains(&it.name));
    let text = raw(&description.write(&module.package().name));
    let function = Ident::new("schema", Span::call_site());
    let others = module.named_packages();
    let others = others.into_iter().map(|it| module.path_in(it, &function));
    items.push(quote! {
        #[doc(hidden)]
        #[must_use]
        pub const fn schema() -> #codegen::Schema {
            #codegen::Schema::new(#text, &[#(#others),*])
        }
    });
}

/// A raw string, so that it reads as the text does.
fn raw(text: &str) -> TokenStream {
    let hashes = (0..)
        .map(|count| "#".repeat(count))
        .find(|hashes| !text.contains(&format!("\"{hashes}")))
        .unwrap_or_default();
    let hashes = if hashes.is_empty() { "#" } else { &hashes };
    let literal = format!("r{hashes}\"{text}\"{hashes}");
    match literal.parse() {
        Ok(tokens) => tokens,
        // A carriage return alone cannot stand in a raw string.
        Err(_) => TokenStream::from(proc_macro2::TokenTree::from(Literal::string(text))),
    }
}
