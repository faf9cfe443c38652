//! What of a function must be the same for two ends to have the same contract, as one text.
//!
//! docs/protocol.md describes it, under "Signature hashes".

use std::collections::BTreeMap;
use std::fmt::Write;

use crate::model::{
    Description, Field, Function, Kind, Shape, TypeDeclaration, Variant, reachable,
};

impl Description {
    /// The signature of `function` and all types that it uses, without names of functions, documentation
    /// and the order of declarations. Equal texts mean equal contracts.
    #[must_use]
    pub fn canonical(&self, function: &Function) -> String {
        let mut out = String::new();
        signature(&mut out, function);
        for name in reachable(&self.types, function.names()) {
            if let Some(declaration) = self.types.get(&name) {
                declared(&mut out, &name, declaration);
            }
        }
        out
    }
}

fn signature(out: &mut String, function: &Function) {
    for (is, word) in [
        (function.idempotent, "idempotent "),
        (function.oneway, "oneway "),
    ] {
        out.push_str(if is { word } else { "" });
    }
    let parameters = function.parameters.iter().map(|parameter| {
        let stars = match parameter.kind {
            Kind::Rest => "*",
            Kind::Kwargs => "**",
            Kind::Required | Kind::Optional => "",
        };
        let default = default(parameter.default.as_deref());
        format!("{stars}{}: {}{default}", parameter.name, parameter.ty)
    });
    let parameters: Vec<String> = parameters.collect();
    let _ = write!(out, "fn({})", parameters.join(", "));
    if let Some(result) = &function.result {
        let _ = write!(out, " -> {result}");
    }
    if let Some(yields) = &function.yields {
        let _ = write!(out, " yields {yields}");
    }
    if let Some(error) = &function.throws {
        let _ = write!(out, " throws {error}");
    }
    out.push('\n');
}

fn declared(out: &mut String, name: &str, declaration: &TypeDeclaration) {
    let (keyword, parts) = match &declaration.shape {
        Shape::Struct(all) => ("struct", fields(all)),
        Shape::Enum {
            strict: true,
            variants: all,
        } => ("strict enum", variants(all)),
        Shape::Enum {
            strict: false,
            variants: all,
        } => ("enum", variants(all)),
        Shape::Error(all) => ("error", variants(all)),
    };
    let _ = writeln!(out, "{keyword} {name} {{{parts}}}");
}

fn variants(variants: &[Variant]) -> String {
    let by_name = variants.iter().map(|variant| {
        let text = match variant.fields.as_slice() {
            [] => variant.name.clone(),
            some => format!("{} {{{}}}", variant.name, fields(some)),
        };
        (variant.name.as_str(), text)
    });
    join(by_name)
}

fn fields(fields: &[Field]) -> String {
    let by_name = fields.iter().map(|field| {
        let default = default(field.default.as_deref());
        let text = format!("{}: {}{default}", field.name, field.ty);
        (field.name.as_str(), text)
    });
    join(by_name)
}

fn default(value: Option<&str>) -> String {
    value.map_or_else(String::new, |value| format!(" = {value}"))
}

/// In the order of their names.
fn join<'a>(by_name: impl Iterator<Item = (&'a str, String)>) -> String {
    let sorted: BTreeMap<&str, String> = by_name.collect();
    let texts: Vec<String> = sorted.into_values().collect();
    texts.join(", ")
}
