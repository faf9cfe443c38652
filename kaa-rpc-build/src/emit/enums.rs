//! `enum Name { … }`, and what errors have in common with it.

use kaa_idl::schema::{DeclarationId, Enum, Variant};
use proc_macro2::{Ident, Literal, TokenStream};
use quote::quote;

use super::fields::Fields;
use super::{Items, derives, separated};
use crate::docs::own;
use crate::module::{Module, names};
use crate::names::{EnumNames, VariantNames, fresh};

pub(super) fn emit(module: &Module<'_>, id: DeclarationId, it: &Enum, items: &mut Items<'_, '_>) {
    let this = EnumType {
        module,
        id,
        it,
        names: module.names.variants(id),
    };
    this.definition("enum", items);
    this.serialize(items);
    this.variants(items);
}

/// An enum or an error while it is written.
#[derive(Clone, Copy, Debug)]
pub(super) struct EnumType<'a> {
    pub(super) module: &'a Module<'a>,
    pub(super) id: DeclarationId,
    pub(super) it: &'a Enum,
    pub(super) names: &'a EnumNames,
}

impl<'a> EnumType<'a> {
    pub(super) fn each(self) -> impl Iterator<Item = (&'a Variant, &'a VariantNames)> {
        self.it.variants.iter().zip(&self.names.variants)
    }

