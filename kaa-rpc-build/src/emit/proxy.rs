//! The proxy that calls an interface at the other end of a channel.

use kaa_idl::schema::{DeclarationId, Interface, Parameter, ParameterKind, Type, Value};
use proc_macro2::{Ident, TokenStream};
use quote::quote;

use super::arguments::Parameters;
use super::interface_trait::{parameter_docs, wire_name_note};
use super::{Items, separated};
use crate::docs::own;
use crate::module::{Module, names};
use crate::names::{ParameterNames, fresh, has_setters, needs_arguments, plain};

pub(super) fn emit(
    module: &Module<'_>,
    id: DeclarationId,
    it: &Interface,
    items: &mut Items<'_, '_>,
) {
    definition(module, id, it, items);
    functions(module, id, it, items);
    let names = module.names.interface(id);
    for (function, function_names) in it.functions.iter().zip(&names.functions) {
        let parameters = Parameters {
            module,
            function,
            names: function_names,
        };
        let call = CallType {
            parameters,
            client: &names.client,
        };
        if needs_arguments(function) {
            items.push(parameters.definition());
            items.push(parameters.implementation());
        }
        if has_setters(function) {
            call.definition(items);
            call.setters(items);
            call.awaiting(items);
        }
    }
}

fn definition(module: &Module<'_>, id: DeclarationId, it: &Interface, items: &mut Items<'_, '_>) {
    names!(module; codegen);
    let interface = module.names.identifier(id);
    let link = if module.facts.is_exposed(id) {
        format!("[`{interface}`]")
    } else {
        format!("`{interface}`")
    };
    let mut lines = vec![format!("Calls the {link} at the other end of a channel.")];
    if !it.doc.is_empty() && !module.facts.is_exposed(id) {
        // Else one reads it at the trait.
        lines.push(String::new());
        lines.extend(module.docs().lines(&it.doc));
    }
    let docs = crate::docs::attributes(&lines);
    let deprecated = module.docs().deprecated(&it.lifetime);
    let client = module.derived_path(id, &module.names.interface(id).client);
    items.push(quote! {
        #docs
        #deprecated
        #[derive(Clone, Debug)]
        pub struct #client {
            proxy: #codegen::Proxy,
        }
    });
}

fn functions(module: &Module<'_>, id: DeclarationId, it: &Interface, items: &mut Items<'_, '_>) {
    names!(module; Channel, Into, String, codegen);
    let names = module.names.interface(id);
    let mut functions = vec![
        quote! {
            /// Calls what the other end of `channel` exposes.
            #[must_use]
            pub fn new(channel: &#Channel) -> Self {
                Self { proxy: #codegen::Proxy::new(channel) }
            }
        },
        quote! {
            /// Calls what the other end of `channel` exposes under `prefix`, such as `left.`.
            #[must_use]
            pub fn at(channel: &#Channel, prefix: impl #Into<#String>) -> Self {
                Self { proxy: #codegen::Proxy::at(channel, prefix) }
            }
        },
        quote! {
            /// The channel that carries the calls.
            #[must_use]
            pub fn channel(&self) -> &#Channel {
                self.proxy.channel()
            }
        },
    ];
    functions.extend(it.functions.iter().zip(&names.functions).map(
        |(function, names_of_function)| {
            let parameters = Parameters {
                module,
                function,
                names: names_of_function,
            };
            CallType {
                parameters,
                client: &names.client,
            }
            .function()
        },
    ));
    let functions = separated(functions);
    let client = module.derived_path(id, &names.client);
    items.push(quote! {
        impl #client {
            #functions
        }
    });
}

/// What a function of the proxy gives.
#[derive(Clone, Copy, Debug)]
struct CallType<'a> {
    parameters: Parameters<'a>,
    client: &'a Ident,
}

