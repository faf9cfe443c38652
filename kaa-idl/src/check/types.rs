//! Types: what they name, and whether they make sense together.

use super::Checker;
use super::names::Wanted;
use crate::diagnostics::{Code, Diagnostic};
use crate::limits::MAX_TUPLE;
use crate::schema::{DeclarationId, Integer, Type};
use crate::syntax::ast::{self, ItemKind, TypeKind};

/// Where a type stands.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    /// It is the whole type of a parameter, which may be a stream.
    Parameter,
    /// Anywhere else.
    Other,
}

impl<'a> Checker<'a> {
    /// The type that `written` means in `file`. Reports what is wrong with it; `None` if it names
    /// nothing that is known.
    pub(super) fn ty(&mut self, file: usize, written: &ast::Type, place: Place) -> Option<Type> {
        let ty = self.resolve(file, written)?;
        self.validate(written, &ty, place);
        Some(ty)
    }

    /// Names only.
    pub(super) fn resolve(&mut self, file: usize, written: &ast::Type) -> Option<Type> {
        match &written.kind {
            TypeKind::Optional(inner) => Some(Type::Optional(Box::new(self.resolve(file, inner)?))),
            TypeKind::Tuple(members) => {
                // All are resolved before the first hole counts, so that each mistake is reported.
                let members: Vec<_> = members
                    .iter()
                    .map(|member| self.resolve(file, member))
                    .collect();
                Some(Type::Tuple(members.into_iter().collect::<Option<_>>()?))
            }
            TypeKind::Named { path, arguments } => {
                let types: Vec<_> = arguments
                    .iter()
                    .map(|argument| self.resolve(file, argument))
                    .collect();
                match path.single() {
                    Some(name @ ("list" | "stream")) => {
                        let [item] = self.arguments(written, name, "one type", types)?;
                        Some(if name == "list" {
                            Type::List(item)
                        } else {
                            Type::Stream(item)
                        })
                    }
                    Some("map") => {
                        let [key, value] =
                            self.arguments(written, "map", "two types, `map<K, V>`", types)?;
                        Some(Type::Map(key, value))
                    }
                    name => {
                        let scalar = name.and_then(scalar);
                        let ty = match scalar {
                            Some(ty) => ty,
                            None => {
                                let id = self.lookup_kind(file, path, Wanted::Type)?;
                                // A broken alias was reported where it stands.
                                self.sound(id)?
                            }
                        };
                        if !arguments.is_empty() {
                            self.no_arguments(written, &path.text());
                        }
                        Some(ty)
                    }
                }
            }
        }
    }

    fn sound(&self, id: DeclarationId) -> Option<Type> {
        let broken =
            matches!(self.item(id).kind, ItemKind::Alias(_)) && !self.aliases.contains_key(&id);
        (!broken).then_some(Type::Named(id))
    }

    fn arguments<const N: usize>(
        &mut self,
        written: &ast::Type,
        name: &str,
        wanted: &str,
        types: Vec<Option<Type>>,
    ) -> Option<[Box<Type>; N]> {
        if types.len() != N {
            let found = types.len();
            self.sink.push(
                Diagnostic::new(
                    Code::TypeArguments,
                    written.span,
                    format!("`{name}` takes {wanted}"),
                )
                .labelled(format!("expected {N}, found {found}")),
            );
            return None;
        }
        let types: Vec<Box<Type>> = types
            .into_iter()
            .map(|ty| ty.map(Box::new))
            .collect::<Option<_>>()?;
        types.try_into().ok()
    }

    fn no_arguments(&mut self, written: &ast::Type, name: &str) {
        self.sink.push(
            Diagnostic::new(
                Code::TypeArguments,
                written.span,
                format!("`{name}` takes no type"),
            )
            .labelled("remove `<…>`")
            .with_note("only `list`, `map` and `stream` take types"),
        );
    }

    /// What `ty` stands for, aliases at its top followed.
    pub(super) fn resolved<'t>(&'t self, mut ty: &'t Type) -> &'t Type {
        while let Type::Named(id) = ty {
            match self.aliases.get(id) {
                Some(stands_for) => ty = stands_for,
                None => break,
            }
        }
        ty
    }

    /// Whether a value of it may be left out.
    pub(super) fn is_optional(&self, ty: &Type) -> bool {
        matches!(self.resolved(ty), Type::Optional(_))
    }

