//! The arguments of a call, as its caller has them.

use kaa_idl::schema::{Function, Parameter, ParameterKind, Type};
use proc_macro2::{Ident, Literal, TokenStream};
use quote::quote;

use crate::module::{Module, names};
use crate::names::{FunctionNames, ParameterNames, has_setters};

/// The parameters of a function.
#[derive(Clone, Copy, Debug)]
pub(super) struct Parameters<'a> {
    pub(super) module: &'a Module<'a>,
    pub(super) function: &'a Function,
    pub(super) names: &'a FunctionNames,
}

impl<'a> Parameters<'a> {
    pub(super) fn each(self) -> impl Iterator<Item = (&'a Parameter, &'a ParameterNames)> {
        self.function.parameters.iter().zip(&self.names.parameters)
    }

    /// The variables that a caller gives in any case.
    pub(super) fn required(self) -> impl Iterator<Item = (&'a Parameter, &'a Ident)> {
        self.each()
            .filter(|(parameter, _)| parameter.kind == ParameterKind::Required)
            .map(|(parameter, names)| (parameter, &names.variable))
    }

    /// Whether `parameter` holds something for the lifetime `'a`.
    pub(super) fn borrows(self, parameter: &Parameter) -> bool {
        match parameter.kind {
            ParameterKind::Required | ParameterKind::Optional(_) => {
                !self.module.is_copy(&parameter.ty) && !self.module.is_stream(&parameter.ty)
            }
            ParameterKind::Rest => !self.is_owned_item(&parameter.ty),
            ParameterKind::Kwargs => !self.is_any(&parameter.ty),
        }
    }

    fn any_borrows(self) -> bool {
        self.each().any(|(parameter, _)| self.borrows(parameter))
    }

    fn is_any(self, ty: &Type) -> bool {
        matches!(self.module.schema.resolve(ty), Type::Any)
    }

    /// Whether one of many arguments is given by value: what is made on the spot, and what may be nil.
    fn is_owned_item(self, ty: &Type) -> bool {
        self.is_any(ty) || self.module.is_optional(ty) || self.module.is_copy(ty)
    }

    /// The type of one of many arguments.
    pub(super) fn item(self, ty: &Type) -> TokenStream {
        if self.is_owned_item(ty) {
            self.module.owned(ty)
        } else {
            self.module.borrowed(ty)
        }
    }

