//! A schema as compact text: one line for each thing in it.

use kaa_idl::schema::{
    Declaration, Enum, Field, Function, Lifetime, MessagePart, Package, Parameter, ParameterKind,
    Schema, Value,
};
use std::fmt::Write;

/// All packages.
pub(crate) fn dump(schema: &Schema) -> String {
    let mut dump = Dump {
        schema,
        out: String::new(),
    };
    for package in schema.packages() {
        dump.package(package);
    }
    dump.out
}

struct Dump<'a> {
    schema: &'a Schema,
    out: String,
}

impl Dump<'_> {
    fn line(&mut self, depth: usize, text: &str, doc: &str, lifetime: &Lifetime) {
        write!(self.out, "{:1$}{text}", "", depth * 2).expect("strings take all");
        if let Some(since) = &lifetime.since {
            write!(self.out, " since={since:?}").expect("strings take all");
        }
        if let Some(deprecated) = &lifetime.deprecated {
            write!(self.out, " deprecated={deprecated:?}").expect("strings take all");
        }
        if !doc.is_empty() {
            write!(self.out, " doc={doc:?}").expect("strings take all");
        }
        self.out.push('\n');
    }

    fn package(&mut self, package: &Package) {
        let imports: Vec<&str> = package
            .imports
            .iter()
            .map(|index| self.schema.packages()[*index].name.as_str())
            .collect();
        let text = format!(
            "package {} path={:?} root={} imports={imports:?}",
            package.name, package.path, package.root
        );
        self.line(0, &text, &package.doc, &Lifetime::default());
        for declaration in &package.declarations {
            self.declaration(declaration);
        }
    }

    fn declaration(&mut self, declaration: &Declaration) {
        match declaration {
            Declaration::Const(it) => {
                let text = format!(
                    "const {}: {} = {}",
                    it.name,
                    self.schema.display(&it.ty),
                    self.value(&it.value)
                );
                self.line(1, &text, &it.doc, &it.lifetime);
            }
            Declaration::Alias(it) => {
                let text = format!("type {} = {}", it.name, self.schema.display(&it.ty));
                self.line(1, &text, &it.doc, &it.lifetime);
            }
            Declaration::Struct(it) => {
                self.line(1, &format!("struct {}", it.name), &it.doc, &it.lifetime);
                self.fields(2, &it.fields);
            }
            Declaration::Enum(it) => {
                self.enumeration(if it.strict { "strict enum" } else { "enum" }, it);
            }
            Declaration::Error(it) => self.enumeration("error", it),
            Declaration::Interface(it) => {
                self.line(1, &format!("interface {}", it.name), &it.doc, &it.lifetime);
                for function in &it.functions {
                    self.function(function);
                }
            }
            Declaration::Channel(it) => {
                let names = |ids: &[_]| {
                    ids.iter()
                        .map(|id| self.schema.full_name(*id))
                        .collect::<Vec<_>>()
                        .join(", ")
                };
                let text = format!(
                    "channel {} server=[{}] client=[{}]",
                    it.name,
                    names(&it.server),
                    names(&it.client)
                );
                self.line(1, &text, &it.doc, &it.lifetime);
            }
        }
    }

    fn fields(&mut self, depth: usize, fields: &[Field]) {
        for field in fields {
            let mut text = format!("{}: {}", field.name, self.schema.display(&field.ty));
            if let Some(default) = &field.default {
                text += &format!(" = {}", self.value(default));
            }
            self.line(depth, &text, &field.doc, &field.lifetime);
        }
    }

    fn enumeration(&mut self, keyword: &str, it: &Enum) {
        self.line(1, &format!("{keyword} {}", it.name), &it.doc, &it.lifetime);
        for variant in &it.variants {
            let mut text = variant.name.clone();
            for part in &variant.message {
                match part {
                    MessagePart::Text(part) => text += &format!(" {part:?}"),
                    MessagePart::Field(index) => {
                        text += &format!(" {{{}}}", variant.fields[*index].name);
                    }
                }
            }
            self.line(2, &text, &variant.doc, &variant.lifetime);
            self.fields(3, &variant.fields);
        }
    }

    fn function(&mut self, it: &Function) {
        let mut text = format!("fn {} wire={}", it.name, it.wire_name);
        for (name, ty) in [("result", &it.result), ("yields", &it.yields)] {
            if let Some(ty) = ty {
                text += &format!(" {name}={}", self.schema.display(ty));
            }
        }
        if let Some(error) = it.throws {
            text += &format!(" throws={}", self.schema.full_name(error));
        }
        if let Some(timeout) = it.timeout {
            text += &format!(" timeout={timeout:?}");
        }
        let flags = [it.oneway, it.idempotent, it.uncancelled, it.serial];
        for (set, name) in flags
            .into_iter()
            .zip(["oneway", "idempotent", "uncancelled", "serial"])
        {
            if set {
                text += &format!(" {name}");
            }
        }
        self.line(2, &text, &it.doc, &it.lifetime);
        for parameter in &it.parameters {
            self.parameter(parameter);
        }
    }

    fn parameter(&mut self, it: &Parameter) {
        let ty = self.schema.display(&it.ty);
        let text = match &it.kind {
            ParameterKind::Required => format!("{}: {ty}", it.name),
            ParameterKind::Optional(default) => {
                format!("{}: {ty} = {}", it.name, self.value(default))
            }
            ParameterKind::Rest => format!("*{}: {ty}", it.name),
            ParameterKind::Kwargs => format!("**{}: {ty}", it.name),
        };
        self.line(3, &text, &it.doc, &it.lifetime);
    }

    fn value(&self, value: &Value) -> String {
        match value {
            Value::Null => "null".to_owned(),
            Value::Bool(it) => it.to_string(),
            Value::Integer(it) => it.to_string(),
            Value::Float(it) => format!("{it:?}"),
            Value::String(it) => format!("{it:?}"),
            Value::Duration(it) => format!("{it:?}"),
            Value::EmptyList => "[]".to_owned(),
            Value::EmptyMap => "{}".to_owned(),
            Value::Const(id) => format!(
                "{} ({})",
                self.schema.full_name(*id),
                self.value(self.schema.evaluate(value))
            ),
            Value::Variant {
                declaration,
                variant,
            } => match self.schema.declaration(*declaration) {
                Declaration::Enum(it) => format!(
                    "{}.{}",
                    self.schema.full_name(*declaration),
                    it.variants[*variant].name
                ),
                _ => "not an enum".to_owned(),
            },
        }
    }
}
