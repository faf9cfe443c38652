//! The module that one package becomes, while its items are written.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet};

use kaa_idl::schema::{Declaration, DeclarationId, Package, Schema};
use proc_macro2::{Ident, Span, TokenStream};
use quote::{ToTokens, quote};

use crate::config::Config;
use crate::docs::Docs;
use crate::facts::Facts;
use crate::kidl::Kidl;
use crate::names::{Names, PackageNames, fresh};

/// Names of the runtime's root that generated code uses.
const RUNTIME: &[&str] = &[
    "Arguments",
    "Bytes",
    "Call",
    "CallError",
    "Channel",
    "ChannelBuilder",
    "Compatibility",
    "ConnectError",
    "Context",
    "Error",
    "InProgress",
    "Items",
    "Kwargs",
    "Outcome",
    "Secret",
    "ServerBuilder",
    "Timestamp",
    "Unknown",
    "Value",
    "Yielder",
];

/// Names of the standard library that must be imported, and from where.
const IMPORTED: &[(&str, &str)] = &[
    ("Arc", "sync"),
    ("BTreeMap", "collections"),
    ("Duration", "time"),
    ("Future", "future"),
    ("IntoFuture", "future"),
];

/// Names of the standard library that are there without an import, and where they come from.
const PRELUDE: &[(&str, &str)] = &[
    ("Box", "boxed"),
    ("Default", "default"),
    ("From", "convert"),
    ("Into", "convert"),
    ("IntoIterator", "iter"),
    ("Option", "option"),
    ("Result", "result"),
    ("Send", "marker"),
    ("String", "string"),
    ("Sync", "marker"),
    ("Vec", "vec"),
];

/// Binds each name to the tokens that mean it in `$module`, so that `quote!` reads like its output.
macro_rules! names {
    ($module:expr; $($name:ident),+ $(,)?) => {
        $(
            #[allow(non_snake_case, reason = "most stand for types")]
            let $name = $module.name(stringify!($name));
        )+
    };
}
pub(crate) use names;

/// One package while its code is written: finds Rust's words for types, values and names, and remembers
/// which of them need an import.
#[derive(Debug)]
pub(crate) struct Module<'a> {
    pub(crate) schema: &'a Schema,
    pub(crate) config: &'a Config,
    pub(crate) names: &'a Names,
    pub(crate) facts: &'a Facts,
    index: usize,
    runtime: TokenStream,
    /// Path, then name: an ordered list of imports.
    imports: RefCell<BTreeSet<(String, String)>>,
    /// Packages whose module was named.
    packages: RefCell<BTreeSet<usize>>,
    deprecated: Cell<bool>,
}

impl<'a> Module<'a> {
    pub(crate) fn new(
        schema: &'a Schema,
        config: &'a Config,
        names: &'a Names,
        facts: &'a Facts,
        index: usize,
    ) -> Result<Self, String> {
        let runtime = syn::parse_str::<syn::Path>(&config.runtime)
            .map_err(|_| format!("`{}` is no path of a crate", config.runtime))?;
        Ok(Self {
            schema,
            config,
            names,
            facts,
            index,
            runtime: runtime.into_token_stream(),
            imports: RefCell::default(),
            packages: RefCell::default(),
            deprecated: Cell::new(false),
        })
    }

    /// The package's index in the schema.
    pub(crate) fn own_index(&self) -> usize {
        self.index
    }

