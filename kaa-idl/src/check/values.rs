//! Constants and defaults.

use super::names::{LISTED, Wanted, kind_in_words};
use super::{Checker, graph};
use crate::diagnostics::{Code, Diagnostic};
use crate::schema::{Declaration, DeclarationId, Integer, Package, Type, Value};

use crate::syntax::ast::{self, Item, ItemKind, Path, ValueKind};
use crate::syntax::span::Span;

impl<'a> Checker<'a> {
    /// Finds out the types of all constants, so that values can refer to them.
    pub(super) fn resolve_constants(&mut self) {
        for (package, file) in self.files.iter().enumerate() {
            for (index, item) in file.ast.items.iter().enumerate() {
                let ItemKind::Const { ty: written, .. } = &item.kind else {
                    continue;
                };
                let Some(ty) = self.ty(package, written, super::types::Place::Other) else {
                    continue;
                };
                if self.may_be_constant(&ty) {
                    self.consts.insert(DeclarationId { package, index }, ty);
                } else {
                    let found = self.describe(&ty);
                    self.sink.push(
                        Diagnostic::new(Code::NoLiteral, written.span, format!("a constant cannot be of type `{found}`"))
                            .labelled("expected a number, `bool`, `string`, `duration` or an enum without fields"),
                    );
                }
            }
        }
    }

    fn may_be_constant(&self, ty: &Type) -> bool {
        match self.resolved(ty) {
            Type::Bool
            | Type::Integer(_)
            | Type::F32
            | Type::F64
            | Type::String
            | Type::Duration => true,
            Type::Named(id) => match &self.item(*id).kind {
                ItemKind::Enum { variants, .. } => {
                    variants.iter().all(|variant| variant.fields.is_empty())
                }
                _ => false,
            },
            _ => false,
        }
    }

    /// The value that `written` stands for where a `wanted` is needed. Reports what does not fit.
    pub(super) fn value(
        &mut self,
        file: usize,
        written: &ast::Value,
        wanted: &Type,
    ) -> Option<Value> {
        let ty = self.resolved(wanted).clone();
        if matches!(ty, Type::Optional(_) | Type::Any) {
            return self.null(written, wanted);
        }
        if !self.has_literals(&ty) {
            let found = self.describe(wanted);
            let diagnostic = Diagnostic::new(
                Code::NoLiteral,
                written.span,
                format!("a `{found}` has no default"),
            )
            .labelled("there are no literals of this type");
            self.sink.push(match ty {
                Type::Stream(_) => diagnostic,
                _ => diagnostic.with_help(format!("make it optional: `{found}?`")),
            });

            return None;
        }
        match (&written.kind, &ty) {
            (ValueKind::Invalid, _) => None,
            (ValueKind::Path(path), _) => self.named_value(file, path, wanted, &ty),
            (ValueKind::Integer(value), Type::Integer(integer)) => {
                self.integer(*value, *integer, written.span)
            }
            (ValueKind::Integer(value), Type::F32 | Type::F64) => {
                self.integer_as_float(*value, &ty, written.span)
            }
            (ValueKind::Float(value), Type::F64) => Some(Value::Float(*value)),
            (ValueKind::Float(value), Type::F32) => self.single(*value, written.span),
            (ValueKind::String(value), Type::String) => Some(Value::String(value.clone())),
            (ValueKind::Duration(value), Type::Duration) => Some(Value::Duration(*value)),
            (ValueKind::EmptyList, Type::List(_)) => Some(Value::EmptyList),
            (ValueKind::EmptyMap, Type::Map(..)) => Some(Value::EmptyMap),
            (kind, _) => {
                let found = literal_in_words(kind);
                let diagnostic = self.wrong_value(written.span, wanted, found);
                self.sink.push(match (kind, &ty) {
                    (ValueKind::Integer(_), Type::Duration) => {
                        diagnostic.with_help("a duration has a unit, such as `5s`")
                    }
                    (ValueKind::Integer(_), Type::String) => {
                        diagnostic.with_help("write it in quotes")
                    }
                    (ValueKind::Integer(0 | 1), Type::Bool) => {
                        diagnostic.with_help("write `true` or `false`")
                    }
                    (ValueKind::String(_), Type::Named(_)) => {
                        diagnostic.with_help("a variant is written without quotes")
                    }
                    _ => diagnostic,
                });
                None
            }
        }
    }

