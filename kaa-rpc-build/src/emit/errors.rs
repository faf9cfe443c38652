//! `error Name { … }`: an open enum that is also a std error.

use std::collections::BTreeSet;

use kaa_idl::schema::{DeclarationId, Enum, MessagePart, Type, Variant};
use proc_macro2::{Literal, TokenStream};
use quote::quote;

use super::Items;
use super::enums::EnumType;
use crate::module::{Module, names};
use crate::names::{VariantNames, fresh, plain};

pub(super) fn emit(module: &Module<'_>, id: DeclarationId, it: &Enum, items: &mut Items<'_, '_>) {
    let this = EnumType {
        module,
        id,
        it,
        names: module.names.variants(id),
    };
    this.definition("error", items);
    display(this, items);

    let name = module.path(id);
    items.push(quote!(impl std::error::Error for #name {}));

    names!(module; codegen);
    let name = module.path(id);
    let qualified = format!("{}.{}", module.package().name, it.name);
    items.push(quote! {
        impl #codegen::DeclaredError for #name {
            const NAME: &'static str = #qualified;
        }
    });

    this.serialize(items);
    this.variants(items);
}

fn display(this: EnumType<'_>, items: &mut Items<'_, '_>) {
    let EnumType {
        module,
        id,
        it,
        names,
    } = this;
    names!(module; fmt);
    let f = fresh(
        "f",
        names.variants.iter().flat_map(|variant| &variant.fields),
    );
    let arms: Vec<TokenStream> = this
        .each()
        .map(|(variant, names)| {
            let identifier = &names.identifier;
            let (used, message) = message(module, &f, variant, names);
            if variant.lifetime.deprecated.is_some()
                || !used.is_empty()
                    && variant
                        .fields
                        .iter()
                        .any(|field| field.lifetime.deprecated.is_some())
            {
                module.mention_deprecated();
            }
            let used_names = used.iter().map(|index| &names.fields[*index]);
            let pattern = match (variant.fields.len(), used.len()) {
                (0, _) => quote!(Self::#identifier),
                (_, 0) => quote!(Self::#identifier { .. }),
                (all, used) if used == all => quote!(Self::#identifier { #(#used_names),* }),
                _ => quote!(Self::#identifier { #(#used_names),*, .. }),
            };
            quote!(#pattern => #message,)
        })
        .collect();
    let unknown = (!it.strict).then(|| {
        let unknown = &names.unknown;
        quote!(Self::#unknown(unknown) => unknown.fmt(#f),)
    });
    let name = module.path(id);
    items.push(quote! {
        impl #fmt::Display for #name {
            fn fmt(&self, #f: &mut #fmt::Formatter<'_>) -> #fmt::Result {
                match self {
                    #(#arms)*
                    #unknown
                }
            }
        }
    });
}

/// The indexes of the fields that the message of `variant` has, and the expression that writes it to `f`.
fn message(
    module: &Module<'_>,
    f: &proc_macro2::Ident,
    variant: &Variant,
    names: &VariantNames,
) -> (BTreeSet<usize>, TokenStream) {
    let mut used = BTreeSet::new();
    let mut text = String::new();
    let mut template = String::new();
    for part in &variant.message {
        match part {
            MessagePart::Text(part) => {
                text.push_str(part);
                template.push_str(&part.replace('{', "{{").replace('}', "}}"));
            }
            MessagePart::Field(index) => {
                used.insert(*index);
                // A format string wants `{type}` for `r#type`.
                let name = plain(&names.fields[*index]);
                let how = if is_display(module, &variant.fields[*index].ty) {
                    ""
                } else {
                    ":?"
                };
                template.push_str(&format!("{{{name}{how}}}"));
            }
        }
    }
    if variant.message.is_empty() {
        text = variant.name.replace('_', " ");
    }
    let expression = if used.is_empty() {
        let text = Literal::string(&text);
        quote!(#f.write_str(#text))
    } else {
        let template = Literal::string(&template);
        quote!(write!(#f, #template))
    };
    (used, expression)
}

/// Whether a message shows it as it is rather than in Rust's debugging form.
fn is_display(module: &Module<'_>, ty: &Type) -> bool {
    matches!(
        module.schema.resolve(ty),
        Type::Bool | Type::Integer(_) | Type::F32 | Type::F64 | Type::String
    )
}
