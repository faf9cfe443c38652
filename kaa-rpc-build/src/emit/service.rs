//! The service that exposes an object that has an interface's trait.

use kaa_idl::schema::{DeclarationId, Function, Interface, Parameter, ParameterKind, Value};
use proc_macro2::{Ident, TokenStream};
use quote::quote;

use super::Items;
use super::interface_trait::yielder;
use crate::docs::own;
use crate::module::{Module, names};
use crate::names::{FunctionNames, fresh};

pub(super) fn emit(
    module: &Module<'_>,
    id: DeclarationId,
    it: &Interface,
    items: &mut Items<'_, '_>,
) {
    definition(module, id, items);
    constructors(module, id, items);
    register(module, id, it, items);
}

fn definition(module: &Module<'_>, id: DeclarationId, items: &mut Items<'_, '_>) {
    names!(module; Arc);
    let interface = module.names.identifier(id);
    let docs = own(&format!("Exposes an object that is a [`{interface}`]."));
    let service = module.derived_path(id, &module.names.interface(id).service);
    let t = module.type_parameter("T");
    items.push(quote! {
        #docs
        #[derive(Debug)]
        pub struct #service<#t> {
            object: #Arc<#t>,
        }
    });
}

fn constructors(module: &Module<'_>, id: DeclarationId, items: &mut Items<'_, '_>) {
    names!(module; Arc);
    let interface = module.path(id);
    let service = module.derived_path(id, &module.names.interface(id).service);
    let t = module.type_parameter("T");
    let marker = crate::format::EMPTY_LINE;
    items.push(quote! {
        impl<#t: #interface> #service<#t> {
            /// Exposes `object`.
            #[must_use]
            pub fn new(object: #t) -> Self {
                Self::from_arc(#Arc::new(object))
            }

            #[doc = #marker]
            /// Exposes an object that others hold too.
            #[must_use]
            pub const fn from_arc(object: #Arc<#t>) -> Self {
                Self { object }
            }
        }
    });
}

fn register(module: &Module<'_>, id: DeclarationId, it: &Interface, items: &mut Items<'_, '_>) {
    names!(module; codegen);
    let names = module.names.interface(id);
    let interface = module.path(id);
    let service = module.derived_path(id, &names.service);
    let t = module.type_parameter("T");
    let functions = it
        .functions
        .iter()
        .zip(&names.functions)
        .map(|(function, names)| add(module, &t, function, names));
    let functions: Vec<TokenStream> = functions.collect();
    let interface_name = module.schema.full_name(id);
    let variable = if functions.is_empty() {
        quote!(_)
    } else {
        quote!(functions)
    };
    let describes =
        (!functions.is_empty()).then(|| quote!(functions.interface(#interface_name, schema);));
    items.push(quote! {
        impl<#t: #interface> #codegen::Service for #service<#t> {
            fn register(self, #variable: &mut #codegen::Functions) {
                #describes
                #(#functions)*
            }
        }
    });
}

fn add(module: &Module<'_>, t: &Ident, function: &Function, names: &FunctionNames) -> TokenStream {
    let variables: Vec<&Ident> = names
        .parameters
        .iter()
        .map(|parameter| &parameter.variable)
        .collect();
    let local = |wanted| fresh(wanted, variables.iter().copied());
    let (object, cx) = (local("object"), local("cx"));
    let arguments = local(if variables.is_empty() {
        "_"
    } else {
        "arguments"
    });
    let arguments_pattern = if variables.is_empty() {
        quote!(_)
    } else {
        quote!(#arguments)
    };
    let reads = function
        .parameters
        .iter()
        .zip(&variables)
        .map(|(parameter, variable)| read(module, (&cx, &arguments), parameter, variable));
    let items = function.yields.as_ref().map(|_| yielder(names));
    let gives = items.as_ref().map(|items| {
        names!(module; codegen);
        quote!(let #items = #codegen::yielder(&#cx);)
    });
    let items = items.map(|items| quote!(, &#items));
    let (wire_name, identifier) = (&function.wire_name, &names.identifier);
    let serial = function.serial.then(|| quote!(.serial()));
    let uncancelled = function.uncancelled.then(|| quote!(.uncancelled()));
    quote! {
        functions.add(#wire_name, &self.object, |#object, #cx, #arguments_pattern| {
            #(#reads)*
            #gives
            Ok(async move { #t::#identifier(&#object, &#cx #(, #variables)* #items).await })
        })
        #serial
        #uncancelled;
    }
}

fn read(
    module: &Module<'_>,
    (cx, arguments): (&Ident, &Ident),
    parameter: &Parameter,
    variable: &Ident,
) -> TokenStream {
    let name = &parameter.name;
    match &parameter.kind {
        ParameterKind::Required if module.is_stream(&parameter.ty) => {
            names!(module; codegen);
            quote!(let #variable = #codegen::items(&#cx, #arguments, #name)?;)
        }
        ParameterKind::Required => quote!(let #variable = #arguments.required(#name)?;),
        ParameterKind::Optional(Value::Null) if module.is_optional(&parameter.ty) => {
            quote!(let #variable = #arguments.optional(#name)?;)
        }
        ParameterKind::Optional(default) => {
            let default = module.default_function(default, &parameter.ty);
            quote!(let #variable = #arguments.or_else(#name, #default)?;)
        }
        ParameterKind::Rest => quote!(let #variable = #arguments.rest(#name)?;),
        ParameterKind::Kwargs => quote!(let #variable = #arguments.kwargs(#name)?;),
    }
}
