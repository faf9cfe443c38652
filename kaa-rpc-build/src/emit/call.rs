//! A call of a function through a proxy, and its setters.

use kaa_idl::schema::{Parameter, ParameterKind, Type, Value};
use proc_macro2::{Ident, TokenStream};
use quote::quote;

use super::arguments::Parameters;
use super::interface_trait::{parameter_docs, wire_name_note};
use super::{Items, separated};
use crate::docs::own;
use crate::module::{Module, names};
use crate::names::{ParameterNames, fresh, has_setters, needs_arguments, plain};

/// What a function of the proxy gives.
#[derive(Clone, Copy, Debug)]
pub(super) struct CallType<'a> {
    pub(super) parameters: Parameters<'a>,
    /// The proxy.
    pub(super) client: &'a Ident,
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

    /// The type of the error.
    fn failure(&self) -> TokenStream {
        let module = self.module();
        match self.parameters.function.throws {
            Some(error) => {
                names!(module; CallError);
                let error = module.path(error);
                quote!(#CallError<#error>)
            }
            None => module.name("Error"),
        }
    }

    /// What follows the result in the type of a call: `, CallError<PlayError>, Track`, as far as it is
    /// not the usual.
    fn rest(&self) -> TokenStream {
        let function = self.parameters.function;
        let Some(item) = &function.yields else {
            let failure = function.throws.map(|_| self.failure());
            return failure.map_or_else(TokenStream::new, |failure| quote!(, #failure));
        };
        let (failure, item) = (self.failure(), self.module().owned(item));
        quote!(, #failure, #item)
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
        let (result, rest) = (self.result(), self.rest());
        quote!(#Call<#lifetime, #arguments, #result #rest>)
    }

    /// The function of the proxy.
    pub(super) fn function(&self) -> TokenStream {
        let Parameters {
            module,
            function,
            names,
        } = self.parameters;
        let docs = self.function_docs();
        let required = self.parameters.required().map(|(parameter, name)| {
            let ty = module.given(&parameter.ty);
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
        let streams = self
            .parameters
            .streams()
            .map(|(_, stream)| quote!(.stream(#stream)));
        let items = function.yields.as_ref().map(|_| quote!(.items()));
        let idempotent = function.idempotent.then(|| quote!(.idempotent()));
        let mut call = quote!(
            self.proxy.call(#wire_name, #arguments)#items #(#streams)* #oneway #timeout #idempotent
        );
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
            notes.push(
                "Idempotent: to run it twice is to run it once, so it can be sent again."
                    .to_owned(),
            );
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
    pub(super) fn definition(&self, items: &mut Items<'_, '_>) {
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
            #[derive(Debug)]
            pub struct #name<'a>(#call);
        });
    }

    pub(super) fn setters(&self, items: &mut Items<'_, '_>) {
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
        functions.push(metadata());
        functions.extend(waiting());
        if !function.oneway {
            functions.push(resending());
        }
        functions.push(self.start());
        functions.push(self.wait());
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
                        self.0.arguments().#variable.append(#variable);
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
                let ty = module.given(&parameter.ty);
                let value = module.keep(&parameter.ty, &quote!(#variable));
                return quote! {
                    #docs
                    pub fn #setter(mut self, #variable: #ty) -> Self {
                        self.0.arguments().#variable = Some(#value);
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

    fn wait(&self) -> TokenStream {
        let module = self.module();
        names!(module; Result);
        let (result, failure) = (self.result(), self.failure());
        let until = if self.parameters.function.oneway {
            "it is sent"
        } else {
            "its outcome is there"
        };
        let docs = own(&format!(
            "Sends the call, and blocks this thread until {until}: for code that is not async.\n\n# Errors\n\nThat of the call."
        ));
        quote! {
            #docs
            pub fn wait(self) -> #Result<#result, #failure> {
                self.0.wait()
            }
        }
    }

    /// `InProgress<State, CallError<PlayError>>`
    fn handle(&self) -> TokenStream {
        let module = self.module();
        names!(module; InProgress);
        let (result, rest) = (self.result(), self.rest());
        quote!(#InProgress<#result #rest>)
    }

    pub(super) fn awaiting(&self, items: &mut Items<'_, '_>) {
        let module = self.module();
        names!(module; IntoFuture, Result);
        let (name, handle, result) = (&self.parameters.names.call, self.handle(), self.result());
        let failure = self.failure();
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

/// A setter for what goes along beside the arguments.
fn metadata() -> TokenStream {
    quote! {
        /// Sends something along beside the arguments.
        pub fn metadata(self, key: &str, value: &str) -> Self {
            Self(self.0.metadata(key, value))
        }
    }
}

/// Setters for a channel that is not connected.
fn waiting() -> [TokenStream; 2] {
    [
        quote! {
            /// Waits while the channel is not connected, whatever the channel says.
            pub fn wait_until_ready(self) -> Self {
                Self(self.0.wait_until_ready())
            }
        },
        quote! {
            /// Fails at once if the channel is not connected, whatever the channel says.
            pub fn fail_fast(self) -> Self {
                Self(self.0.fail_fast())
            }
        },
    ]
}

fn resending() -> TokenStream {
    quote! {
        /// If the connection is lost, sends the call again over the next one, at most `times` times: if
        /// that can do no harm.
        pub fn resend(self, times: u32) -> Self {
            Self(self.0.resend(times))
        }
    }
}
