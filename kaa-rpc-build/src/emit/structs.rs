//! `struct Name { … }`

use kaa_idl::schema::{DeclarationId, Struct, Type};
use proc_macro2::TokenStream;
use quote::quote;

use super::fields::Fields;
use super::{Items, derives};
use crate::docs::own;
use crate::module::{Module, names};
use crate::types::Absent;

pub(super) fn emit(module: &Module<'_>, id: DeclarationId, it: &Struct, items: &mut Items<'_, '_>) {
    let fields = Fields {
        module,
        owner: id,
        fields: &it.fields,
        names: module.names.fields(id),
    };
    definition(fields, it, items);
    constructor(fields, it, items);
    serialize(fields, it, items);
    deserialize(fields, it, items);
}

fn definition(fields: Fields<'_>, it: &Struct, items: &mut Items<'_, '_>) {
    let Fields { module, owner, .. } = fields;
    let fallback = format!("`struct {}` of `{}`.", it.name, module.package().name);
    let docs = module
        .docs()
        .declared(&it.doc, &fallback, &it.lifetime, &[]);
    let is_default = !derives_default(fields) && is_zero(fields);
    let derives = derives(module, owner, if is_default { &["Default"] } else { &[] });
    let name = module.path(owner);
    let definitions = fields.definitions(&quote!(pub));
    fields.mention();
    items.push(quote! {
        #docs
        #derives
        pub struct #name {
            #definitions
        }
    });
}

/// `new`, and `Default` where `new` needs nothing.
fn constructor(fields: Fields<'_>, it: &Struct, items: &mut Items<'_, '_>) {
    if it.fields.is_empty() {
        return default(fields, &quote!(Self {}), items);
    }
    let Fields { module, owner, .. } = fields;
    let mut parameters = Vec::new();
    let mut values = Vec::new();
    let mut is_const = true;
    for (field, name) in it.fields.iter().zip(fields.names) {
        let is_string = matches!(module.schema.resolve(&field.ty), Type::String);
        match (fields.default(field), module.absent(field)) {
            (Some(default), absent) => {
                is_const &= !matches!(absent, Absent::Default(value) if !module.is_const(value));
                values.push(quote!(#name: #default));
            }
            (None, _) if is_string => {
                names!(module; Into, String);
                is_const = false;
                parameters.push(quote!(#name: impl #Into<#String>));
                values.push(quote!(#name: #name.into()));
            }
            (None, _) => {
                let ty = module.held(&field.ty, Some(owner));
                parameters.push(quote!(#name: #ty));
                values.push(quote!(#name));
            }
        }
    }
    if parameters.is_empty() {
        return default(fields, &quote!(Self { #(#values),* }), items);
    }
    let docs = own(if parameters.len() == it.fields.len() {
        "Makes one from all its fields."
    } else {
        "Makes one from the fields that must be there; the others are absent or have their defaults."
    });
    let constness = is_const.then(|| quote!(const));
    let name = module.path(owner);
    fields.mention();
    items.push(quote! {
        impl #name {
            #docs
            #[must_use]
            pub #constness fn new(#(#parameters),*) -> Self {
                Self { #(#values),* }
            }
        }
    });
}

fn default(fields: Fields<'_>, value: &TokenStream, items: &mut Items<'_, '_>) {
    let Fields { module, owner, .. } = fields;
    if derives_default(fields) || is_zero(fields) {
        return;
    }
    names!(module; Default);
    let name = module.path(owner);
    fields.mention();
    items.push(quote! {
        impl #Default for #name {
            fn default() -> Self {
                #value
            }
        }
    });
}

/// Whether the user said that it derives `Default`.
fn derives_default(fields: Fields<'_>) -> bool {
    let declared = fields.module.schema.declaration(fields.owner).name();
    let mut derives = fields.module.config.derives.iter();
    derives.any(|(of, path)| path.ends_with("Default") && of.rsplit('.').next() == Some(declared))
}

/// Whether what stands for absent fields is what a derived `Default` gives.
fn is_zero(fields: Fields<'_>) -> bool {
    let Fields { module, fields, .. } = fields;
    fields.iter().all(|field| match module.absent(field) {
        Absent::Never => false,
        Absent::None => true,
        Absent::Default(value) => module.is_zero(value),
    })
}

fn serialize(fields: Fields<'_>, it: &Struct, items: &mut Items<'_, '_>) {
    let Fields { module, owner, .. } = fields;
    names!(module; Result, codegen, serde);
    let name = module.path(owner);
    let s = module.type_parameter("S");
    let wire_name = &it.name;
    let writer = crate::names::identifier("fields");
    let count = fields.count(|name| quote!(self.#name));
    let write = fields.write(&writer, |name| quote!(&self.#name));
    let mutability = (!it.fields.is_empty()).then(|| quote!(mut));
    items.push(quote! {
        impl #serde::Serialize for #name {
            fn serialize<#s: #serde::Serializer>(&self, serializer: #s) -> #Result<#s::Ok, #s::Error> {
                let #mutability #writer = #codegen::write_record(serializer, #wire_name, #count)?;
                #write
                #writer.end()
            }
        }
    });
}

fn deserialize(fields: Fields<'_>, it: &Struct, items: &mut Items<'_, '_>) {
    let Fields { module, owner, .. } = fields;
    names!(module; Result, codegen, serde);
    let name = module.path(owner);
    let (a, d) = (module.type_parameter("A"), module.type_parameter("D"));
    let wire_name = &it.name;
    let wire_names = fields.wire_names();
    let reader = fields.variable();
    let read = fields.read(&reader, &quote!(Self::FIELDS), &quote!(Self));
    let empty_line = crate::format::EMPTY_LINE;
    items.push(quote! {
        impl<'de> #codegen::Record<'de> for #name {
            const NAME: &'static str = #wire_name;
            const FIELDS: &'static [&'static str] = &[#(#wire_names),*];

            #[doc = #empty_line]
            fn read<#a: #serde::de::MapAccess<'de>>(
                mut #reader: #codegen::Fields<#a>,
            ) -> #Result<Self, #a::Error> {
                #read
            }
        }
    });
    let name = module.path(owner);
    items.push(quote! {
        impl<'de> #serde::Deserialize<'de> for #name {
            fn deserialize<#d: #serde::Deserializer<'de>>(deserializer: #d) -> #Result<Self, #d::Error> {
                #codegen::read_record(deserializer)
            }
        }
    });
}
