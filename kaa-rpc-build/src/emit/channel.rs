//! A channel: a typed way to serve and to connect, in which each end must bring its own interfaces.

use kaa_idl::schema::{Channel, DeclarationId};
use proc_macro2::{Ident, TokenStream};
use quote::quote;

use super::{Items, separated};
use crate::config::Side;
use crate::docs::own;
use crate::module::{Module, names};
use crate::names::{ChannelNames, fresh};

pub(super) fn emit(
    module: &Module<'_>,
    id: DeclarationId,
    it: &Channel,
    items: &mut Items<'_, '_>,
) {
    let names = module.names.channel(id);
    let this = ChannelType {
        module,
        id,
        it,
        names,
    };
    this.definition(items);
    this.constructors(items);
    if this.has_client() {
        this.end(&names.client, this.server(), "client's", items);
    }
    if this.has_server() {
        this.end(&names.peer, this.client(), "server's", items);
    }
}

#[derive(Clone, Copy, Debug)]
struct ChannelType<'a> {
    module: &'a Module<'a>,
    id: DeclarationId,
    it: &'a Channel,
    names: &'a ChannelNames,
}

/// The interfaces that one end exposes.
#[derive(Clone, Copy, Debug)]
struct Exposed<'a> {
    interfaces: &'a [DeclarationId],
    /// Their variables.
    names: &'a [Ident],
    /// Whose they are: "server's", "client's".
    owner: &'static str,
}

impl<'a> Exposed<'a> {
    fn each(self) -> impl Iterator<Item = (DeclarationId, &'a Ident)> {
        self.interfaces.iter().copied().zip(self.names)
    }

    /// A variable that none of the interfaces has.
    fn local(self, wanted: &str) -> Ident {
        fresh(wanted, self.names)
    }
}

impl<'a> ChannelType<'a> {
    fn has_client(self) -> bool {
        self.module.config.side != Side::Server
    }

    fn has_server(self) -> bool {
        self.module.config.side != Side::Client
    }

