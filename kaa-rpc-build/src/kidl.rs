//! Pieces of a schema in its own language, for the documentation of what has none.

use std::time::Duration;

use kaa_idl::schema::{
    Declaration, DeclarationId, Field, Function, Parameter, ParameterKind, Schema, Type, Value,
};

/// Writes types and values as the schema's author would, in the package of index `package`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Kidl<'a> {
    pub(crate) schema: &'a Schema,
    pub(crate) package: usize,
}

impl Kidl<'_> {
    /// `rating: u8 = 3`
    pub(crate) fn field(self, field: &Field) -> String {
        let default = field
            .default
            .as_ref()
            .filter(|value| **value != Value::Null);
        self.named(&field.name, &field.ty, default)
    }

    /// `at: duration = 0s`
    pub(crate) fn parameter(self, parameter: &Parameter) -> String {
        match &parameter.kind {
            ParameterKind::Required | ParameterKind::Optional(Value::Null) => {
                self.named(&parameter.name, &parameter.ty, None)
            }
            ParameterKind::Optional(default) => {
                self.named(&parameter.name, &parameter.ty, Some(default))
            }
            ParameterKind::Rest => format!("*{}: {}", parameter.name, self.ty(&parameter.ty)),
            ParameterKind::Kwargs => format!("**{}: {}", parameter.name, self.ty(&parameter.ty)),
        }
    }

    fn named(self, name: &str, ty: &Type, default: Option<&Value>) -> String {
        match default {
            Some(default) => format!("{name}: {} = {}", self.ty(ty), self.value(default)),
            None => format!("{name}: {}", self.ty(ty)),
        }
    }

    /// `fn play(id: u64) -> State throws PlayError`
    pub(crate) fn function(self, function: &Function) -> String {
        let parameters: Vec<String> = function
            .parameters
            .iter()
            .map(|it| self.parameter(it))
            .collect();
        let mut text = if function.oneway {
            "oneway fn ".to_owned()
        } else {
            "fn ".to_owned()
        };
        text.push_str(&format!("{}({})", function.name, parameters.join(", ")));
        if let Some(result) = &function.result {
            text.push_str(&format!(" -> {}", self.ty(result)));
        }
        if let Some(error) = function.throws {
            text.push_str(&format!(" throws {}", self.declaration(error)));
        }
        text
    }

    pub(crate) fn fields(self, fields: &[Field]) -> String {
        let fields: Vec<String> = fields.iter().map(|field| self.field(field)).collect();
        fields.join(", ")
    }

    pub(crate) fn ty(self, ty: &Type) -> String {
        ty.display_with(&|id| self.declaration(id))
    }

    pub(crate) fn value(self, value: &Value) -> String {
        match value {
            Value::Null => "null".to_owned(),
            Value::Bool(value) => value.to_string(),
            Value::Integer(value) => value.to_string(),
            Value::Float(value) => format!("{value:?}"),
            Value::String(value) => format!("{value:?}"),
            Value::Duration(value) => duration(*value),
            Value::EmptyList => "[]".to_owned(),
            Value::EmptyMap => "{}".to_owned(),
            Value::Const(id) => self.declaration(*id),
            Value::Variant {
                declaration,
                variant,
            } => match self.schema.declaration(*declaration) {
                Declaration::Enum(it) | Declaration::Error(it) => {
                    it.variants[*variant].name.clone()
                }
                other => other.name().to_owned(),
            },
        }
    }

    fn declaration(self, id: DeclarationId) -> String {
        let name = self.schema.declaration(id).name();
        if id.package == self.package {
            name.to_owned()
        } else {
            format!("{}.{name}", self.schema.package_of(id).name)
        }
    }
}

/// `5s`, in the largest unit that makes it a whole number.
pub(crate) fn duration(value: Duration) -> String {
    let seconds = value.as_secs();
    if value.subsec_nanos() != 0 {
        format!("{}ms", value.as_millis())
    } else if seconds == 0 || !seconds.is_multiple_of(60) {
        format!("{seconds}s")
    } else if !seconds.is_multiple_of(3600) {
        format!("{}m", seconds / 60)
    } else {
        format!("{}h", seconds / 3600)
    }
}