    fn has_literals(&self, ty: &Type) -> bool {
        match ty {
            Type::Bytes | Type::Timestamp | Type::Tuple(_) | Type::Stream(_) => false,
            Type::Named(id) => matches!(self.item(*id).kind, ItemKind::Enum { .. }),
            _ => true,
        }
    }

    fn wrong_value(&self, span: Span, wanted: &Type, found: &str) -> Diagnostic {
        let wanted = self.describe(wanted);
        Diagnostic::new(
            Code::WrongValue,
            span,
            format!("expected `{wanted}`, found {found}"),
        )
        .labelled(format!("expected `{wanted}`"))
    }

    fn null(&mut self, written: &ast::Value, wanted: &Type) -> Option<Value> {
        if let ValueKind::Path(path) = &written.kind
            && path.single() == Some("null")
        {
            return Some(Value::Null);
        }
        if !matches!(written.kind, ValueKind::Invalid) {
            let wanted = self.describe(wanted);
            self.sink.push(
                Diagnostic::new(Code::OnlyNull, written.span, format!("the only default of `{wanted}` is `null`"))
                    .labelled("expected `null`")
                    .with_note("nil means absent where absence is legal, so another default could not be told from it")
                    .with_help("remove the default, or the `?`"),
            );
        }
        None
    }

    fn integer(&mut self, value: i128, wanted: Integer, span: Span) -> Option<Value> {
        let (least, most) = wanted.range();
        if (least..=most).contains(&value) {
            return Some(Value::Integer(value));
        }
        let name = wanted.name();
        self.sink.push(
            Diagnostic::new(
                Code::OutOfRange,
                span,
                format!("`{value}` does not fit `{name}`"),
            )
            .labelled(format!("`{name}` holds {least} to {most}")),
        );
        None
    }

    fn integer_as_float(&mut self, value: i128, wanted: &Type, span: Span) -> Option<Value> {
        let float = match wanted {
            Type::F32 => f64::from(value as f32),
            _ => value as f64,
        };
        if float as i128 == value {
            return Some(Value::Float(float));
        }
        let name = self.describe(wanted);
        self.sink.push(
            Diagnostic::new(
                Code::OutOfRange,
                span,
                format!("`{value}` does not fit `{name}`"),
            )
            .labelled("would be rounded")
            .with_help("write it with a point if that is meant"),
        );
        None
    }

    fn single(&mut self, value: f64, span: Span) -> Option<Value> {
        if (value as f32).is_finite() {
            return Some(Value::Float(value));
        }
        self.sink.push(
            Diagnostic::new(
                Code::OutOfRange,
                span,
                format!("`{value:e}` does not fit `f32`"),
            )
            .labelled(format!("`f32` holds up to {:e}", f32::MAX)),
        );
        None
    }

    /// A word: `true`, a variant of the wanted enum, or a constant.
    fn named_value(&mut self, file: usize, path: &Path, wanted: &Type, ty: &Type) -> Option<Value> {
        if let (Type::Named(id), Some(name)) = (ty, path.single())
            && let Some(variant) = self.names.variant(*id, name)
        {
            return self.variant(*id, variant, path.span);
        }
        match path.single() {
            Some(word @ ("true" | "false")) => {
                if *ty == Type::Bool {
                    return Some(Value::Bool(word == "true"));
                }
                let diagnostic = self.wrong_value(path.span, wanted, "a `bool`");
                self.sink.push(diagnostic);
                return None;
            }
            Some("null") => {
                let diagnostic = self.wrong_value(path.span, wanted, "`null`");
                self.sink
                    .push(diagnostic.with_help("only a type with `?`, or `any`, can be null"));
                return None;
            }
            _ => {}
        }
        if let Type::Named(id) = ty
            && let Some(diagnostic) = self.unknown_variant(path, *id)
        {
            self.sink.push(diagnostic);
            return None;
        }
        let id = self.lookup(file, path, Wanted::Value)?;
        let item = self.item(id);
        if !matches!(item.kind, ItemKind::Const { .. }) {
            let found = kind_in_words(&item.kind);
            let diagnostic = self
                .wrong_value(path.span, wanted, found)
                .and(item.name.span, "declared here");
            self.sink.push(diagnostic);
            return None;
        }
        let constant = self.consts.get(&id)?.clone();
        if self.resolved(&constant) != ty {
            let found = format!("a constant of type `{}`", self.describe(&constant));
            let diagnostic = self
                .wrong_value(path.span, wanted, &found)
                .and(item.name.span, "declared here");
            self.sink.push(diagnostic.with_note("nothing is converted"));
            return None;
        }
        Some(Value::Const(id))
    }

