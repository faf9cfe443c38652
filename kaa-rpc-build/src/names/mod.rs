//! The one place that decides what things are called in Rust.
//!
//! Names on the wire never change. In Rust a name takes the case that the compiler wants, and gives way
//! to what was there before: a name that the schema declares wins over one that the generator derives
//! (`GuideClient` of an interface `Guide`), and methods that every proxy has win over functions. Who
//! gives way gets an underscore at the end; if that is taken too, the schema cannot be generated.

mod keywords;

use std::collections::BTreeSet;

use kaa_idl::naming::{screaming, snake, upper_camel};
use kaa_idl::schema::{
    Channel, Declaration, DeclarationId, Enum, Field, Function, Interface, Package, ParameterKind,
    Schema, Struct,
};
use proc_macro2::Ident;
use quote::format_ident;

use keywords::underscored;
pub(crate) use keywords::{identifier, plain};

/// Methods of every proxy.
const PROXY_METHODS: &[&str] = &["new", "at", "channel", "check"];
/// Methods of every call that has setters.
const CALL_METHODS: &[&str] = &["timeout", "start", "oneway", "into_future"];
/// Constructors that a unit struct of the same name would hide.
const CONSTRUCTORS: &[&str] = &["Ok", "Err", "Some", "None"];

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

impl PackageNames {
    fn decide(schema: &Schema, package: &Package, problems: &mut Vec<String>) -> Self {
        let last = package.name.rsplit('.').next().unwrap_or(&package.name);
        let mut chosen = Chosen {
            package,
            problems,
            items: BTreeSet::new(),
        };
        let identifiers = chosen.declared();
        let mut parts: Vec<Parts> = package
            .declarations
            .iter()
            .zip(&identifiers)
            .map(|(declaration, identifier)| chosen.parts(schema, declaration, identifier))
            .collect();
        chosen.calls(&identifiers, &mut parts);
        Self {
            module: identifier(&snake(last)),
            items: chosen.items,
            declarations: identifiers
                .into_iter()
                .zip(parts)
                .map(|(identifier, parts)| DeclarationNames { identifier, parts })
                .collect(),
        }
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

/// The names of a package while they are chosen.
struct Chosen<'a> {
    package: &'a Package,
    problems: &'a mut Vec<String>,
    items: BTreeSet<String>,
}

impl Chosen<'_> {
    fn problem(&mut self, text: &str) {
        self.problems.push(format!(
            "{} ({}): {text}",
            self.package.name, self.package.path
        ));
    }

    /// The declared names, which come first.
    fn declared(&mut self) -> Vec<Ident> {
        let mut constants = BTreeSet::new();
        let mut identifiers = Vec::new();
        for declaration in &self.package.declarations {
            let name = declaration.name();
            let (identifier, is_new) = if let Declaration::Const(_) = declaration {
                let identifier = identifier(&screaming(name));
                let is_new = constants.insert(identifier.to_string());
                (identifier, is_new)
            } else {
                let mut identifier = identifier(&upper_camel(name));
                if matches!(declaration, Declaration::Channel(_))
                    && CONSTRUCTORS.iter().any(|it| identifier == it)
                {
                    identifier = underscored(&identifier);
                }
                let is_new = self.items.insert(identifier.to_string());
                (identifier, is_new)
            };
            if !is_new {
                self.problem(&format!("`{name}` comes out as `{identifier}` in Rust, and so does another declaration; rename one"));
            }
            identifiers.push(identifier);
        }
        identifiers
    }

    /// A type that nobody declared: `PlayerClient`.
    fn derived(&mut self, base: &Ident, suffix: &str, what: &str) -> Ident {
        let wanted = format_ident!("{}{suffix}", base.to_string().trim_end_matches('_'));
        if self.items.insert(wanted.to_string()) {
            return wanted;
        }
        let second = underscored(&wanted);
        if !self.items.insert(second.to_string()) {
            self.problem(&format!(
                "{what} finds both `{wanted}` and `{second}` taken; rename one of those"
            ));
        }
        second
    }

    fn parts(&mut self, schema: &Schema, declaration: &Declaration, identifier: &Ident) -> Parts {
        match declaration {
            Declaration::Const(_) | Declaration::Alias(_) => Parts::None,
            Declaration::Struct(Struct { name, fields, .. }) => {
                Parts::Struct(self.fields(name, fields))
            }
            Declaration::Enum(it) | Declaration::Error(it) => Parts::Enum(self.variants(it)),
            Declaration::Interface(it) => Parts::Interface(self.interface(it, identifier)),
            Declaration::Channel(it) => Parts::Channel(self.channel(schema, it, identifier)),
        }
    }

