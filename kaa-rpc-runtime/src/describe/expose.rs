//! What is registered, as a description.

use std::collections::{BTreeMap, HashMap};
use std::fmt::Write;

use kaa_rpc_describe::{About, Description, Function, Interface, Kind, Parameter, Type};
use sha2::{Digest, Sha256};

use crate::serve::functions::{Registration, Table};
use crate::serve::params::ClosureParameter;

/// What an end exposes, with the hashes of its contracts.
#[derive(Debug)]
pub(crate) struct Exposed {
    pub(crate) description: Description,
    /// By wire name; closures have none.
    pub(crate) functions: HashMap<String, String>,
    /// By prefix and full name.
    pub(crate) interfaces: HashMap<(String, String), String>,
}

impl Exposed {
    pub(crate) fn new(table: &Table) -> Self {
        let mut declared = Description::default();
        let mut read = Vec::new();
        // By name, so that an answer does not depend on how the table lies in memory.
        let sorted: BTreeMap<&String, &Registration> =
            table.iter().map(|(name, it)| (name, &**it)).collect();
        for origin in sorted.values().filter_map(|it| it.origin) {
            (origin.schema)().describe(&mut read, &mut declared);
        }
        let functions = sorted.values().map(|it| function(&declared, it)).collect();
        let mut description = Description {
            functions,
            ..declared
        };
        description.interfaces = interfaces(&description);
        description.retain(|_| true);
        Self::hashed(description)
    }

    /// With the hashes of what `description` has.
    pub(crate) fn hashed(description: Description) -> Self {
        let functions = description.functions.iter();
        let functions: HashMap<String, String> = functions
            .filter(|it| it.interface.is_some())
            .map(|it| (it.wire_name(), hash(&description.canonical(it))))
            .collect();
        let interfaces = description.interfaces.iter().map(|interface| {
            let own = description.functions.iter().filter(|it| {
                it.prefix == interface.prefix && it.interface.as_ref() == Some(&interface.name)
            });
            let by_name: BTreeMap<&str, Option<&String>> = own
                .map(|it| (it.name.as_str(), functions.get(&it.wire_name())))
                .collect();
            let mut text = String::new();
            for (name, hash) in by_name {
                let _ = writeln!(text, "{name} {}", hash.map_or("", String::as_str));
            }
            let key = (interface.prefix.clone(), interface.name.clone());
            (key, hash(&text))
        });
        Self {
            interfaces: interfaces.collect(),
            functions,
            description,
        }
    }
}

/// The first 16 bytes of the SHA-256 of `text`, in hexadecimal.
pub(super) fn hash(text: &str) -> String {
    let digest = Sha256::digest(text.as_bytes());
    digest.iter().take(16).fold(String::new(), |mut out, byte| {
        let _ = write!(out, "{byte:02x}");
        out
    })
}

fn function(declared: &Description, registration: &Registration) -> Function {
    let (prefix, name) = registration
        .name
        .split_at_checked(registration.prefix)
        .unwrap_or(("", &registration.name));
    let known = registration.origin.and_then(|origin| {
        let found =
            |it: &&Function| it.name == name && it.interface.as_deref() == Some(origin.name);
        declared.functions.iter().find(found)
    });
    match known {
        Some(known) => Function {
            prefix: prefix.to_owned(),
            ..known.clone()
        },
        None => Function {
            name: registration.name.clone(),
            parameters: registration.parameters.iter().map(parameter).collect(),
            result: Some(Type::any()),
            ..Function::default()
        },
    }
}

fn parameter(known: &ClosureParameter) -> Parameter {
    let any = Type::any();
    let optional = known.name.ends_with('?');
    Parameter {
        name: known.name.trim_end_matches('?').to_owned(),
        kind: match optional {
            true => Kind::Optional,
            false => Kind::Required,
        },
        ty: match known.stream {
            true => Type::Stream(Box::new(any)),
            false => any,
        },
        default: optional.then(|| "null".to_owned()),
        about: About::default(),
    }
}

/// Each interface once for each prefix.
fn interfaces(description: &Description) -> Vec<Interface> {
    let mut found: BTreeMap<(String, &str), Interface> = BTreeMap::new();
    for function in &description.functions {
        let name = function.interface.as_deref();
        let declared = description.interfaces.iter();
        for interface in declared.filter(|it| Some(it.name.as_str()) == name) {
            let key = (function.prefix.clone(), interface.name.as_str());
            found.entry(key).or_insert_with(|| Interface {
                prefix: function.prefix.clone(),
                ..interface.clone()
            });
        }
    }
    found.into_values().collect()
}