    /// Reports combinations that make no sense. `ty` is what `written` resolved to, so both have the
    /// same shape.
    pub(super) fn validate(&mut self, written: &ast::Type, ty: &Type, place: Place) {
        match (&written.kind, ty) {
            (TypeKind::Optional(inner), Type::Optional(inner_ty)) => {
                self.validate_optional(written, inner, inner_ty);
                self.validate(inner, inner_ty, Place::Other);
            }
            (TypeKind::Tuple(members), Type::Tuple(types)) => {
                if !(2..=MAX_TUPLE).contains(&members.len()) {
                    self.sink.push(tuple_size(written, members));
                }
                for (member, ty) in members.iter().zip(types) {
                    self.validate(member, ty, Place::Other);
                }
            }
            (TypeKind::Named { arguments, .. }, _) => {
                if let Type::Stream(_) = ty
                    && place == Place::Other
                {
                    self.sink.push(
                        Diagnostic::new(Code::Stream, written.span, "a stream in the wrong place")
                            .labelled("a stream can only be the whole type of a parameter")
                            .with_help("to give many items back, use `yields`"),
                    );
                }
                if let (Type::Map(key, _), [written, _]) = (ty, arguments.as_slice()) {
                    self.validate_key(written, key);
                }
                for (argument, ty) in arguments.iter().zip(type_arguments(ty)) {
                    self.validate(argument, ty, Place::Other);
                }
            }
            _ => {}
        }
    }

    fn validate_optional(&mut self, written: &ast::Type, inner: &ast::Type, inner_ty: &Type) {
        let (what, help) = match self.resolved(inner_ty) {
            Type::Optional(_) => (
                "an optional of an optional",
                "absent and nil are the same; remove this `?`",
            ),
            Type::Any => (
                "an optional `any`",
                "`any` can be nil already; remove the `?`",
            ),
            _ => return,
        };
        let mut diagnostic =
            Diagnostic::new(Code::DoubleOptional, written.span, what).with_help(help);
        if let (TypeKind::Named { path, .. }, Type::Named(id)) = (&inner.kind, inner_ty) {
            let stands_for = self.describe(self.resolved(inner_ty));
            diagnostic = diagnostic
                .labelled(format!("`{}` is `{stands_for}`", path.text()))
                .and(self.item(*id).name.span, "declared here");
        } else {
            diagnostic = diagnostic.labelled("says no more than without `?`");
        }
        self.sink.push(diagnostic);
    }

    fn validate_key(&mut self, written: &ast::Type, key: &Type) {
        if !matches!(
            self.resolved(key),
            Type::String | Type::Bool | Type::Integer(_)
        ) {
            let found = self.describe(key);
            self.sink.push(
                Diagnostic::new(
                    Code::MapKey,
                    written.span,
                    format!("`{found}` cannot be the key of a map"),
                )
                .labelled("expected `string`, `bool` or an integer type")
                .with_help("a list of tuples, `list<(K, V)>`, takes any type"),
            );
        }
    }

    /// `ty` as it would be written.
    pub(super) fn describe(&self, ty: &Type) -> String {
        ty.display_with(&|id| self.item(id).name.text.clone())
    }
}

fn tuple_size(written: &ast::Type, members: &[ast::Type]) -> Diagnostic {
    let found = members.len();
    let diagnostic = Diagnostic::new(
        Code::TupleSize,
        written.span,
        format!("a tuple has 2 to {MAX_TUPLE} members"),
    )
    .labelled(format!("found {found}"));
    match found {
        0 => diagnostic.with_help("a function without result has no `->`"),
        1 => diagnostic.with_help("remove the parentheses"),
        _ => diagnostic.with_help("use a struct, which has names for its parts"),
    }
}

/// The built-in type without arguments of that name.
fn scalar(name: &str) -> Option<Type> {
    Some(match name {
        "bool" => Type::Bool,
        "f32" => Type::F32,
        "f64" => Type::F64,
        "string" => Type::String,
        "bytes" => Type::Bytes,
        "timestamp" => Type::Timestamp,
        "duration" => Type::Duration,
        "any" => Type::Any,
        _ => Type::Integer(Integer::named(name)?),
    })
}

/// What stands between `<` and `>`.
fn type_arguments(ty: &Type) -> impl Iterator<Item = &Type> {
    let (first, second) = match ty {
        Type::List(item) | Type::Stream(item) => (Some(item), None),
        Type::Map(key, value) => (Some(key), Some(value)),
        _ => (None, None),
    };
    first.into_iter().chain(second).map(AsRef::as_ref)
}
