//! Functions, their parameters and their names on the wire.

use super::Checker;
use super::attributes::Target;
use super::names::Wanted;
use super::types::Place;
use crate::diagnostics::{Code, Diagnostic};
use crate::limits::MAX_WIRE_NAME;
use crate::naming;
use crate::schema::{Function, Parameter, ParameterKind, Type, Value};
use crate::syntax::ast::{self, Stars, Text};
use crate::syntax::span::Span;
use std::collections::HashMap;

impl<'a> Checker<'a> {
    pub(super) fn functions(
        &mut self,
        file: usize,
        functions: &'a [ast::Function],
        prefix: Option<&Text>,
    ) -> Vec<Function> {
        self.check_distinct(
            "function",
            functions
                .iter()
                .map(|function| (&function.name, naming::function(&function.name.text))),
        );
        let prefix = prefix.filter(|prefix| self.check_prefix(prefix));
        let mut taken: HashMap<String, (Span, &str)> = HashMap::new();
        functions
            .iter()
            .map(|function| {
                let (lowered, span) = self.function(file, function, prefix);
                if let Some((first, name)) = taken.get(&lowered.wire_name) {
                    // Two functions of one name were reported as that.
                    if *name != function.name.text {
                        self.sink.push(
                            Diagnostic::new(
                                Code::WireDuplicate,
                                span,
                                format!(
                                    "a second function of the wire name `{}`",
                                    lowered.wire_name
                                ),
                            )
                            .labelled("used again here")
                            .and(*first, "first used here"),
                        );
                    }
                } else {
                    taken.insert(lowered.wire_name.clone(), (span, &function.name.text));
                }
                lowered
            })
            .collect()
    }

