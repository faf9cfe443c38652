//! `type Name = type;`

use kaa_idl::schema::{Alias, DeclarationId};
use quote::quote;

use super::Items;
use crate::module::Module;

pub(super) fn emit(module: &Module<'_>, id: DeclarationId, it: &Alias, items: &mut Items<'_, '_>) {
    let fallback = format!("`type {} = {}`", it.name, module.kidl().ty(&it.ty));
    let docs = module
        .docs()
        .declared(&it.doc, &fallback, &it.lifetime, &[]);
    let name = module.names.identifier(id);
    let ty = module.held(&it.ty, Some(id));
    items.push(quote! {
        #docs
        pub type #name = #ty;
    });
}
