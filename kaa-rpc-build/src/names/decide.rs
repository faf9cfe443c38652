//! Decides the names of a package.

use std::collections::BTreeSet;

use kaa_idl::naming::{screaming, snake, upper_camel};
use kaa_idl::schema::{
    Channel, Declaration, DeclarationId, Enum, Field, Function, Interface, Package, ParameterKind,
    Schema, Struct,
};
use proc_macro2::Ident;
use quote::format_ident;

use super::keywords::{identifier, underscored};
use super::{
    ChannelNames, DeclarationNames, EnumNames, FunctionNames, InterfaceNames, PackageNames,
    ParameterNames, Parts, VariantNames, fresh, has_setters, needs_arguments,
};

/// Methods of every proxy.
const PROXY_METHODS: &[&str] = &["new", "at", "channel", "check", "check_at"];
/// Methods of every call that has setters.
const CALL_METHODS: &[&str] = &[
    "metadata",
    "timeout",
    "wait_until_ready",
    "fail_fast",
    "resend",
    "start",
    "wait",
    "oneway",
    "into_future",
];
/// Constructors that a unit struct of the same name would hide.
const CONSTRUCTORS: &[&str] = &["Ok", "Err", "Some", "None"];

impl PackageNames {
    pub(super) fn decide(schema: &Schema, package: &Package, problems: &mut Vec<String>) -> Self {
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

    /// The types of single calls, which give way to all others; last those that nobody sees.
    fn calls(&mut self, identifiers: &[Ident], parts: &mut [Parts]) {
        let declarations = &self.package.declarations;
        for is_arguments in [false, true] {
            for (declaration, (identifier, parts)) in declarations
                .iter()
                .zip(identifiers.iter().zip(parts.iter_mut()))
            {
                let (Declaration::Interface(interface), Parts::Interface(names)) =
                    (declaration, parts)
                else {
                    continue;
                };
                for (function, names) in interface.functions.iter().zip(&mut names.functions) {
                    let what = format!("a call of `{}.{}`", interface.name, function.name);
                    if is_arguments && needs_arguments(function) {
                        let base = format_ident!("{identifier}{}", upper_camel(&function.name));
                        names.arguments = self.derived(&base, "Arguments", &what);
                    } else if !is_arguments && has_setters(function) {
                        names.call = self.derived(identifier, &upper_camel(&function.name), &what);
                    }
                }
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

fn give_way(identifier: &Ident, to: &[&str]) -> Ident {
    if to.iter().any(|name| identifier == name) {
        underscored(identifier)
    } else {
        identifier.clone()
    }
}