    /// The function, and where its wire name comes from.
    fn function(
        &mut self,
        file: usize,
        function: &'a ast::Function,
        prefix: Option<&Text>,
    ) -> (Function, Span) {
        let marks = self.attributes(&function.prelude, Target::Function);
        let (wire_name, span) = self.wire_name(function, prefix, marks.expose.as_ref());
        let parameters = self.parameters(file, &function.parameters);
        let mut answer = |ty: &'a Option<ast::Type>| {
            ty.as_ref()
                .map(|ty| self.ty(file, ty, Place::Other).unwrap_or(Type::Any))
        };
        let result = answer(&function.result);
        let yields = answer(&function.yields);
        let throws = function
            .throws
            .as_ref()
            .and_then(|path| self.lookup_kind(file, path, Wanted::Error));
        if function.oneway {
            self.check_oneway(function);
        }
        let lowered = Function {
            doc: function.prelude.doc.clone(),
            name: function.name.text.clone(),
            wire_name,
            lifetime: marks.lifetime,
            parameters,
            result,
            throws,
            yields,
            oneway: function.oneway,
            timeout: marks.timeout,
            idempotent: marks.idempotent,
            uncancelled: marks.uncancelled,
            serial: marks.serial,
        };
        (lowered, span)
    }

    fn check_oneway(&mut self, function: &ast::Function) {
        let answers = [
            (function.result.as_ref().map(|ty| ty.span), "has a result"),
            (function.yields.as_ref().map(|ty| ty.span), "yields"),
            (function.throws.as_ref().map(|path| path.span), "throws"),
        ];
        for (span, what) in answers {
            if let Some(span) = span {
                self.sink.push(
                    Diagnostic::new(Code::Oneway, span, format!("a oneway function that {what}"))
                        .labelled("nothing comes back from a oneway function")
                        .with_help("remove this, or the `oneway`"),
                );
            }
        }
    }

    fn parameters(&mut self, file: usize, parameters: &'a [ast::Parameter]) -> Vec<Parameter> {
        self.check_distinct(
            "parameter",
            parameters
                .iter()
                .map(|it| (&it.name, naming::legal(naming::snake(&it.name.text)))),
        );
        let lowered: Vec<Option<Parameter>> = parameters
            .iter()
            .map(|it| self.parameter(file, it))
            .collect();
        self.check_order(parameters, &lowered);
        self.check_setters(parameters, &lowered);
        lowered.into_iter().flatten().collect()
    }

    fn parameter(&mut self, file: usize, parameter: &'a ast::Parameter) -> Option<Parameter> {
        let marks = self.attributes(&parameter.prelude, Target::Parameter);
        let place = if parameter.stars == Stars::None {
            Place::Parameter
        } else {
            Place::Other
        };
        let ty = self.ty(file, &parameter.ty, place);
        let kind = match (parameter.stars, &parameter.default) {
            (Stars::One, None) => ParameterKind::Rest,
            (Stars::Two, None) => ParameterKind::Kwargs,
            (Stars::None, None) => match &ty {
                Some(ty) if self.is_optional(ty) => ParameterKind::Optional(Value::Null),
                _ => ParameterKind::Required,
            },
            (Stars::None, Some(default)) => {
                // A default that does not fit is a default still: the order is right.
                let value = ty.as_ref().and_then(|ty| self.value(file, default, ty));
                ParameterKind::Optional(value.unwrap_or(Value::Null))
            }
            (stars, Some(default)) => {
                let name = &parameter.name.text;
                self.sink.push(
                    Diagnostic::new(
                        Code::StarDefault,
                        default.span,
                        format!("`{name}` gathers arguments and has no default"),
                    )
                    .labelled("remove this")
                    .with_note("it is empty if nothing is given"),
                );
                if stars == Stars::One {
                    ParameterKind::Rest
                } else {
                    ParameterKind::Kwargs
                }
            }
        };
        Some(Parameter {
            doc: parameter.prelude.doc.clone(),
            name: parameter.name.text.clone(),
            lifetime: marks.lifetime,
            // A hole has no kind either, unless it shows without the type.
            ty: match ty {
                Some(ty) => ty,
                None if kind == ParameterKind::Required => return None,
                None => Type::Any,
            },
            kind,
        })
    }

    /// The setters of optional parameters give way to the functions of calls, and may then meet.
    fn check_setters(&mut self, parameters: &[ast::Parameter], lowered: &[Option<Parameter>]) {
        let optional = |it: &Parameter| matches!(it.kind, ParameterKind::Optional(_));
        let setters = parameters
            .iter()
            .zip(lowered)
            .filter(|(_, lowered)| lowered.as_ref().is_some_and(optional))
            .map(|(written, _)| (&written.name, naming::setter(&written.name.text)));
        let setters: Vec<(&ast::Name, String)> = setters.collect();
        // The others were compared as parameters.
        let moved: Vec<String> = setters
            .iter()
            .filter(|(name, setter)| naming::legal(naming::snake(&name.text)) != *setter)
            .map(|(_, setter)| setter.clone())
            .collect();
        let setters = setters
            .into_iter()
            .filter(|(_, setter)| moved.contains(setter));
        self.check_distinct("parameter", setters);
    }

    /// Required ones; optional ones, or `*args` and then optional ones; `**kwargs`.
    fn check_order(&mut self, parameters: &[ast::Parameter], lowered: &[Option<Parameter>]) {
        let mut optional: Option<Span> = None;
        let mut rest: Option<Span> = None;
        let mut kwargs: Option<Span> = None;
        for (written, parameter) in parameters.iter().zip(lowered) {
            let Some(parameter) = parameter else { continue };
            let span = written.name.span;
            let mistake = match (&parameter.kind, optional, rest, kwargs) {
                (ParameterKind::Kwargs, _, _, Some(first)) => Some(("a second `**`", first)),
                (_, _, _, Some(before)) => Some(("a parameter behind `**`", before)),
                (ParameterKind::Rest, _, Some(first), _) => Some(("a second `*`", first)),
                (ParameterKind::Rest, Some(before), None, _) => {
                    Some(("`*` behind an optional parameter", before))
                }
                (ParameterKind::Required, _, Some(before), _) => {
                    Some(("a required parameter behind `*`", before))
                }
                (ParameterKind::Required, Some(before), None, _) => {
                    Some(("a required parameter behind an optional one", before))
                }
                _ => None,
            };
            if let Some((what, before)) = mistake {
                self.sink.push(
                    Diagnostic::new(Code::ParameterOrder, span, what)
                        .labelled("out of order")
                        .and(before, "stands before it")
                        .with_help(
                            "the order is: required, then optional or `*args`, `**kwargs` last",
                        ),
                );
                continue;
            }
            match parameter.kind {
                ParameterKind::Required => {}
                ParameterKind::Optional(_) => optional = optional.or(Some(span)),
                ParameterKind::Rest => rest = Some(span),
                ParameterKind::Kwargs => kwargs = Some(span),
            }
        }
    }

    /// Whether the prefix can be used to check the names that begin with it.
    fn check_prefix(&mut self, prefix: &Text) -> bool {
        if prefix.text.starts_with("kaa.") {
            self.sink.push(reserved(prefix.span, "a reserved prefix"));
            return false;
        }
        let name = prefix.text.strip_suffix('.').unwrap_or(&prefix.text);
        let well_formed = is_wire_name(name);
        if !well_formed {
            self.sink.push(malformed(
                prefix.span,
                &format!("`{}` is no prefix of wire names", prefix.text),
            ));
        }
        well_formed
    }

    fn wire_name(
        &mut self,
        function: &ast::Function,
        prefix: Option<&Text>,
        expose: Option<&Text>,
    ) -> (String, Span) {
        let (name, span) = match expose {
            Some(text) => (&text.text, text.span),
            None => (&function.name.text, function.name.span),
        };
        let wire_name = format!("{}{name}", prefix.map_or("", |prefix| &prefix.text));
        if !is_wire_name(&wire_name) {
            let message = match wire_name.len() {
                length if length > MAX_WIRE_NAME => format!("a wire name of {length} bytes"),
                _ => format!("`{wire_name}` is no wire name"),
            };
            self.sink.push(malformed(span, &message));
        } else if wire_name.starts_with("kaa.") {
            self.sink.push(reserved(
                span,
                &format!("the wire name `{wire_name}` is reserved"),
            ));
        }
        (wire_name, span)
    }
}

fn reserved(span: Span, message: &str) -> Diagnostic {
    Diagnostic::new(Code::Reserved, span, message)
        .labelled("names that begin with `kaa.` belong to the runtime")
}

fn malformed(span: Span, message: &str) -> Diagnostic {
    Diagnostic::new(Code::WireName, span, message)
        .labelled("expected ASCII letters, digits and `_`, in parts joined by dots")
        .with_note(format!("a wire name has at most {MAX_WIRE_NAME} bytes"))
}

fn is_wire_name(name: &str) -> bool {
    let part = |part: &str| {
        !part.is_empty()
            && part
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
    };
    name.len() <= MAX_WIRE_NAME && name.split('.').all(part)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wire_names() {
        for name in ["play", "device.changed", "_sync", "a.b.c", "2x"] {
            assert!(is_wire_name(name), "{name}");
        }
        let long = "x".repeat(MAX_WIRE_NAME + 1);
        for name in [
            "",
            ".",
            "a.",
            ".a",
            "a..b",
            "a b",
            "ä",
            "a-b",
            long.as_str(),
        ] {
            assert!(!is_wire_name(name), "{name}");
        }
    }
}
