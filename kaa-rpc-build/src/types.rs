//! The types of a schema in Rust.

use kaa_idl::schema::{Declaration, DeclarationId, Field, Type, Value};
use proc_macro2::{Ident, Span, TokenStream};
use quote::{ToTokens, quote};

use crate::facts::needs_box;
use crate::module::{Module, names};

/// What a field or an optional parameter is when it is absent.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Absent<'a> {
    /// It may not be.
    Never,
    /// `None`
    None,
    /// This value.
    Default(&'a Value),
}

impl Module<'_> {
    pub(crate) fn is_optional(&self, ty: &Type) -> bool {
        matches!(self.schema.resolve(ty), Type::Optional(_))
    }

    /// What stands for an absent `field`.
    pub(crate) fn absent<'f>(&self, field: &'f Field) -> Absent<'f> {
        match &field.default {
            _ if self.is_optional(&field.ty) => Absent::None,
            Some(value) => Absent::Default(value),
            None => Absent::Never,
        }
    }

    /// A type as handlers, results and fields have it.
    pub(crate) fn owned(&self, ty: &Type) -> TokenStream {
        self.held(ty, None)
    }

    /// The type of a field, or of an alias, of `owner`: as [`owned`](Self::owned), but boxed where
    /// `owner` would contain itself.
    pub(crate) fn held(&self, ty: &Type, owner: Option<DeclarationId>) -> TokenStream {
        match ty {
            Type::Optional(inner) => {
                names!(self; Option);
                let tokens = self.held(inner, owner);
                if owner.is_some_and(|owner| needs_box(self.schema, inner, owner)) {
                    names!(self; Box);
                    quote!(#Option<#Box<#tokens>>)
                } else {
                    quote!(#Option<#tokens>)
                }
            }
            Type::List(item) => {
                names!(self; Vec);
                let item = self.held(item, None);
                quote!(#Vec<#item>)
            }
            Type::Map(key, value) => {
                names!(self; BTreeMap);
                let (key, value) = (self.held(key, None), self.held(value, None));
                quote!(#BTreeMap<#key, #value>)
            }
            Type::Tuple(members) => {
                let members = members.iter().map(|member| self.held(member, owner));
                quote!((#(#members),*))
            }
            Type::Named(id) => self.path(*id),
            Type::String => self.name("String"),
            Type::Bytes => self.name("Bytes"),
            Type::Timestamp => self.name("Timestamp"),
            Type::Duration => self.name("Duration"),
            Type::Any => self.name("Value"),
            Type::Bool => quote!(bool),
            Type::F32 => quote!(f32),
            Type::F64 => quote!(f64),
            Type::Integer(integer) => {
                Ident::new(integer.name(), Span::call_site()).into_token_stream()
            }
            Type::Stream(item) => {
                names!(self; Items);
                let item = self.held(item, None);
                quote!(#Items<#item>)
            }
        }
    }

    /// A type as a caller gives it, which is borrowed unless it is `Copy`. Of an optional type what is
    /// inside: who has nothing to give does not set it.
    pub(crate) fn borrowed(&self, ty: &Type) -> TokenStream {
        match self.schema.resolve(ty) {
            Type::Optional(inner) => self.borrowed(inner),
            _ if self.is_copy(ty) => self.owned(ty),
            Type::String => quote!(&'a str),
            Type::Bytes => quote!(&'a [u8]),
            Type::List(item) => {
                let item = self.owned(item);
                quote!(&'a [#item])
            }
            Type::Stream(item) => {
                names!(self; codegen);
                let item = self.owned(item);
                quote!(impl #codegen::ItemSource<#item>)
            }
            _ => {
                let ty = self.owned(ty);
                quote!(&'a #ty)
            }
        }
    }

    /// A type as the functions of a proxy take it: [`borrowed`](Self::borrowed), but for bytes, which callers may have
    /// in several forms.
    pub(crate) fn given(&self, ty: &Type) -> TokenStream {
        if self.is_bytes(ty) {
            names!(self; Into);
            let kept = self.kept(ty);
            quote!(impl #Into<#kept>)
        } else {
            self.borrowed(ty)
        }
    }

    /// A type as a call keeps it that was [`given`](Self::given).
    pub(crate) fn kept(&self, ty: &Type) -> TokenStream {
        if self.is_bytes(ty) {
            names!(self; codegen);
            quote!(#codegen::BytesArgument<'a>)
        } else {
            self.borrowed(ty)
        }
    }

    /// `value`, which was [`given`](Self::given), as it is [`kept`](Self::kept).
    pub(crate) fn keep(&self, ty: &Type, value: &TokenStream) -> TokenStream {
        if self.is_bytes(ty) {
            quote!(#value.into())
        } else {
            value.clone()
        }
    }

    /// Whether callers give it by value.
    pub(crate) fn is_copy(&self, ty: &Type) -> bool {
        match self.schema.resolve(ty) {
            Type::Bool
            | Type::Integer(_)
            | Type::F32
            | Type::F64
            | Type::Timestamp
            | Type::Duration => true,
            Type::Optional(inner) => self.is_copy(inner),
            Type::Named(id) => match self.schema.declaration(*id) {
                Declaration::Enum(it) => {
                    it.strict && it.variants.iter().all(|variant| variant.fields.is_empty())
                }
                _ => false,
            },
            _ => false,
        }
    }

    /// Whether it is a stream of items, which comes beside the arguments.
    pub(crate) fn is_stream(&self, ty: &Type) -> bool {
        matches!(self.schema.resolve(ty), Type::Stream(_))
    }

    pub(crate) fn is_bytes(&self, ty: &Type) -> bool {
        match self.schema.resolve(ty) {
            Type::Bytes => true,
            Type::Optional(inner) => self.is_bytes(inner),
            _ => false,
        }
    }
}