    fn server(self) -> Exposed<'a> {
        Exposed {
            interfaces: &self.it.server,
            names: &self.names.server_interfaces,
            owner: "server's",
        }
    }

    fn client(self) -> Exposed<'a> {
        Exposed {
            interfaces: &self.it.client,
            names: &self.names.client_interfaces,
            owner: "client's",
        }
    }

    fn definition(self, items: &mut Items<'_, '_>) {
        let Self { module, id, it, .. } = self;
        let fallback = format!("`channel {}` of `{}`.", it.name, module.package().name);
        let docs = module
            .docs()
            .declared(&it.doc, &fallback, &it.lifetime, &[]);
        let name = module.path(id);
        items.push(quote! {
            #docs
            #[derive(Clone, Copy, Debug)]
            pub struct #name;
        });
    }

    fn constructors(self, items: &mut Items<'_, '_>) {
        let mut functions = Vec::new();
        if self.has_server() {
            functions.push(self.serve());
        }
        if self.has_client() {
            functions.push(self.client_builder());
            functions.push(self.connect());
            functions.push(self.connect_lazy());
        }
        let functions = separated(functions);
        let name = self.module.path(self.id);
        items.push(quote! {
            impl #name {
                #functions
            }
        });
    }

    /// `player: impl Player`, for each.
    fn parameters(self, exposed: Exposed<'_>) -> TokenStream {
        let parameters = exposed.each().map(|(id, name)| {
            let interface = self.module.path(id);
            quote!(#name: impl #interface)
        });
        quote!(#(, #parameters)*)
    }

    /// `.register(PlayerService::new(player))`, for each.
    fn registrations(self, exposed: Exposed<'_>) -> TokenStream {
        let registrations = exposed.each().map(|(id, name)| {
            let service = self
                .module
                .derived_path(id, &self.module.names.interface(id).service);
            quote!(.register(#service::new(#name)))
        });
        quote!(#(#registrations)*)
    }

    /// "which exposes a [`Player`]"
    fn exposes(self, exposed: Exposed<'_>) -> String {
        let interfaces: Vec<String> = exposed.interfaces.iter().map(|id| self.link(*id)).collect();
        match interfaces.as_slice() {
            [] => "which exposes nothing".to_owned(),
            [one] => format!("which exposes {one}"),
            [first @ .., last] => format!("which exposes {} and {last}", first.join(", ")),
        }
    }

    /// A link to the trait, if there is one.
    fn link(self, id: DeclarationId) -> String {
        let path = self.module.path(id).to_string().replace(' ', "");
        let name = self.module.names.identifier(id);
        match (self.module.facts.is_exposed(id), *name == path) {
            (true, true) => format!("[`{name}`]"),
            (true, false) => format!("[`{name}`]({path})"),
            (false, _) => format!("`{name}`"),
        }
    }

    fn serve(self) -> TokenStream {
        let module = self.module;
        names!(module; Secret, ServerBuilder);
        let exposed = self.server();
        let docs = own(&format!(
            "Serves the server's end, {}.",
            self.exposes(exposed)
        ));
        let secret = exposed.local("secret");
        let (parameters, registrations) = (self.parameters(exposed), self.registrations(exposed));
        let peer = &self.names.peer;
        quote! {
            #docs
            pub fn server(#secret: #Secret #parameters) -> #ServerBuilder<#peer> {
                #ServerBuilder::new(#secret)#registrations
            }
        }
    }

    fn client_builder(self) -> TokenStream {
        let module = self.module;
        names!(module; ChannelBuilder, Secret);
        let exposed = self.client();
        let docs = own(&format!(
            "Prepares the client's end, {}, for what [`connect`](Self::connect) does not say: limits, timeouts, a key id.",
            self.exposes(exposed)
        ));
        let secret = exposed.local("secret");
        let (parameters, registrations) = (self.parameters(exposed), self.registrations(exposed));
        let client = &self.names.client;
        quote! {
            #docs
            pub fn client(#secret: &#Secret #parameters) -> #ChannelBuilder<#client> {
                #ChannelBuilder::new(#secret)#registrations
            }
        }
    }

    fn connect(self) -> TokenStream {
        let module = self.module;
        names!(module; ConnectError, Result, Secret);
        let exposed = self.client();
        let docs = own(&format!(
            "Connects the client's end, {}.\n\n# Errors\n\nIf nobody listens at `address`, or somebody who does not know the secret.",
            self.exposes(exposed)
        ));
        let (address, secret) = (exposed.local("address"), exposed.local("secret"));
        let (parameters, arguments) = (self.parameters(exposed), exposed.names);
        let client = &self.names.client;
        quote! {
            #docs
            pub async fn connect(
                #address: &str,
                #secret: &#Secret
                #parameters
            ) -> #Result<#client, #ConnectError> {
                Self::client(#secret #(, #arguments)*).connect(#address).await
            }
        }
    }

    fn connect_lazy(self) -> TokenStream {
        let module = self.module;
        names!(module; ConnectError, Result, Secret);
        let exposed = self.client();
        let docs = own(
            "As [`connect`](Self::connect), but at once: the channel can be used before it is connected.\n\n# Errors\n\nIf `address` is no address.",
        );
        let (address, secret) = (exposed.local("address"), exposed.local("secret"));
        let (parameters, arguments) = (self.parameters(exposed), exposed.names);
        let client = &self.names.client;
        quote! {
            #docs
            pub fn connect_lazy(
                #address: &str,
                #secret: &#Secret
                #parameters
            ) -> #Result<#client, #ConnectError> {
                Self::client(#secret #(, #arguments)*).connect_lazy(#address)
            }
        }
    }

    /// What one end calls: `name`, with a proxy for each interface of the other end.
    fn end(self, name: &Ident, others: Exposed<'_>, whose: &str, items: &mut Items<'_, '_>) {
        let module = self.module;
        names!(module; Channel, From);
        let docs = own(&format!(
            "What the {whose} end of [`{}`] calls.",
            module.names.identifier(self.id)
        ));
        let channel = others.local("channel");
        let proxies = others.each().map(|(id, field)| {
            let docs = own(&format!("The {} {}.", others.owner, self.link(id)));
            let proxy = module.derived_path(id, &module.names.interface(id).client);
            quote!(#docs pub #field: #proxy)
        });
        let proxies: Vec<TokenStream> = proxies.collect();
        let deprecated = module.docs().deprecated(&self.it.lifetime);
        items.push(quote! {
            #docs
            #deprecated
            #[derive(Clone, Debug)]
            pub struct #name {
                /// The connection.
                pub #channel: #Channel,
                #(#proxies),*
            }
        });
        let made = others.each().map(|(id, field)| {
            let proxy = module.derived_path(id, &module.names.interface(id).client);
            quote!(#field: #proxy::new(&#channel))
        });
        let made: Vec<TokenStream> = made.collect();
        let name = module.derived_path(self.id, name);
        items.push(quote! {
            impl #From<#Channel> for #name {
                fn from(#channel: #Channel) -> Self {
                    Self { #(#made,)* #channel }
                }
            }
        });
        self.check(&name, others, &channel, items);
    }

    /// Checks all proxies of an end.
    fn check(
        self,
        name: &TokenStream,
        others: Exposed<'_>,
        channel: &Ident,
        items: &mut Items<'_, '_>,
    ) {
        let module = self.module;
        names!(module; Compatibility, Error, Result);
        let mut proxies = others
            .each()
            .map(|(id, _)| module.derived_path(id, &module.names.interface(id).client));
        let Some(first) = proxies.next() else {
            return;
        };
        let rest: Vec<TokenStream> = proxies.collect();
        let body = if rest.is_empty() {
            quote!(#first::check(&self.#channel).await)
        } else {
            quote! {
                let mut found = #first::check(&self.#channel).await?;
                #(found.extend(#rest::check(&self.#channel).await?);)*
                Ok(found)
            }
        };
        items.push(quote! {
            impl #name {
                /// Compares what the other end exposes with what this end was made for, and tells what
                /// differs and what that breaks.
                ///
                /// # Errors
                ///
                /// If the other end does not describe what it exposes, or does not do so in time.
                pub async fn check(&self) -> #Result<#Compatibility, #Error> {
                    #body
                }
            }
        });
    }
}