    fn fields(&mut self, owner: &str, fields: &[Field]) -> Vec<Ident> {
        let names: Vec<Ident> = fields
            .iter()
            .map(|field| identifier(&snake(&field.name)))
            .collect();
        self.distinct(&names, &format!("two fields of `{owner}`"));
        names
    }

    /// Names that stand beside each other and have nothing to give way to.
    fn distinct(&mut self, names: &[Ident], what: &str) {
        let mut seen = BTreeSet::new();
        for name in names {
            if !seen.insert(name) {
                self.problem(&format!("{what} come out as `{name}` in Rust; rename one"));
            }
        }
    }

    fn variants(&mut self, it: &Enum) -> EnumNames {
        let identifiers: Vec<Ident> = it
            .variants
            .iter()
            .map(|variant| identifier(&upper_camel(&variant.name)))
            .collect();
        self.distinct(&identifiers, &format!("two variants of `{}`", it.name));
        let unknown = fresh("Unknown", &identifiers);
        let variants = it
            .variants
            .iter()
            .zip(identifiers)
            .map(|(variant, identifier)| VariantNames {
                fields: self.fields(&format!("{}.{}", it.name, variant.name), &variant.fields),
                identifier,
            })
            .collect();
        EnumNames { variants, unknown }
    }

    fn interface(&mut self, it: &Interface, identifier: &Ident) -> InterfaceNames {
        let what = format!("what is derived from interface `{}`", it.name);
        let functions = it
            .functions
            .iter()
            .map(|function| self.function(it, function))
            .collect::<Vec<_>>();
        let identifiers: Vec<Ident> = functions
            .iter()
            .map(|function| function.identifier.clone())
            .collect();
        self.distinct(&identifiers, &format!("two functions of `{}`", it.name));
        InterfaceNames {
            service: self.derived(identifier, "Service", &what),
            client: self.derived(identifier, "Client", &what),
            functions,
        }
    }

    fn function(&mut self, interface: &Interface, function: &Function) -> FunctionNames {
        let what = format!("two parameters of `{}.{}`", interface.name, function.name);
        let parameters: Vec<ParameterNames> = function
            .parameters
            .iter()
            .map(|parameter| {
                let variable = identifier(&snake(&parameter.name));
                let setter = give_way(&variable, CALL_METHODS);
                ParameterNames { variable, setter }
            })
            .collect();
        let variables: Vec<Ident> = parameters
            .iter()
            .map(|parameter| parameter.variable.clone())
            .collect();
        self.distinct(&variables, &what);
        let setters: Vec<Ident> = function
            .parameters
            .iter()
            .zip(&parameters)
            .filter(|(parameter, _)| parameter.kind != ParameterKind::Required)
            .map(|(_, names)| names.setter.clone())
            .collect();
        self.distinct(&setters, &what);
        let own = identifier(&snake(&function.name));
        FunctionNames {
            call: own.clone(),
            arguments: own.clone(),
            identifier: give_way(&own, PROXY_METHODS),
            parameters,
        }
    }

    /// The types of single calls, which give way to all others.
    fn calls(&mut self, identifiers: &[Ident], parts: &mut [Parts]) {
        for (declaration, (identifier, parts)) in self
            .package
            .declarations
            .iter()
            .zip(identifiers.iter().zip(parts))
        {
            let (Declaration::Interface(interface), Parts::Interface(names)) = (declaration, parts)
            else {
                continue;
            };
            for (function, names) in interface.functions.iter().zip(&mut names.functions) {
                if !needs_arguments(function) {
                    continue;
                }
                let what = format!("a call of `{}.{}`", interface.name, function.name);
                let function = upper_camel(&function.name);
                names.call = self.derived(identifier, &function, &what);
                names.arguments = self.derived(&names.call, "Arguments", &what);
            }
        }
    }

    fn channel(&mut self, schema: &Schema, it: &Channel, identifier: &Ident) -> ChannelNames {
        let what = format!("what is derived from channel `{}`", it.name);
        ChannelNames {
            client: self.derived(identifier, "Client", &what),
            peer: self.derived(identifier, "Peer", &what),
            server_interfaces: self.interfaces(schema, it, &it.server),
            client_interfaces: self.interfaces(schema, it, &it.client),
        }
    }

    fn interfaces(
        &mut self,
        schema: &Schema,
        channel: &Channel,
        interfaces: &[DeclarationId],
    ) -> Vec<Ident> {
        let names: Vec<Ident> = interfaces
            .iter()
            .map(|id| identifier(&snake(schema.declaration(*id).name())))
            .collect();
        self.distinct(
            &names,
            &format!("two interfaces of one end of channel `{}`", channel.name),
        );
        names
    }
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

fn give_way(identifier: &Ident, to: &[&str]) -> Ident {
    if to.iter().any(|name| identifier == name) {
        underscored(identifier)
    } else {
        identifier.clone()
    }
}