impl CallType<'_> {
    fn module(&self) -> &Module<'_> {
        self.parameters.module
    }

    /// The type of the result.
    fn result(&self) -> TokenStream {
        let result = self.parameters.function.result.as_ref();
        result.map_or_else(|| quote!(()), |result| self.module().owned(result))
    }

    /// The type of the error, if it is not the usual one.
    fn failure(&self) -> Option<TokenStream> {
        let error = self.parameters.function.throws?;
        let module = self.module();
        names!(module; CallError);
        let error = module.path(error);
        Some(quote!(#CallError<#error>))
    }

    /// `Call<'a, (u64,), State, CallError<PlayError>>`
    fn call(&self, lifetime: &TokenStream) -> TokenStream {
        let module = self.module();
        names!(module; Call);
        let parameters = self.parameters;
        let arguments = if needs_arguments(parameters.function) {
            parameters.type_name()
        } else {
            parameters.tuple()
        };
        let result = self.result();
        let failure = self.failure().map(|failure| quote!(, #failure));
        quote!(#Call<#lifetime, #arguments, #result #failure>)
    }

    /// The function of the proxy.
    fn function(&self) -> TokenStream {
        let Parameters {
            module,
            function,
            names,
        } = self.parameters;
        let docs = self.function_docs();
        let required = self.parameters.required().map(|(parameter, name)| {
            let ty = module.borrowed(&parameter.ty);
            quote!(#name: #ty)
        });
        let required: Vec<TokenStream> = required.collect();
        let borrows = self
            .parameters
            .required()
            .any(|(parameter, _)| self.parameters.borrows(parameter));
        let (generics, receiver, lifetime) = if borrows {
            (quote!(<'a>), quote!(&'a self), quote!('a))
        } else {
            (quote!(), quote!(&self), quote!('_))
        };
        let own_type = has_setters(function);
        let returned = if own_type {
            let call = &names.call;
            quote!(#call<#lifetime>)
        } else {
            self.call(&lifetime)
        };
        let mut arguments = self.parameters.tuple_value();
        let mut before = None;
        if needs_arguments(function) {
            let (variable, value) = (
                fresh(
                    "arguments",
                    self.parameters.required().map(|(_, name)| name),
                ),
                self.parameters.value(),
            );
            before = Some(quote!(let #variable = #value;));
            arguments = quote!(#variable);
        }
        let wire_name = &function.wire_name;
        let oneway = function.oneway.then(|| quote!(.oneway()));
        let timeout = function.timeout.map(|timeout| {
            let timeout = module.constant(&Value::Duration(timeout), &Type::Duration);
            quote!(.timeout(#timeout))
        });
        let mut call = quote!(self.proxy.call(#wire_name, #arguments)#oneway #timeout);
        if own_type {
            let ty = &names.call;
            call = quote!(#ty(#call));
        }
        let name = &names.identifier;
        quote! {
            #docs
            pub fn #name #generics(#receiver #(, #required)*) -> #returned {
                #before
                #call
            }
        }
    }

    fn function_docs(&self) -> TokenStream {
        let Parameters {
            module, function, ..
        } = self.parameters;
        let mut notes = wire_name_note(function);
        if let Some(timeout) = function.timeout {
            notes.push(format!(
                "Times out after {}, unless the call says otherwise.",
                crate::kidl::duration(timeout)
            ));
        }
        if function.idempotent {
            notes.push("Idempotent: to run it twice is to run it once.".to_owned());
        }
        let fallback = format!("`{}`", module.kidl().function(function));
        let parameters = parameter_docs(module, function, |kind| *kind == ParameterKind::Required);
        module.docs().function(
            &function.doc,
            &fallback,
            &function.lifetime,
            &notes,
            parameters,
        )
    }

    /// The type of a call that has setters.
    fn definition(&self, items: &mut Items<'_, '_>) {
        let names = self.parameters.names;
        let docs = own(&format!(
            "A call of [`{0}::{1}`].",
            self.client,
            plain(&names.identifier)
        ));
        let name = &names.call;
        let call = self.call(&quote!('a));
        items.push(quote! {
            #docs
            #[must_use = "a call does nothing until it is awaited or started"]
            pub struct #name<'a>(#call);
        });
    }

    fn setters(&self, items: &mut Items<'_, '_>) {
        let Parameters {
            function, names, ..
        } = self.parameters;
        let setters: Vec<_> = self
            .parameters
            .each()
            .filter(|(parameter, _)| parameter.kind != ParameterKind::Required)
            .collect();
        let mut functions: Vec<TokenStream> = setters
            .iter()
            .map(|(parameter, names)| self.setter(parameter, names))
            .collect();
        if !function.oneway {
            functions.push(self.timeout());
        }
        functions.push(self.start());
        let borrows = setters
            .iter()
            .any(|(parameter, _)| self.parameters.borrows(parameter));
        let (generics, lifetime) = if borrows {
            (quote!(<'a>), quote!('a))
        } else {
            (quote!(), quote!('_))
        };
        let functions = separated(functions);
        let name = &names.call;
        items.push(quote! {
            impl #generics #name<#lifetime> {
                #functions
            }
        });
    }

    fn setter(&self, parameter: &Parameter, names: &ParameterNames) -> TokenStream {
        let module = self.module();
        let (variable, setter) = (&names.variable, &names.setter);
        let docs = self.setter_docs(parameter);
        let (ty, change) = match &parameter.kind {
            ParameterKind::Rest => {
                names!(module; IntoIterator);
                let item = self.parameters.item(&parameter.ty);
                (
                    quote!(impl #IntoIterator<Item = #item>),
                    quote!(extend(#variable)),
                )
            }
            ParameterKind::Kwargs if matches!(module.schema.resolve(&parameter.ty), Type::Any) => {
                names!(module; Kwargs);
                return quote! {
                    #docs
                    pub fn #setter(mut self, #variable: #Kwargs) -> Self {
                        self.0.arguments().#variable = #variable;
                        self
                    }
                };
            }
            ParameterKind::Kwargs => {
                names!(module; IntoIterator);
                let item = self.parameters.item(&parameter.ty);
                (
                    quote!(impl #IntoIterator<Item = (&'a str, #item)>),
                    quote!(extend(#variable)),
                )
            }
            ParameterKind::Required | ParameterKind::Optional(_) => {
                let ty = module.borrowed(&parameter.ty);
                return quote! {
                    #docs
                    pub fn #setter(mut self, #variable: #ty) -> Self {
                        self.0.arguments().#variable = Some(#variable);
                        self
                    }
                };
            }
        };
        quote! {
            #docs
            pub fn #setter(mut self, #variable: #ty) -> Self {
                self.0.arguments().#variable.#change;
                self
            }
        }
    }

    fn setter_docs(&self, parameter: &Parameter) -> TokenStream {
        let kidl = self.module().kidl();
        let mut notes = Vec::new();
        match &parameter.kind {
            ParameterKind::Optional(Value::Null) | ParameterKind::Required => {}
            ParameterKind::Optional(default) if !parameter.doc.is_empty() => {
                notes.push(format!("`{}` unless set.", kidl.value(default)));
            }
            ParameterKind::Optional(_) => {}
            ParameterKind::Rest => notes.push("Further positional arguments.".to_owned()),
            ParameterKind::Kwargs => notes.push("Further named arguments.".to_owned()),
        }
        let fallback = format!("`{}`", kidl.parameter(parameter));
        self.module()
            .docs()
            .declared(&parameter.doc, &fallback, &parameter.lifetime, &notes)
    }

    fn timeout(&self) -> TokenStream {
        let module = self.module();
        names!(module; Duration);
        quote! {
            /// Fails unless the outcome comes within `timeout`, whatever schema and channel say.
            pub fn timeout(self, timeout: #Duration) -> Self {
                Self(self.0.timeout(timeout))
            }
        }
    }

    fn start(&self) -> TokenStream {
        let handle = self.handle();
        let docs = own(if self.parameters.function.oneway {
            "Sends the call now."
        } else {
            "Sends the call now; the handle can be awaited later, elsewhere or never."
        });
        quote! {
            #docs
            pub fn start(self) -> #handle {
                self.0.start()
            }
        }
    }

    /// `InProgress<State, CallError<PlayError>>`
    fn handle(&self) -> TokenStream {
        let module = self.module();
        names!(module; InProgress);
        let result = self.result();
        let failure = self.failure().map(|failure| quote!(, #failure));
        quote!(#InProgress<#result #failure>)
    }

    fn awaiting(&self, items: &mut Items<'_, '_>) {
        let module = self.module();
        names!(module; IntoFuture, Result);
        let (name, handle, result) = (&self.parameters.names.call, self.handle(), self.result());
        let failure = self.failure().unwrap_or_else(|| module.name("Error"));
        let empty_line = crate::format::EMPTY_LINE;
        items.push(quote! {
            impl #IntoFuture for #name<'_> {
                type Output = #Result<#result, #failure>;
                type IntoFuture = #handle;

                #[doc = #empty_line]
                fn into_future(self) -> Self::IntoFuture {
                    self.start()
                }
            }
        });
    }
}
