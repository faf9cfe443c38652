//! The trait that an object implements to be exposed.

use kaa_idl::schema::{DeclarationId, Function, Interface, Lifetime, ParameterKind};
use proc_macro2::{Ident, TokenStream};
use quote::quote;

use super::{Items, separated};
use crate::module::{Module, names};
use crate::names::{FunctionNames, InterfaceNames, fresh};

pub(super) fn emit(
    module: &Module<'_>,
    id: DeclarationId,
    it: &Interface,
    items: &mut Items<'_, '_>,
) {
    let names = module.names.interface(id);
    definition(module, id, it, names, items);
    for_arc(module, id, it, names, items);
}

fn definition(
    module: &Module<'_>,
    id: DeclarationId,
    it: &Interface,
    names: &InterfaceNames,
    items: &mut Items<'_, '_>,
) {
    names!(module; Send, Sync);
    let fallback = format!("`interface {}` of `{}`.", it.name, module.package().name);
    let docs = module
        .docs()
        .declared(&it.doc, &fallback, &it.lifetime, &[]);
    let name = module.path(id);
    let functions = it
        .functions
        .iter()
        .zip(&names.functions)
        .map(|(function, names)| {
            let docs = function_docs(module, function);
            let signature = signature(module, function, names);
            quote!(#docs #signature;)
        })
        .collect();
    let functions = separated(functions);
    items.push(quote! {
        #docs
        pub trait #name: #Send + #Sync + 'static {
            #functions
        }
    });
}

fn function_docs(module: &Module<'_>, function: &Function) -> TokenStream {
    let mut notes = wire_name_note(function);
    if function.serial {
        notes.push("One call of a channel is handled after the other.".to_owned());
    }
    if function.uncancelled {
        notes.push("Runs to its end, even if its caller gives up.".to_owned());
    }
    // Whoever exposes it must still have it: only callers are warned.
    match function.lifetime.deprecated.as_deref() {
        None => {}
        Some(note) => notes.push(format!(
            "Deprecated: {}.",
            module.docs().lines(note).join(" ").trim_end_matches('.')
        )),
    }
    let lifetime = Lifetime {
        since: function.lifetime.since.clone(),
        deprecated: None,
    };
    let fallback = format!("`{}`", module.kidl().function(function));
    let parameters = parameter_docs(module, function, |_| true);
    module
        .docs()
        .function(&function.doc, &fallback, &lifetime, &notes, parameters)
}

/// Says what a function is called on the wire, if one would not think so.
pub(super) fn wire_name_note(function: &Function) -> Vec<String> {
    let is_told = function.doc.contains(&format!("`{}`", function.wire_name));
    if is_told || function.wire_name.ends_with(&function.name) {
        Vec::new()
    } else {
        vec![format!("`{}` on the wire.", function.wire_name)]
    }
}

/// A list of the documented parameters of the kinds that are `wanted`.
pub(super) fn parameter_docs(
    module: &Module<'_>,
    function: &Function,
    wanted: impl Fn(&ParameterKind) -> bool,
) -> Vec<String> {
    let entries: Vec<(String, &str)> = function
        .parameters
        .iter()
        .filter(|parameter| !parameter.doc.is_empty() && wanted(&parameter.kind))
        .map(|parameter| (parameter.name.clone(), parameter.doc.as_str()))
        .collect();
    module.docs().list(&entries)
}

/// `fn play(&self, cx: &Context, id: u64) -> impl Future<Output = Outcome<State, PlayError>> + Send`
fn signature(module: &Module<'_>, function: &Function, names: &FunctionNames) -> TokenStream {
    names!(module; Context, Future, Outcome, Send);
    let cx = context(names);
    let parameters = function
        .parameters
        .iter()
        .zip(&names.parameters)
        .map(|(parameter, names)| {
            let ty = module.owned(&parameter.ty);
            let ty = match parameter.kind {
                ParameterKind::Required | ParameterKind::Optional(_) => ty,
                ParameterKind::Rest => {
                    names!(module; Vec);
                    quote!(#Vec<#ty>)
                }
                ParameterKind::Kwargs => {
                    names!(module; BTreeMap, String);
                    quote!(#BTreeMap<#String, #ty>)
                }
            };
            let name = &names.variable;
            quote!(#name: #ty)
        });
    let yielder = function.yields.as_ref().map(|item| {
        names!(module; Yielder);
        let (items, item) = (yielder(names), module.owned(item));
        quote!(, #items: &#Yielder<#item>)
    });
    let result = function
        .result
        .as_ref()
        .map_or_else(|| quote!(()), |result| module.owned(result));
    let error = function
        .throws
        .map(|error| module.path(error))
        .map(|error| quote!(, #error));
    let name = &names.identifier;
    quote! {
        fn #name(&self, #cx: &#Context #(, #parameters)* #yielder) -> impl #Future<Output = #Outcome<#result #error>> + #Send
    }
}

/// The variable of the context.
fn context(names: &FunctionNames) -> Ident {
    fresh(
        "cx",
        names.parameters.iter().map(|parameter| &parameter.variable),
    )
}

/// The variable of what gives items to the caller.
pub(super) fn yielder(names: &FunctionNames) -> Ident {
    fresh(
        "items",
        names.parameters.iter().map(|parameter| &parameter.variable),
    )
}

/// Lets one object be exposed by several services.
fn for_arc(
    module: &Module<'_>,
    id: DeclarationId,
    it: &Interface,
    names: &InterfaceNames,
    items: &mut Items<'_, '_>,
) {
    names!(module; Arc);
    let name = module.path(id);
    let t = module.type_parameter("T");
    let functions = it
        .functions
        .iter()
        .zip(&names.functions)
        .map(|(function, names)| {
            let signature = signature(module, function, names);
            let (identifier, cx) = (&names.identifier, context(names));
            let variables = names.parameters.iter().map(|parameter| &parameter.variable);
            let items = function.yields.as_ref().map(|_| yielder(names));
            let variables = variables.chain(&items);
            quote!(#signature { #t::#identifier(self, #cx #(, #variables)*) })
        })
        .collect();
    let functions = separated(functions);
    items.push(quote! {
        impl<#t: #name> #name for #Arc<#t> {
            #functions
        }
    });
}
