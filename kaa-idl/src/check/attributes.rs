//! Attributes: which there are, where they stand, what they take.

use super::Checker;
use crate::diagnostics::{Code, Diagnostic};
use crate::schema::Lifetime;
use crate::suggest::closest;
use crate::syntax::ast::{Attribute, Prelude, Text, Value, ValueKind};
use crate::syntax::span::Span;
use std::collections::HashMap;
use std::time::Duration;

/// What attributes can mark.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Target {
    /// Of any kind but an interface.
    Declaration,
    Interface,
    Field,
    Variant,
    Function,
    Parameter,
}

impl Target {
    fn in_words(self) -> &'static str {
        match self {
            Self::Declaration => "this declaration",
            Self::Interface => "an interface",
            Self::Field => "a field",
            Self::Variant => "a variant",
            Self::Function => "a function",
            Self::Parameter => "a parameter",
        }
    }
}

/// What the attributes of one thing say.
#[derive(Default)]
pub(super) struct Marks {
    pub(super) lifetime: Lifetime,
    pub(super) timeout: Option<Duration>,
    pub(super) expose: Option<Text>,
    pub(super) prefix: Option<Text>,
    pub(super) idempotent: bool,
    pub(super) uncancelled: bool,
    pub(super) serial: bool,
}

/// An attribute's name, what it may mark (`None`: anything) and an example of its use.
const KNOWN: [(&str, Option<Target>, &str); 8] = [
    ("since", None, "@since(\"1.2\")"),
    ("deprecated", None, "@deprecated(\"use play\")"),
    ("timeout", Some(Target::Function), "@timeout(5s)"),
    ("expose", Some(Target::Function), "@expose(\"name\")"),
    ("idempotent", Some(Target::Function), "@idempotent"),
    ("uncancelled", Some(Target::Function), "@uncancelled"),
    ("serial", Some(Target::Function), "@serial"),
    ("prefix", Some(Target::Interface), "@prefix(\"track.\")"),
];

impl Checker<'_> {
    /// Reads the attributes before something of the kind `target`.
    pub(super) fn attributes(&mut self, prelude: &Prelude, target: Target) -> Marks {
        let mut marks = Marks::default();
        let mut seen: HashMap<&str, Span> = HashMap::new();
        for attribute in &prelude.attributes {
            let name = attribute.name.text.as_str();
            let Some((_, only, example)) = KNOWN.iter().find(|(known, ..)| *known == name) else {
                let known = KNOWN.iter().map(|(known, ..)| *known);
                let suggestion = closest(name, known).map(|name| format!("@{name}"));
                self.sink.push(
                    Diagnostic::new(
                        Code::UnknownAttribute,
                        attribute.span,
                        format!("there is no attribute `@{name}`"),
                    )
                    .labelled("unknown")
                    .did_you_mean(suggestion.as_deref()),
                );
                continue;
            };
            if let Some(only) = only.filter(|only| *only != target) {
                self.sink.push(
                    Diagnostic::new(
                        Code::MisplacedAttribute,
                        attribute.span,
                        format!("`@{name}` does not mark {}", target.in_words()),
                    )
                    .labelled(format!("only {} can have it", only.in_words())),
                );
                continue;
            }
            if let Some(first) = seen.get(name) {
                self.sink.push(
                    Diagnostic::new(
                        Code::AttributeTwice,
                        attribute.span,
                        format!("`@{name}` given twice"),
                    )
                    .labelled("again here")
                    .and(*first, "first here"),
                );
                continue;
            }
            seen.insert(name, attribute.span);
            if let Err(wanted) = marks.read(attribute) {
                // An argument that is malformed in itself was reported.
                if !attribute
                    .arguments
                    .iter()
                    .flatten()
                    .any(|value| matches!(value.kind, ValueKind::Invalid))
                {
                    self.sink.push(
                        Diagnostic::new(
                            Code::AttributeArguments,
                            attribute.span,
                            format!("`@{name}` takes {wanted}"),
                        )
                        .labelled(format!("expected {wanted}"))
                        .with_help(format!("write it as in `{example}`")),
                    );
                }
            }
        }
        marks
    }
}

impl Marks {
    /// Takes over what a known attribute says; an error says what it takes.
    fn read(&mut self, attribute: &Attribute) -> Result<(), &'static str> {
        match attribute.name.text.as_str() {
            "since" => self.lifetime.since = Some(text(attribute)?.text),
            "deprecated" => self.lifetime.deprecated = Some(text(attribute)?.text),
            "expose" => self.expose = Some(text(attribute)?),
            "prefix" => self.prefix = Some(text(attribute)?),
            "timeout" => self.timeout = Some(duration(attribute)?),
            "idempotent" => self.idempotent = nothing(attribute)?,
            "uncancelled" => self.uncancelled = nothing(attribute)?,
            _ => self.serial = nothing(attribute)?,
        }
        Ok(())
    }
}

fn single(attribute: &Attribute) -> Option<&Value> {
    match attribute.arguments.as_deref() {
        Some([value]) => Some(value),
        _ => None,
    }
}

fn text(attribute: &Attribute) -> Result<Text, &'static str> {
    match single(attribute) {
        Some(Value {
            kind: ValueKind::String(text),
            span,
        }) if !text.trim().is_empty() => Ok(Text {
            text: text.clone(),
            span: *span,
        }),
        _ => Err("one string that is not empty"),
    }
}

fn duration(attribute: &Attribute) -> Result<Duration, &'static str> {
    match single(attribute).map(|value| &value.kind) {
        Some(ValueKind::Duration(duration)) if !duration.is_zero() => Ok(*duration),
        _ => Err("one duration above zero"),
    }
}

fn nothing(attribute: &Attribute) -> Result<bool, &'static str> {
    if attribute.arguments.is_none() {
        Ok(true)
    } else {
        Err("nothing")
    }
}
