//! What structs and variants have in common: their fields.

use kaa_idl::schema::{DeclarationId, Field};
use proc_macro2::{Ident, TokenStream};
use quote::quote;

use crate::module::Module;
use crate::names::fresh;
use crate::types::Absent;

/// The fields of a struct or of a variant.
#[derive(Clone, Copy, Debug)]
pub(super) struct Fields<'a> {
    pub(super) module: &'a Module<'a>,
    /// The struct or enum that has them.
    pub(super) owner: DeclarationId,
    pub(super) fields: &'a [Field],
    /// Their Rust names.
    pub(super) names: &'a [Ident],
}

impl<'a> Fields<'a> {
    fn each(self) -> impl Iterator<Item = (&'a Field, &'a Ident)> {
        self.fields.iter().zip(self.names)
    }

    /// Their names on the wire.
    pub(super) fn wire_names(self) -> impl Iterator<Item = &'a str> {
        self.fields.iter().map(|field| field.name.as_str())
    }

    /// Their definitions, with `visibility`.
    pub(super) fn definitions(self, visibility: &TokenStream) -> TokenStream {
        let definitions = self.each().map(|(field, name)| {
            let docs = self.docs(field);
            let ty = self.module.held(&field.ty, Some(self.owner));
            quote!(#docs #visibility #name: #ty)
        });
        quote!(#(#definitions),*)
    }

    fn docs(self, field: &Field) -> TokenStream {
        let mut notes = Vec::new();
        if let (Absent::Default(value), false) = (self.module.absent(field), field.doc.is_empty()) {
            notes.push(format!("`{}` if absent.", self.module.kidl().value(value)));
        }
        let fallback = format!("`{}`", self.module.kidl().field(field));
        self.module
            .docs()
            .declared(&field.doc, &fallback, &field.lifetime, &notes)
    }

    /// Says that the fields are about to be used.
    pub(super) fn mention(self) {
        if self
            .fields
            .iter()
            .any(|field| field.lifetime.deprecated.is_some())
        {
            self.module.mention_deprecated();
        }
    }

    /// A variable for what reads or writes the fields.
    pub(super) fn variable(self) -> Ident {
        fresh("fields", self.names)
    }

    /// Reads them all from `reader`, whatever their order: gives `path` (`Self`, `Self::File`).
    pub(super) fn read(
        self,
        reader: &Ident,
        wire_names: &TokenStream,
        path: &TokenStream,
    ) -> TokenStream {
        self.mention();
        if self.fields.is_empty() {
            return quote! {
                #reader.skip_all()?;
                Ok(#path {})
            };
        }
        let names = self.names;
        let arms = names.iter().enumerate().map(|(index, name)| {
            let index = proc_macro2::Literal::usize_unsuffixed(index);
            quote!(#index => #reader.read(&mut #name)?)
        });
        let field = fresh("field", names);
        let values = self
            .each()
            .map(|(field, name)| self.value(reader, field, name));
        quote! {
            #(let mut #names = None;)*
            while let Some(#field) = #reader.next(#wire_names)? {
                match #field {
                    #(#arms,)*
                    _ => #reader.skip()?,
                }
            }
            Ok(#path { #(#values),* })
        }
    }

    fn value(self, reader: &Ident, field: &Field, name: &Ident) -> TokenStream {
        let wire_name = &field.name;
        match self.module.absent(field) {
            Absent::Never => quote!(#name: #reader.required(#wire_name, #name)?),
            Absent::None => quote!(#name: #name.flatten()),
            Absent::Default(default) => {
                let value = self
                    .module
                    .or_default(&quote!(#name.flatten()), default, &field.ty);
                quote!(#name: #value)
            }
        }
    }

    /// Each absent, where none is required: `path { … }`.
    pub(super) fn absent(self, path: &TokenStream) -> Option<TokenStream> {
        self.mention();
        if self.fields.is_empty() {
            return Some(path.clone());
        }
        let values = self
            .each()
            .map(|(field, name)| {
                let value = self.default(field)?;
                Some(quote!(#name: #value))
            })
            .collect::<Option<Vec<_>>>()?;
        Some(quote!(#path { #(#values),* }))
    }

    /// What stands for `field` if it is absent.
    pub(super) fn default(self, field: &Field) -> Option<TokenStream> {
        match self.module.absent(field) {
            Absent::Never => None,
            Absent::None => Some(quote!(None)),
            Absent::Default(value) => Some(self.module.default(value, &field.ty)),
        }
    }

    /// How many are written; `access` makes an expression of a name.
    pub(super) fn count(self, access: impl Fn(&Ident) -> TokenStream) -> TokenStream {
        let optional: Vec<TokenStream> = self
            .each()
            .filter(|(field, _)| matches!(self.module.absent(field), Absent::None))
            .map(|(_, name)| {
                let value = access(name);
                quote!(usize::from(#value.is_some()))
            })
            .collect();
        let always = proc_macro2::Literal::usize_unsuffixed(self.fields.len() - optional.len());
        if self.fields.len() == optional.len() && !optional.is_empty() {
            quote!(#(#optional)+*)
        } else {
            quote!(#always #(+ #optional)*)
        }
    }

    /// Writes them to `writer`; `access` makes a reference of a name.
    pub(super) fn write(
        self,
        writer: &Ident,
        access: impl Fn(&Ident) -> TokenStream,
    ) -> TokenStream {
        self.mention();
        let statements = self.each().map(|(field, name)| {
            let wire_name = &field.name;
            let value = access(name);
            match self.module.absent(field) {
                Absent::None => quote!(#writer.optional(#wire_name, #value)?;),
                Absent::Never | Absent::Default(_) => quote!(#writer.field(#wire_name, #value)?;),
            }
        });
        quote!(#(#statements)*)
    }
}