    /// `PlayerPlayArguments<'a>`
    pub(super) fn type_name(self) -> TokenStream {
        let name = &self.names.arguments;
        let lifetime = self.any_borrows().then(|| quote!(<'a>));
        quote!(#name #lifetime)
    }

    /// The type of the arguments where a tuple does.
    pub(super) fn tuple(self) -> TokenStream {
        let members = self.required().map(|(parameter, _)| self.held(parameter));
        quote!((#(#members,)*))
    }

    /// The tuple itself.
    pub(super) fn tuple_value(self) -> TokenStream {
        let members = self
            .required()
            .map(|(parameter, name)| self.given(parameter, name));
        quote!((#(#members,)*))
    }

    /// What stands in the arguments for a required parameter: itself, or a stream's number.
    fn given(self, parameter: &Parameter, name: &Ident) -> TokenStream {
        match self
            .streams()
            .position(|(stream, _)| stream.name == parameter.name)
        {
            Some(number) => {
                let module = self.module;
                names!(module; codegen);
                let number = Literal::u8_unsuffixed(u8::try_from(number).unwrap_or(u8::MAX));
                quote!(#codegen::StreamArgument(#number))
            }
            None => self.module.keep(&parameter.ty, &quote!(#name)),
        }
    }

    /// The parameters whose items come beside the arguments.
    pub(super) fn streams(self) -> impl Iterator<Item = (&'a Parameter, &'a Ident)> {
        self.required()
            .filter(move |(parameter, _)| self.module.is_stream(&parameter.ty))
    }

    /// The type that holds the arguments where a tuple does not do.
    pub(super) fn definition(self) -> TokenStream {
        let fields = self.each().map(|(parameter, names)| {
            let name = &names.variable;
            let ty = self.held(parameter);
            quote!(#name: #ty)
        });
        let ty = self.type_name();
        if has_setters(self.function) {
            return quote!(struct #ty { #(#fields),* });
        }
        let docs = crate::docs::own(&format!("The arguments of `{}`.", self.function.name));
        quote!(#docs #[derive(Debug)] pub struct #ty { #(#fields),* })
    }

    fn held(self, parameter: &Parameter) -> TokenStream {
        let module = self.module;
        match parameter.kind {
            ParameterKind::Required if module.is_stream(&parameter.ty) => {
                names!(module; codegen);
                quote!(#codegen::StreamArgument)
            }
            ParameterKind::Required => module.kept(&parameter.ty),
            ParameterKind::Optional(_) => {
                names!(module; Option);
                let ty = module.kept(&parameter.ty);
                quote!(#Option<#ty>)
            }
            ParameterKind::Rest => {
                names!(module; Vec);
                let ty = self.item(&parameter.ty);
                quote!(#Vec<#ty>)
            }
            ParameterKind::Kwargs if self.is_any(&parameter.ty) => {
                names!(module; Kwargs);
                Kwargs
            }
            ParameterKind::Kwargs => {
                names!(module; Vec);
                let ty = self.item(&parameter.ty);
                quote!(#Vec<(&'a str, #ty)>)
            }
        }
    }

    /// `PlayerPlayArguments { id, at: None }`
    pub(super) fn value(self) -> TokenStream {
        let module = self.module;
        let fields = self.each().map(|(parameter, names)| {
            let name = &names.variable;
            match parameter.kind {
                ParameterKind::Required
                    if module.is_stream(&parameter.ty) || module.is_bytes(&parameter.ty) =>
                {
                    let value = self.given(parameter, name);
                    quote!(#name: #value)
                }
                ParameterKind::Required => quote!(#name),
                ParameterKind::Optional(_) => quote!(#name: None),
                ParameterKind::Kwargs if self.is_any(&parameter.ty) => {
                    names!(module; Kwargs);
                    quote!(#name: #Kwargs::new())
                }
                ParameterKind::Rest | ParameterKind::Kwargs => {
                    names!(module; Vec);
                    quote!(#name: #Vec::new())
                }
            }
        });
        let name = &self.names.arguments;
        quote!(#name { #(#fields),* })
    }

    /// Writes the arguments: required and rest ones by position, the others by name.
    pub(super) fn implementation(self) -> TokenStream {
        let module = self.module;
        names!(module; Arguments, Result, codegen);
        let statements = self
            .each()
            .map(|(parameter, names)| self.write(parameter, &names.variable));
        let name = &self.names.arguments;
        let lifetime = self.any_borrows().then(|| quote!(<'_>));
        quote! {
            impl #Arguments for #name #lifetime {
                fn encode(&self, out: &mut #codegen::Encoder) -> #Result<(), #codegen::EncodeError> {
                    #(#statements)*
                    Ok(())
                }
            }
        }
    }

    fn write(self, parameter: &Parameter, variable: &Ident) -> TokenStream {
        let wire_name = &parameter.name;
        match parameter.kind {
            ParameterKind::Required => {
                quote!(out.positional(&self.#variable)?;)
            }
            ParameterKind::Optional(_) => quote!(out.optional(#wire_name, self.#variable)?;),
            ParameterKind::Rest => {
                let argument = self.item_value(parameter, "argument");
                quote! {
                    for argument in &self.#variable {
                        out.positional(#argument)?;
                    }
                }
            }
            ParameterKind::Kwargs if self.is_any(&parameter.ty) => {
                quote!(out.kwargs(&self.#variable)?;)
            }
            ParameterKind::Kwargs => {
                let value = self.item_value(parameter, "value");
                quote! {
                    for (name, value) in &self.#variable {
                        out.named(name, #value)?;
                    }
                }
            }
        }
    }

    /// A reference to one of many arguments, in the form that is written.
    fn item_value(self, parameter: &Parameter, variable: &str) -> TokenStream {
        let variable = crate::names::identifier(variable);
        if self.module.is_bytes(&parameter.ty) && !self.module.is_optional(&parameter.ty) {
            let module = self.module;
            names!(module; codegen);
            quote!(&#codegen::AsBytes(#variable))
        } else {
            quote!(#variable)
        }
    }
}
