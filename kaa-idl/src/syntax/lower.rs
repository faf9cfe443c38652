//! From pest's pairs to the syntax tree.

use super::ast::{
    Attribute, End, Field, Function, Import, Item, ItemKind, Name, Parameter, Path, Prelude, Stars,
    Text, Type, TypeKind, Value, ValueKind, Variant,
};
use super::literal;
use super::parse::{Parsed, Rule};
use super::span::Span;
use crate::diagnostics::{Code, Diagnostic, Sink};
use pest::iterators::{Pair, Pairs};

/// The lines of the file's documentation.
pub(super) fn inner_docs(pairs: Pairs<'_, Rule>) -> String {
    let mut parts = Parts(pairs);
    let inner = parts.need(Rule::inner_docs).0;
    doc_text(inner, "//!")
}

/// The children of a pair, taken in the order that the grammar gives them.
struct Parts<'i>(Pairs<'i, Rule>);

impl<'i> Parts<'i> {
    fn of(pair: Pair<'i, Rule>) -> Self {
        Self(pair.into_inner())
    }

    /// The next child, if it is a `rule`.
    fn take(&mut self, rule: Rule) -> Option<Pair<'i, Rule>> {
        if self.0.peek()?.as_rule() != rule {
            return None;
        }
        self.0.next()
    }

    /// The children of the next `rule`, punctuation before it left out.
    fn need(&mut self, rule: Rule) -> Self {
        Self::of(self.pair(rule))
    }

    /// The next `rule`, which the grammar requires here, punctuation before it left out.
    fn pair(&mut self, rule: Rule) -> Pair<'i, Rule> {
        match self.0.find(|pair| pair.as_rule() == rule) {
            Some(pair) => pair,
            None => unreachable!("the grammar gives a {rule:?} here"),
        }
    }

    /// All that remain of `rule`.
    fn all(self, rule: Rule) -> impl Iterator<Item = Pair<'i, Rule>> {
        self.0.filter(move |pair| pair.as_rule() == rule)
    }
}

/// Lowers one item.
pub(super) struct Lower<'a> {
    pub(super) source: usize,
    /// Where in the file the parsed text begins.
    pub(super) base: usize,
    pub(super) sink: &'a mut Sink,
}

