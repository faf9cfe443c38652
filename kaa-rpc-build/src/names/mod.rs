//! The one place that decides what things are called in Rust.
//!
//! Names on the wire never change. In Rust a name takes the case that the compiler wants, and gives way
//! to what was there before: a name that the schema declares wins over one that the generator derives
//! (`GuideClient` of an interface `Guide`), and methods that every proxy has win over functions. Who
//! gives way gets an underscore at the end; if that is taken too, the schema cannot be generated.

mod decide;
mod keywords;

use std::collections::BTreeSet;

use kaa_idl::schema::{DeclarationId, Function, ParameterKind, Schema};
use proc_macro2::Ident;

pub(crate) use keywords::{identifier, plain};

/// The Rust names of all that a schema declares.
#[derive(Debug)]
pub(crate) struct Names {
    packages: Vec<PackageNames>,
}

/// The Rust names of one package's module.
#[derive(Debug)]
pub(crate) struct PackageNames {
    /// The module in which the package's code stands, unless the configuration says otherwise.
    pub(crate) module: Ident,
    /// One for each declaration.
    declarations: Vec<DeclarationNames>,
    /// All types and traits of the module, declared and derived.
    pub(crate) items: BTreeSet<String>,
}

#[derive(Debug)]
struct DeclarationNames {
    identifier: Ident,
    parts: Parts,
}

/// What a declaration consists of.
#[derive(Debug)]
enum Parts {
    None,
    Struct(Vec<Ident>),
    Enum(EnumNames),
    Interface(InterfaceNames),
    Channel(ChannelNames),
}

#[derive(Debug)]
pub(crate) struct EnumNames {
    /// One for each variant.
    pub(crate) variants: Vec<VariantNames>,
    /// The variant that keeps unknown ones.
    pub(crate) unknown: Ident,
}

#[derive(Debug)]
pub(crate) struct VariantNames {
    pub(crate) identifier: Ident,
    pub(crate) fields: Vec<Ident>,
}

#[derive(Debug)]
pub(crate) struct InterfaceNames {
    pub(crate) service: Ident,
    pub(crate) client: Ident,
    /// One for each function.
    pub(crate) functions: Vec<FunctionNames>,
}

#[derive(Debug)]
pub(crate) struct FunctionNames {
    /// Of the trait and of the proxy.
    pub(crate) identifier: Ident,
    /// The type of a call that has setters.
    pub(crate) call: Ident,
    /// The type that holds the arguments of a call, if a tuple does not do.
    pub(crate) arguments: Ident,
    /// One for each parameter.
    pub(crate) parameters: Vec<ParameterNames>,
}

#[derive(Debug)]
pub(crate) struct ParameterNames {
    pub(crate) variable: Ident,
    /// The method that sets an optional one.
    pub(crate) setter: Ident,
}

#[derive(Debug)]
pub(crate) struct ChannelNames {
    pub(crate) client: Ident,
    pub(crate) peer: Ident,
    /// Fields and parameters, one for each interface of the server's end.
    pub(crate) server_interfaces: Vec<Ident>,
    /// The same of the client's end.
    pub(crate) client_interfaces: Vec<Ident>,
}

impl Names {
    /// Decides the names of `schema`; adds to `problems` those that meet.
    pub(crate) fn decide(schema: &Schema, problems: &mut Vec<String>) -> Self {
        let packages = schema
            .packages()
            .iter()
            .map(|package| PackageNames::decide(schema, package, problems))
            .collect();
        Self { packages }
    }

    pub(crate) fn package(&self, index: usize) -> &PackageNames {
        &self.packages[index]
    }

    /// The type, trait or constant that `id` comes out as.
    pub(crate) fn identifier(&self, id: DeclarationId) -> &Ident {
        &self.declaration(id).identifier
    }

    /// The fields of the struct `id`.
    pub(crate) fn fields(&self, id: DeclarationId) -> &[Ident] {
        match &self.declaration(id).parts {
            Parts::Struct(fields) => fields,
            _ => &[],
        }
    }

    /// The variants of the enum or error `id`.
    pub(crate) fn variants(&self, id: DeclarationId) -> &EnumNames {
        match &self.declaration(id).parts {
            Parts::Enum(names) => names,
            other => unreachable!("names of an enum wanted, not {other:?}"),
        }
    }

    /// The names of the interface `id`.
    pub(crate) fn interface(&self, id: DeclarationId) -> &InterfaceNames {
        match &self.declaration(id).parts {
            Parts::Interface(names) => names,
            other => unreachable!("names of an interface wanted, not {other:?}"),
        }
    }

    /// The names of the channel `id`.
    pub(crate) fn channel(&self, id: DeclarationId) -> &ChannelNames {
        match &self.declaration(id).parts {
            Parts::Channel(names) => names,
            other => unreachable!("names of a channel wanted, not {other:?}"),
        }
    }

    fn declaration(&self, id: DeclarationId) -> &DeclarationNames {
        &self.packages[id.package].declarations[id.index]
    }
}

/// `wanted`, with as many underscores as it takes to differ from all of `taken`.
///
/// For names that nobody sees: variables and type parameters of generated functions.
pub(crate) fn fresh<'a>(wanted: &str, taken: impl IntoIterator<Item = &'a Ident>) -> Ident {
    let taken: BTreeSet<String> = taken.into_iter().map(Ident::to_string).collect();
    let mut name = wanted.to_owned();
    while taken.contains(&name) {
        name.push('_');
    }
    identifier(&name)
}

/// Parameters that a tuple holds.
const TUPLE_LIMIT: usize = 8;

/// Whether a call of `function` has setters.
pub(crate) fn has_setters(function: &Function) -> bool {
    function
        .parameters
        .iter()
        .any(|parameter| parameter.kind != ParameterKind::Required)
}

/// Whether the arguments of `function` need a type of their own.
pub(crate) fn needs_arguments(function: &Function) -> bool {
    has_setters(function) || function.parameters.len() > TUPLE_LIMIT
}