    fn fields(self, variant: &'a Variant, names: &'a VariantNames) -> Fields<'a> {
        if variant.lifetime.deprecated.is_some() {
            self.module.mention_deprecated();
        }
        Fields {
            module: self.module,
            owner: self.id,
            fields: &variant.fields,
            names: &names.fields,
        }
    }

    pub(super) fn definition(self, keyword: &str, items: &mut Items<'_, '_>) {
        let Self {
            module,
            id,
            it,
            names,
        } = self;
        let fallback = format!("`{keyword} {}` of `{}`.", it.name, module.package().name);
        let docs = module
            .docs()
            .declared(&it.doc, &fallback, &it.lifetime, &[]);
        let is_plain = it.variants.iter().all(|variant| variant.fields.is_empty());
        let derives = derives(
            module,
            id,
            if it.strict && is_plain {
                &["Copy"]
            } else {
                &[]
            },
        );
        let name = module.path(id);
        let variants = self.each().map(|(variant, names)| {
            let docs = self.variant_docs(variant);
            let identifier = &names.identifier;
            if variant.fields.is_empty() {
                return quote!(#docs #identifier);
            }
            let fields = self.fields(variant, names);
            fields.mention();
            let definitions = fields.definitions(&TokenStream::new());
            quote!(#docs #identifier { #definitions })
        });
        let variants: Vec<TokenStream> = variants.collect();
        let unknown = (!it.strict).then(|| {
            names!(module; Unknown);
            let docs = own("A variant that this schema does not know.");
            let unknown = &names.unknown;
            quote!(#docs #unknown(#Unknown))
        });
        let variants = variants.into_iter().chain(unknown);
        items.push(quote! {
            #docs
            #derives
            pub enum #name {
                #(#variants),*
            }
        });
    }

    fn variant_docs(self, variant: &Variant) -> TokenStream {
        let kidl = self.module.kidl();
        let fallback = if variant.fields.is_empty() {
            format!("`{}`", variant.name)
        } else {
            format!("`{} {{ {} }}`", variant.name, kidl.fields(&variant.fields))
        };
        self.module
            .docs()
            .declared(&variant.doc, &fallback, &variant.lifetime, &[])
    }

    pub(super) fn serialize(self, items: &mut Items<'_, '_>) {
        let Self {
            module,
            id,
            it,
            names,
        } = self;
        names!(module; Result, serde);
        let serializer = fresh(
            "serializer",
            self.names
                .variants
                .iter()
                .flat_map(|variant| &variant.fields),
        );
        let arms: Vec<TokenStream> = self
            .each()
            .enumerate()
            .map(|(index, (variant, names))| self.write(&serializer, index, variant, names))
            .collect();
        let unknown = (!it.strict).then(|| {
            let unknown = &names.unknown;
            quote!(Self::#unknown(unknown) => unknown.serialize(#serializer),)
        });
        let s = module.type_parameter("S");
        let name = module.path(id);
        items.push(quote! {
            impl #serde::Serialize for #name {
                fn serialize<#s: #serde::Serializer>(&self, #serializer: #s) -> #Result<#s::Ok, #s::Error> {
                    match self {
                        #(#arms)*
                        #unknown
                    }
                }
            }
        });
    }

    fn write(
        self,
        serializer: &Ident,
        index: usize,
        variant: &'a Variant,
        names: &'a VariantNames,
    ) -> TokenStream {
        let index = Literal::usize_unsuffixed(index);
        let (name, wire_name) = (&self.it.name, &variant.name);
        let identifier = &names.identifier;
        let fields = self.fields(variant, names);
        if variant.fields.is_empty() {
            return quote!(Self::#identifier => #serializer.serialize_unit_variant(#name, #index, #wire_name),);
        }
        names!(self.module; codegen);
        let writer = fields.variable();
        let bindings = fields.names;
        let count = fields.count(|name| quote!(#name));
        let write = fields.write(&writer, |name| quote!(#name));
        quote! {
            Self::#identifier { #(#bindings),* } => {
                let mut #writer = #codegen::write_variant(#serializer, #name, #index, #wire_name, #count)?;
                #write
                #writer.end()
            }
        }
    }

    pub(super) fn variants(self, items: &mut Items<'_, '_>) {
        let Self { module, id, it, .. } = self;
        names!(module; Result, codegen, serde);
        let wire_name = &it.name;
        let wire_names = it.variants.iter().map(|variant| &variant.name);
        let consts = quote! {
            const NAME: &'static str = #wire_name;
            const VARIANTS: &'static [&'static str] = &[#(#wire_names),*];
        };
        let read = self.read();
        let (generics, lifetime) = if read.is_some() {
            (quote!(<'de>), quote!('de))
        } else {
            (quote!(), quote!('_))
        };
        let mut parts = vec![consts, self.plain()];
        parts.extend(read);
        parts.extend(self.unknown());
        let parts = separated(parts);
        let name = module.path(id);
        items.push(quote! {
            impl #generics #codegen::Variants<#lifetime> for #name {
                #parts
            }
        });
        let d = module.type_parameter("D");
        let name = module.path(id);
        items.push(quote! {
            impl<'de> #serde::Deserialize<'de> for #name {
                fn deserialize<#d: #serde::Deserializer<'de>>(deserializer: #d) -> #Result<Self, #d::Error> {
                    #codegen::read_variant(deserializer)
                }
            }
        });
    }

    /// Makes a variant of its mere name.
    fn plain(self) -> TokenStream {
        names!(self.module; Option);
        let arms: Vec<TokenStream> = self
            .each()
            .enumerate()
            .filter_map(|(index, (variant, names))| {
                let index = Literal::usize_unsuffixed(index);
                let identifier = &names.identifier;
                let value = self
                    .fields(variant, names)
                    .absent(&quote!(Self::#identifier))?;
                Some(quote!(#index => Some(#value),))
            })
            .collect();
        if arms.is_empty() {
            return quote! {
                fn plain(_: usize) -> #Option<Self> {
                    None
                }
            };
        }
        quote! {
            fn plain(variant: usize) -> #Option<Self> {
                match variant {
                    #(#arms)*
                    _ => None,
                }
            }
        }
    }

    /// Reads the fields of a variant; nothing if no variant has any.
    fn read(self) -> Option<TokenStream> {
        let all: Vec<Ident> = self
            .names
            .variants
            .iter()
            .flat_map(|variant| variant.fields.clone())
            .collect();
        let reader = fresh("fields", &all);
        let arms: Vec<TokenStream> = self
            .each()
            .enumerate()
            .filter(|(_, (variant, _))| !variant.fields.is_empty())
            .map(|(index, (variant, names))| {
                let index = Literal::usize_unsuffixed(index);
                let identifier = &names.identifier;
                let fields = self.fields(variant, names);
                let wire_names = fields.wire_names();
                let read = fields.read(
                    &reader,
                    &quote!(&[#(#wire_names),*]),
                    &quote!(Self::#identifier),
                );
                quote!(#index => { #read })
            })
            .collect();
        if arms.is_empty() {
            return None;
        }
        names!(self.module; Result, codegen, serde);
        let variant = fresh("variant", &all);
        let a = self.module.type_parameter("A");
        Some(quote! {
            fn read<#a: #serde::de::MapAccess<'de>>(
                #variant: usize,
                mut #reader: #codegen::Fields<#a>,
            ) -> #Result<Self, #a::Error> {
                match #variant {
                    #(#arms)*
                    _ => #codegen::read_plain(#variant, #reader),
                }
            }
        })
    }

    /// Keeps unknown variants, if it is open.
    fn unknown(self) -> Option<TokenStream> {
        if self.it.strict {
            return None;
        }
        names!(self.module; Result, Unknown);
        let unknown = &self.names.unknown;
        Some(quote! {
            fn unknown(unknown: #Unknown) -> #Result<Self, #Unknown> {
                Ok(Self::#unknown(unknown))
            }
        })
    }
}