    fn variants(&self, id: DeclarationId) -> &'a [ast::Variant] {
        match &self.item(id).kind {
            ItemKind::Enum { variants, .. } => variants,
            _ => &[],
        }
    }

    fn variant(&mut self, declaration: DeclarationId, variant: usize, span: Span) -> Option<Value> {
        let written = &self.variants(declaration)[variant];
        if written.fields.is_empty() {
            return Some(Value::Variant {
                declaration,
                variant,
            });
        }
        self.sink.push(
            Diagnostic::new(
                Code::VariantFields,
                span,
                format!("the variant `{}` has fields", written.name.text),
            )
            .labelled("there are no literals of variants with fields")
            .and(written.name.span, "declared here"),
        );
        None
    }

    /// What to say of a name that is neither a variant of the enum `id` nor looks like a constant:
    /// `Enum.variant`, or a misspelt variant.
    fn unknown_variant(&self, path: &Path, id: DeclarationId) -> Option<Diagnostic> {
        let item: &Item = self.item(id);
        let (last, before) = path.segments.split_last()?;
        if before
            .last()
            .is_some_and(|name| name.text == item.name.text)
        {
            let message = format!("`{}` names a variant too fully", path.text());
            return Some(
                Diagnostic::new(Code::UnknownName, path.span, message)
                    .labelled("the enum is known from the type")
                    .with_help(format!("write `{}`", last.text)),
            );
        }
        let looks_constant = last.text == crate::naming::screaming(&last.text);
        if !before.is_empty() || looks_constant {
            return None;
        }
        let names = self
            .variants(id)
            .iter()
            .map(|variant| variant.name.text.as_str());
        Some(
            Diagnostic::new(
                Code::UnknownName,
                path.span,
                format!("`{}` has no variant `{}`", item.name.text, last.text),
            )
            .labelled("not found")
            .and(item.name.span, "declared here")
            .did_you_mean(self.suggestions.closest(&last.text, names)),
        )
    }

    /// Reports constants that depend on themselves.
    pub(super) fn check_constant_cycles(&mut self, packages: &[Package]) {
        let constants: Vec<DeclarationId> = packages
            .iter()
            .enumerate()
            .flat_map(|(package, it)| {
                (0..it.declarations.len()).map(move |index| DeclarationId { package, index })
            })
            .collect();
        let walk = graph::walk(constants, |id| {
            match &packages[id.package].declarations[id.index] {
                Declaration::Const(constant) => match constant.value {
                    Value::Const(other) => vec![other],
                    _ => Vec::new(),
                },
                _ => Vec::new(),
            }
        });
        for cycle in walk.cycles {
            let Some((first, rest)) = cycle.split_first() else {
                continue;
            };
            let name = &self.item(*first).name;
            let message = format!("the value of `{}` depends on itself", name.text);
            let mut diagnostic =
                Diagnostic::new(Code::ConstCycle, name.span, message).labelled("has no value");
            for id in rest.iter().take(LISTED) {
                diagnostic = diagnostic.and(self.item(*id).name.span, "by way of this");
            }
            self.sink.push(diagnostic);
        }
    }
}

fn literal_in_words(kind: &ValueKind) -> &'static str {
    match kind {
        ValueKind::Integer(_) => "an integer",
        ValueKind::Float(_) => "a float",
        ValueKind::Duration(_) => "a duration",
        ValueKind::String(_) => "a string",
        ValueKind::EmptyList => "a list",
        ValueKind::EmptyMap => "a map",
        ValueKind::Path(_) | ValueKind::Invalid => "a name",
    }
}
