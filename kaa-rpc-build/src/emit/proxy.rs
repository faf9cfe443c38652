//! The proxy that calls an interface at the other end of a channel.

use kaa_idl::schema::{DeclarationId, Interface};
use quote::quote;

use super::arguments::Parameters;
use super::call::CallType;
use super::{Items, separated};
use crate::module::{Module, names};
use crate::names::{has_setters, needs_arguments};

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
    names!(module; Channel, Compatibility, Error, Into, Result, String, codegen);
    let names = module.names.interface(id);
    let interface_name = module.schema.full_name(id);
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
        quote! {
            /// Compares what the other end of `channel` exposes with what these calls were made for, and tells
            /// what differs and what that breaks.
            ///
            /// # Errors
            ///
            /// If the other end does not describe what it exposes, or does not do so in time.
            pub async fn check(channel: &#Channel) -> #Result<#Compatibility, #Error> {
                Self::check_at(channel, "").await
            }
        },
        quote! {
            /// As [`check`](Self::check), for what the other end exposes under `prefix`.
            ///
            /// # Errors
            ///
            /// As those of [`check`](Self::check).
            pub async fn check_at(channel: &#Channel, prefix: &str) -> #Result<#Compatibility, #Error> {
                #codegen::check(channel, prefix, #interface_name, schema).await
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