    pub(crate) fn package(&self) -> &'a Package {
        &self.schema.packages()[self.index]
    }

    /// The declarations of the package.
    pub(crate) fn declarations(&self) -> impl Iterator<Item = (DeclarationId, &'a Declaration)> {
        let package = self.index;
        self.package()
            .declarations
            .iter()
            .enumerate()
            .map(move |(index, declaration)| (DeclarationId { package, index }, declaration))
    }

    pub(crate) fn kidl(&self) -> Kidl<'a> {
        Kidl {
            schema: self.schema,
            package: self.index,
        }
    }

    pub(crate) fn docs(&self) -> Docs<'_> {
        Docs::new(self.items())
    }

    fn items(&self) -> &'a BTreeSet<String> {
        let PackageNames { items, .. } = self.names.package(self.index);
        items
    }

    // ---- Names ---------------------------------------------------------------------------------

    /// The tokens that mean the runtime's or the standard library's `name` in this module, which are
    /// longer if the schema declares something of that name.
    pub(crate) fn name(&self, name: &str) -> TokenStream {
        let identifier = Ident::new(name, Span::call_site());
        let hidden = self.items().contains(name);
        let runtime = &self.runtime;
        if name == "codegen" {
            self.import(&quote!(#runtime::codegen), "self");
            return identifier.into_token_stream();
        }
        if name == "serde" {
            self.import(&quote!(#runtime::codegen), name);
            return identifier.into_token_stream();
        }
        if name == "fmt" {
            self.import(&quote!(std), name);
            return identifier.into_token_stream();
        }
        let (path, is_prelude) =
            if let Some((_, module)) = PRELUDE.iter().find(|(known, _)| *known == name) {
                (std_path(module), true)
            } else if let Some((_, module)) = IMPORTED.iter().find(|(known, _)| *known == name) {
                (std_path(module), false)
            } else {
                assert!(RUNTIME.contains(&name), "`{name}` is in no table of names");
                (runtime.clone(), false)
            };
        if hidden {
            return quote!(#path::#identifier);
        }
        if !is_prelude {
            self.import(&path, name);
        }
        identifier.into_token_stream()
    }

    fn import(&self, path: &TokenStream, name: &str) {
        let path = path.to_string().replace(' ', "");
        self.imports.borrow_mut().insert((path, name.to_owned()));
    }

    /// The `use` declarations that what was written needs, in rustfmt's order.
    pub(crate) fn imports(&self) -> Vec<TokenStream> {
        let mut by_path: BTreeMap<String, Vec<Ident>> = BTreeMap::new();
        for (path, name) in self.imports.borrow().iter() {
            by_path
                .entry(path.clone())
                .or_default()
                .push(Ident::new(name, Span::call_site()));
        }
        let mut imports: Vec<(String, TokenStream)> = by_path
            .into_iter()
            .map(|(path, names)| {
                let tokens: TokenStream =
                    path.parse().expect("it was a path before it was a string");
                match names.as_slice() {
                    // Of a module, itself.
                    [name] if name == "self" => (path, quote!(use #tokens;)),
                    [name] => (format!("{path}::{name}"), quote!(use #tokens::#name;)),
                    names => (format!("{path}::{{"), quote!(use #tokens::{#(#names),*};)),
                }
            })
            .collect();
        imports.sort_by(|(a, _), (b, _)| a.cmp(b));
        imports.into_iter().map(|(_, import)| import).collect()
    }

    /// The path of what `id` declares, for code of this module.
    pub(crate) fn path(&self, id: DeclarationId) -> TokenStream {
        self.derived_path(id, self.names.identifier(id))
    }

    /// The path of `item`, which stands in the same module as `id`.
    pub(crate) fn derived_path(&self, id: DeclarationId, item: &Ident) -> TokenStream {
        if lifetime(self.schema.declaration(id)).deprecated.is_some() {
            self.mention_deprecated();
        }
        if id.package == self.index {
            return item.into_token_stream();
        }
        self.packages.borrow_mut().insert(id.package);
        self.path_in(id.package, item)
    }

    /// The path of `item`, which stands in the module of another package.
    pub(crate) fn path_in(&self, package: usize, item: &Ident) -> TokenStream {
        let name = &self.schema.packages()[package].name;
        match self
            .config
            .modules
            .get(name)
            .and_then(|path| syn::parse_str::<syn::Path>(path).ok())
        {
            Some(path) => quote!(#path::#item),
            None => {
                let module = &self.names.package(package).module;
                quote!(super::#module::#item)
            }
        }
    }

    /// Other packages that the written code names.
    pub(crate) fn named_packages(&self) -> BTreeSet<usize> {
        self.packages.borrow().clone()
    }

    /// A type parameter that hides none of the module's types.
    pub(crate) fn type_parameter(&self, wanted: &str) -> Ident {
        let taken: Vec<Ident> = self
            .items()
            .iter()
            .filter(|it| it.starts_with(wanted))
            .map(|it| crate::names::identifier(it))
            .collect();
        fresh(wanted, &taken)
    }

    /// Notes that the item being written uses something deprecated, which must not warn there.
    pub(crate) fn mention_deprecated(&self) {
        self.deprecated.set(true);
    }

    /// Whether something deprecated was mentioned since the last time this was asked.
    pub(crate) fn take_deprecated(&self) -> bool {
        self.deprecated.take()
    }
}

fn std_path(module: &str) -> TokenStream {
    let module = Ident::new(module, Span::call_site());
    quote!(std::#module)
}

/// What `@since` and `@deprecated` say of `declaration`.
pub(crate) fn lifetime(declaration: &Declaration) -> &kaa_idl::schema::Lifetime {
    match declaration {
        Declaration::Const(it) => &it.lifetime,
        Declaration::Alias(it) => &it.lifetime,
        Declaration::Struct(it) => &it.lifetime,
        Declaration::Enum(it) | Declaration::Error(it) => &it.lifetime,
        Declaration::Interface(it) => &it.lifetime,
        Declaration::Channel(it) => &it.lifetime,
    }
}
