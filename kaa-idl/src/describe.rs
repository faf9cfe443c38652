//! A checked schema as a [`Description`]: what the runtime can show and compare.

use std::time::Duration;

use kaa_rpc_describe::{
    About, Description, Field, Function, Interface, Kind, Parameter, Shape, Type, TypeDeclaration,
    Variant,
};

use crate::schema::{self, Declaration, MessagePart, Package, ParameterKind, Schema, Value};

impl Schema {
    /// What `package` declares: its structs, enums and errors, and its interfaces. Aliases and constants
    /// are replaced by what they stand for.
    #[must_use]
    pub fn describe(&self, package: &Package) -> Description {
        let mut description = Description::default();
        for declaration in &package.declarations {
            let name = format!("{}.{}", package.name, declaration.name());
            match declaration {
                Declaration::Struct(it) => {
                    let shape = Shape::Struct(self.describe_fields(&it.fields));
                    description
                        .types
                        .insert(name, declared(&it.doc, &it.lifetime, shape));
                }
                Declaration::Enum(it) => {
                    let shape = Shape::Enum {
                        strict: it.strict,
                        variants: self.describe_variants(&it.variants),
                    };
                    description
                        .types
                        .insert(name, declared(&it.doc, &it.lifetime, shape));
                }
                Declaration::Error(it) => {
                    let shape = Shape::Error(self.describe_variants(&it.variants));
                    description
                        .types
                        .insert(name, declared(&it.doc, &it.lifetime, shape));
                }
                Declaration::Interface(it) => {
                    let functions = it.functions.iter();
                    let functions =
                        functions.map(|function| self.describe_function(&name, function));
                    description.functions.extend(functions);
                    description.interfaces.push(Interface {
                        about: about(&it.doc, &it.lifetime),
                        prefix: String::new(),
                        name,
                    });
                }
                Declaration::Const(_) | Declaration::Alias(_) | Declaration::Channel(_) => {}
            }
        }
        description
    }

    fn describe_function(&self, interface: &str, it: &schema::Function) -> Function {
        Function {
            name: it.wire_name.clone(),
            interface: Some(interface.to_owned()),
            prefix: String::new(),
            about: about(&it.doc, &it.lifetime),
            parameters: it
                .parameters
                .iter()
                .map(|it| self.describe_parameter(it))
                .collect(),
            result: it.result.as_ref().map(|ty| self.describe_type(ty)),
            yields: it.yields.as_ref().map(|ty| self.describe_type(ty)),
            throws: it.throws.map(|id| self.full_name(id)),
            oneway: it.oneway,
            idempotent: it.idempotent,
        }
    }

    fn describe_parameter(&self, it: &schema::Parameter) -> Parameter {
        let ty = self.describe_type(&it.ty);
        let (kind, default) = match &it.kind {
            ParameterKind::Required => (Kind::Required, None),
            ParameterKind::Optional(value) => (Kind::Optional, self.describe_default(value, &ty)),
            ParameterKind::Rest => (Kind::Rest, None),
            ParameterKind::Kwargs => (Kind::Kwargs, None),
        };
        Parameter {
            name: it.name.clone(),
            kind,
            ty,
            default,
            about: about(&it.doc, &it.lifetime),
        }
    }

    fn describe_fields(&self, fields: &[schema::Field]) -> Vec<Field> {
        let fields = fields.iter().map(|it| {
            let ty = self.describe_type(&it.ty);
            let default = it.default.as_ref();
            Field {
                name: it.name.clone(),
                default: default.and_then(|value| self.describe_default(value, &ty)),
                ty,
                about: about(&it.doc, &it.lifetime),
            }
        });
        fields.collect()
    }

    fn describe_variants(&self, variants: &[schema::Variant]) -> Vec<Variant> {
        let variants = variants.iter().map(|it| Variant {
            name: it.name.clone(),
            fields: self.describe_fields(&it.fields),
            message: (!it.message.is_empty()).then(|| message(it)),
            about: about(&it.doc, &it.lifetime),
        });
        variants.collect()
    }

    fn describe_type(&self, ty: &schema::Type) -> Type {
        let boxed = |ty| Box::new(self.describe_type(ty));
        match self.resolve(ty) {
            schema::Type::Optional(inner) => Type::Optional(boxed(inner)),
            schema::Type::List(inner) => Type::List(boxed(inner)),
            schema::Type::Stream(inner) => Type::Stream(boxed(inner)),
            schema::Type::Map(key, value) => Type::Map(boxed(key), boxed(value)),
            schema::Type::Tuple(members) => {
                Type::Tuple(members.iter().map(|ty| self.describe_type(ty)).collect())
            }
            other => Type::Named(self.display(other)),
        }
    }

    /// An optional type has no default but null, which goes without saying.
    fn describe_default(&self, value: &Value, ty: &Type) -> Option<String> {
        (!matches!(ty, Type::Optional(_))).then(|| self.describe_value(value))
    }

    fn describe_value(&self, value: &Value) -> String {
        match self.evaluate(value) {
            Value::Null => "null".to_owned(),
            Value::Bool(value) => value.to_string(),
            Value::Integer(value) => value.to_string(),
            Value::Float(value) => format!("{value:?}"),
            Value::String(value) => kaa_rpc_describe::quoted(value),
            Value::Duration(value) => duration(*value),
            Value::EmptyList => "[]".to_owned(),
            Value::EmptyMap => "{}".to_owned(),
            Value::Const(id) => self.declaration(*id).name().to_owned(),
            Value::Variant {
                declaration,
                variant,
            } => match self.declaration(*declaration) {
                Declaration::Enum(it) | Declaration::Error(it) => {
                    it.variants[*variant].name.clone()
                }
                other => other.name().to_owned(),
            },
        }
    }
}

fn about(doc: &str, lifetime: &schema::Lifetime) -> About {
    About {
        doc: doc.to_owned(),
        since: lifetime.since.clone(),
        deprecated: lifetime.deprecated.clone(),
    }
}

fn declared(doc: &str, lifetime: &schema::Lifetime, shape: Shape) -> TypeDeclaration {
    TypeDeclaration {
        about: about(doc, lifetime),
        shape,
    }
}

/// A message as it is written: with `{name}`, and braces doubled.
fn message(variant: &schema::Variant) -> String {
    let parts = variant.message.iter().map(|part| match part {
        MessagePart::Text(text) => text.replace('{', "{{").replace('}', "}}"),
        MessagePart::Field(index) => format!("{{{}}}", variant.fields[*index].name),
    });
    parts.collect()
}

/// `5s`, or in milliseconds if it is no whole number: one text for each duration.
fn duration(value: Duration) -> String {
    match value.subsec_millis() {
        0 => format!("{}s", value.as_secs()),
        _ => format!("{}ms", value.as_millis()),
    }
}
