//! `const NAME: type = value;`

use kaa_idl::schema::{Const, DeclarationId, Type};
use quote::quote;

use super::Items;
use crate::module::Module;

pub(super) fn emit(module: &Module<'_>, id: DeclarationId, it: &Const, items: &mut Items<'_, '_>) {
    let fallback = format!("`const {}: {}`", it.name, module.kidl().ty(&it.ty));
    let docs = module
        .docs()
        .declared(&it.doc, &fallback, &it.lifetime, &[]);
    let name = module.names.identifier(id);
    let ty = match module.schema.resolve(&it.ty) {
        Type::String => quote!(&str),
        _ => module.owned(&it.ty),
    };
    let value = module.constant(&it.value, &it.ty);
    items.push(quote! {
        #docs
        pub const #name: #ty = #value;
    });
}
