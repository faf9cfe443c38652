//! Writes the items of a module, one declaration after the other.

mod aliases;
mod arguments;
mod call;
mod channel;
mod consts;
mod describe;
mod enums;
mod errors;
mod fields;
mod interface_trait;
mod proxy;
mod service;
mod structs;

use kaa_idl::schema::{Declaration, DeclarationId};
use proc_macro2::TokenStream;
use quote::quote;

use crate::module::Module;

/// The items of a module in their order.
#[derive(Debug)]
pub(crate) struct Items<'m, 'a> {
    module: &'m Module<'a>,
    items: Vec<TokenStream>,
}

impl Items<'_, '_> {
    /// Adds one item.
    fn push(&mut self, item: TokenStream) {
        // What is deprecated is still read, written and called by the code that belongs to it.
        let allow = self
            .module
            .take_deprecated()
            .then(|| quote!(#[allow(deprecated)]));
        let mut whole = quote!(#allow);
        whole.extend(item);
        self.items.push(whole);
    }
}

/// All items of `module` but its imports.
pub(crate) fn items(module: &Module<'_>) -> Vec<TokenStream> {
    let mut items = Items {
        module,
        items: Vec::new(),
    };
    for (id, declaration) in module.declarations() {
        match declaration {
            Declaration::Const(it) => consts::emit(module, id, it, &mut items),
            Declaration::Alias(it) => aliases::emit(module, id, it, &mut items),
            Declaration::Struct(it) => structs::emit(module, id, it, &mut items),
            Declaration::Enum(it) => enums::emit(module, id, it, &mut items),
            Declaration::Error(it) => errors::emit(module, id, it, &mut items),
            Declaration::Interface(it) => {
                if module.facts.is_exposed(id) {
                    interface_trait::emit(module, id, it, &mut items);
                    service::emit(module, id, it, &mut items);
                }
                if module.facts.is_called(id) {
                    proxy::emit(module, id, it, &mut items);
                }
            }
            Declaration::Channel(it) => channel::emit(module, id, it, &mut items),
        }
    }
    // Last, when it is known which other packages are used.
    describe::emit(module, &mut items);
    items.items
}

/// What is derived for the type `id`, with `some` that not every type has.
fn derives(module: &Module<'_>, id: DeclarationId, some: &[&str]) -> TokenStream {
    let name = module.schema.declaration(id).name();
    let qualified = format!("{}.{name}", module.package().name);
    let has = |name| some.contains(&name);
    let copy = has("Copy").then(|| quote!(Copy,));
    let default = has("Default").then(|| quote!(Default,));
    let eq = module.facts.is_eq(id).then(|| quote!(, Eq, Hash));
    let extra = module
        .config
        .derives
        .iter()
        .filter(|(of, _)| *of == name || *of == qualified)
        .filter_map(|(_, path)| syn::parse_str::<syn::Path>(path).ok())
        .map(|path| quote!(, #path));
    quote!(#[derive(Clone, #copy Debug, #default PartialEq #eq #(#extra)*)])
}

/// Marks where an empty line is wanted within an item; see [`format`](crate::format).
fn separated(parts: Vec<TokenStream>) -> TokenStream {
    let marker = crate::format::EMPTY_LINE;
    let mut parts = parts.into_iter();
    let first = parts.next();
    quote!(#first #(#[doc = #marker] #parts)*)
}