impl Lower<'_> {
    /// What the item is.
    pub(super) fn item(&mut self, pairs: Pairs<'_, Rule>) -> Parsed {
        let mut parts = Parts(pairs).need(Rule::item);
        let prelude = self.prelude(&mut parts);
        let Some(pair) = parts.need(Rule::declaration).0.next() else {
            unreachable!("the grammar gives each declaration one alternative")
        };
        let rule = pair.as_rule();
        let span = self.span(&pair);
        let mut parts = Parts::of(pair);
        match rule {
            Rule::package => {
                self.check_bare(&prelude, span);
                Parsed::Package(self.path(parts.pair(Rule::path)))
            }
            Rule::import => {
                self.check_bare(&prelude, span);
                let text = self.string(&parts.pair(Rule::string));
                Parsed::Import(Import {
                    path: text.text,
                    span: text.span,
                })
            }
            _ => {
                let strict = parts.take(Rule::kw_strict).is_some();
                let name = self.name(&parts.pair(Rule::name));
                Parsed::Declaration(Box::new(Item {
                    prelude,
                    name,
                    kind: self.kind(rule, strict, parts),
                }))
            }
        }
    }

    /// Packages and imports have neither documentation nor attributes.
    fn check_bare(&mut self, prelude: &Prelude, span: Span) {
        if !prelude.doc.is_empty() {
            self.sink.push(
                Diagnostic::new(Code::LostDoc, span, "this has no documentation of its own")
                    .labelled("documented by the `///` lines before it")
                    .with_help("write `//!` at the beginning of the file to document its package"),
            );
        }
        for attribute in &prelude.attributes {
            self.sink.push(
                Diagnostic::new(
                    Code::MisplacedAttribute,
                    attribute.span,
                    "an attribute in the wrong place",
                )
                .labelled("`package` and `import` have no attributes"),
            );
        }
    }

    fn kind(&mut self, rule: Rule, strict: bool, mut parts: Parts<'_>) -> ItemKind {
        match rule {
            Rule::constant => ItemKind::Const {
                ty: self.ty(parts.pair(Rule::type_)),
                value: self.value(parts.pair(Rule::value)),
            },
            Rule::alias => ItemKind::Alias(self.ty(parts.pair(Rule::type_))),
            Rule::structure => ItemKind::Struct(self.fields(parts.pair(Rule::fields))),
            Rule::enumeration => ItemKind::Enum {
                strict,
                variants: self.variants(parts),
            },
            Rule::error => ItemKind::Error(self.variants(parts)),
            Rule::interface => ItemKind::Interface(
                parts
                    .all(Rule::function)
                    .map(|pair| self.function(pair))
                    .collect(),
            ),
            Rule::channel => {
                ItemKind::Channel(parts.all(Rule::end).map(|pair| self.end(pair)).collect())
            }
            _ => unreachable!("the grammar has no other declarations"),
        }
    }

    fn span(&self, pair: &Pair<'_, Rule>) -> Span {
        let span = pair.as_span();
        Span {
            source: self.source,
            start: self.base + span.start(),
            end: self.base + span.end(),
        }
    }

    fn prelude(&mut self, parts: &mut Parts<'_>) -> Prelude {
        let doc = parts
            .take(Rule::docs)
            .map_or_else(String::new, |docs| doc_text(docs.into_inner(), "///"));
        let mut attributes = Vec::new();
        while let Some(pair) = parts.take(Rule::attribute) {
            attributes.push(self.attribute(pair));
        }
        Prelude { doc, attributes }
    }

    fn attribute(&mut self, pair: Pair<'_, Rule>) -> Attribute {
        let start = self.span(&pair);
        let mut parts = Parts::of(pair);
        let name = self.name(&parts.pair(Rule::name));
        let mut span = Span {
            end: name.span.end,
            ..start
        };
        let arguments = parts.take(Rule::arguments).map(|pair| {
            span = span.to(self.span(&pair));
            Parts::of(pair)
                .all(Rule::value)
                .map(|value| self.value(value))
                .collect()
        });
        Attribute {
            name,
            arguments,
            span,
        }
    }

    fn fields(&mut self, pair: Pair<'_, Rule>) -> Vec<Field> {
        Parts::of(pair)
            .all(Rule::field)
            .map(|field| self.field(field))
            .collect()
    }

    fn field(&mut self, pair: Pair<'_, Rule>) -> Field {
        let mut parts = Parts::of(pair);
        Field {
            prelude: self.prelude(&mut parts),
            name: self.name(&parts.pair(Rule::name)),
            ty: self.ty(parts.pair(Rule::type_)),
            default: self.default(&mut parts),
        }
    }

    fn default(&mut self, parts: &mut Parts<'_>) -> Option<Value> {
        parts
            .take(Rule::default)
            .map(|pair| self.value(Parts::of(pair).pair(Rule::value)))
    }

    fn variants(&mut self, mut parts: Parts<'_>) -> Vec<Variant> {
        parts
            .need(Rule::variants)
            .all(Rule::variant)
            .map(|pair| self.variant(pair))
            .collect()
    }

    fn variant(&mut self, pair: Pair<'_, Rule>) -> Variant {
        let mut parts = Parts::of(pair);
        Variant {
            prelude: self.prelude(&mut parts),
            name: self.name(&parts.pair(Rule::name)),
            fields: parts
                .take(Rule::fields)
                .map_or_else(Vec::new, |pair| self.fields(pair)),
            message: parts.take(Rule::string).map(|pair| self.string(&pair)),
        }
    }

    fn function(&mut self, pair: Pair<'_, Rule>) -> Function {
        let mut parts = Parts::of(pair);
        let prelude = self.prelude(&mut parts);
        let oneway = parts.take(Rule::kw_oneway).is_some();
        let name = self.name(&parts.pair(Rule::name));
        let parameters = parts
            .need(Rule::parameters)
            .all(Rule::parameter)
            .map(|pair| self.parameter(pair))
            .collect();
        let result = parts
            .take(Rule::result)
            .map(|pair| self.ty(Parts::of(pair).pair(Rule::type_)));
        let yields = parts
            .take(Rule::yields)
            .map(|pair| self.ty(Parts::of(pair).pair(Rule::type_)));
        let throws = parts
            .take(Rule::throws)
            .map(|pair| self.path(Parts::of(pair).pair(Rule::path)));
        Function {
            prelude,
            oneway,
            name,
            parameters,
            result,
            yields,
            throws,
        }
    }

    fn parameter(&mut self, pair: Pair<'_, Rule>) -> Parameter {
        let mut parts = Parts::of(pair);
        let prelude = self.prelude(&mut parts);
        let stars = match (parts.take(Rule::two_stars), parts.take(Rule::star)) {
            (Some(_), _) => Stars::Two,
            (None, Some(_)) => Stars::One,
            (None, None) => Stars::None,
        };
        Parameter {
            prelude,
            stars,
            name: self.name(&parts.pair(Rule::name)),
            ty: self.ty(parts.pair(Rule::type_)),
            default: self.default(&mut parts),
        }
    }

    fn end(&mut self, pair: Pair<'_, Rule>) -> End {
        let mut parts = Parts::of(pair);
        let name = self.name(&parts.pair(Rule::name));
        End {
            name,
            interfaces: parts.all(Rule::path).map(|pair| self.path(pair)).collect(),
        }
    }

    /// A type. Recursion is bounded: the scan refused files that nest too deeply.
    fn ty(&mut self, pair: Pair<'_, Rule>) -> Type {
        let span = self.span(&pair);
        let mut ty = Type {
            kind: TypeKind::Tuple(Vec::new()),
            span,
        };
        for part in pair.into_inner() {
            let part_span = self.span(&part);
            match part.as_rule() {
                Rule::tuple => {
                    let members = Parts::of(part)
                        .all(Rule::type_)
                        .map(|pair| self.ty(pair))
                        .collect();
                    ty = Type {
                        kind: TypeKind::Tuple(members),
                        span: part_span,
                    };
                }
                Rule::named => ty = self.named(part),
                _ => {
                    let span = ty.span.to(part_span);
                    ty = Type {
                        kind: TypeKind::Optional(Box::new(ty)),
                        span,
                    };
                }
            }
        }
        ty
    }

    /// White space behind the name is not part of it.
    fn named(&mut self, pair: Pair<'_, Rule>) -> Type {
        let mut parts = Parts::of(pair);
        let path = self.path(parts.pair(Rule::path));
        let mut span = path.span;
        let arguments = parts
            .take(Rule::type_arguments)
            .map_or_else(Vec::new, |pair| {
                span = span.to(self.span(&pair));
                Parts::of(pair)
                    .all(Rule::type_)
                    .map(|argument| self.ty(argument))
                    .collect()
            });
        Type {
            kind: TypeKind::Named { path, arguments },
            span,
        }
    }

    fn value(&mut self, pair: Pair<'_, Rule>) -> Value {
        let span = self.span(&pair);
        let kind = match pair.into_inner().next() {
            Some(inner) => match inner.as_rule() {
                Rule::number => literal::number(inner.as_str(), span, self.sink),
                Rule::string => ValueKind::String(literal::string(inner.as_str(), span, self.sink)),
                Rule::empty_list => ValueKind::EmptyList,
                Rule::empty_map => ValueKind::EmptyMap,
                _ => {
                    let path = self.path(inner);
                    return Value {
                        span: path.span,
                        kind: ValueKind::Path(path),
                    };
                }
            },
            None => ValueKind::Invalid,
        };
        Value { kind, span }
    }

    fn string(&mut self, pair: &Pair<'_, Rule>) -> Text {
        let span = self.span(pair);
        Text {
            text: literal::string(pair.as_str(), span, self.sink),
            span,
        }
    }

    fn path(&mut self, pair: Pair<'_, Rule>) -> Path {
        let span = self.span(&pair);
        let segments: Vec<Name> = Parts::of(pair)
            .all(Rule::name)
            .map(|name| self.name(&name))
            .collect();
        // White space behind the last name is not part of it.
        let span = segments.last().map_or(span, |last| Span {
            end: last.span.end,
            ..span
        });
        Path { segments, span }
    }

    fn name(&self, pair: &Pair<'_, Rule>) -> Name {
        Name {
            text: pair.as_str().to_owned(),
            span: self.span(pair),
        }
    }
}

/// The lines of a comment, without its markers and one space behind each.
fn doc_text(docs: Pairs<'_, Rule>, marker: &str) -> String {
    let lines: Vec<&str> = docs
        .map(|pair| {
            let line = pair.as_str();
            let line = line.strip_prefix(marker).unwrap_or(line);
            line.strip_prefix(' ').unwrap_or(line).trim_end()
        })
        .collect();
    lines.join("\n")
}
