//! The messages of errors: `"no track {id}"`.

use super::Checker;
use crate::diagnostics::{Code, Diagnostic};
use crate::schema::MessagePart;
use crate::syntax::ast::{Field, Text};
use crate::syntax::span::Span;
use std::collections::HashMap;

/// A piece of a message before its fields are looked up; places are offsets in the text.
#[derive(Debug, PartialEq)]
enum Piece<'t> {
    Text(String),
    Field(&'t str, usize),
    /// Braces without a name between, or one without its partner, and their length.
    Stray(usize, usize),
}

impl Checker<'_> {
    /// Splits the message of a variant with `fields`.
    pub(super) fn message(&mut self, message: &Text, fields: &[Field]) -> Vec<MessagePart> {
        // With escapes in it, places in the text are not places in the file.
        let exact = message.span.end - message.span.start == message.text.len() + 2;
        let span = |at: usize, length: usize| match exact {
            true => {
                let start = message.span.start + 1 + at;
                Span {
                    start,
                    end: start + length,
                    ..message.span
                }
            }
            false => message.span,
        };
        let indexes: HashMap<&str, usize> = fields
            .iter()
            .enumerate()
            .map(|(index, field)| (field.name.text.as_str(), index))
            .collect();
        let mut parts = Vec::new();
        for piece in split(&message.text) {
            match piece {
                Piece::Text(text) => parts.push(MessagePart::Text(text)),
                Piece::Field(name, at) => match indexes.get(name) {
                    Some(&index) => parts.push(MessagePart::Field(index)),
                    None => {
                        let names = fields.iter().map(|field| field.name.text.as_str());
                        self.sink.push(
                            Diagnostic::new(
                                Code::UnknownField,
                                span(at, name.len()),
                                format!("this variant has no field `{name}`"),
                            )
                            .labelled("not found")
                            .did_you_mean(self.suggestions.closest(name, names))
                            .with_note("a brace itself is written `{{` or `}}`"),
                        );
                    }
                },
                Piece::Stray(at, length) => self.sink.push(
                    Diagnostic::new(
                        Code::BadTemplate,
                        span(at, length),
                        "malformed braces in a message",
                    )
                    .labelled("expected `{name}`")
                    .with_help("a brace itself is written `{{` or `}}`"),
                ),
            }
        }
        parts
    }
}

fn split(text: &str) -> Vec<Piece<'_>> {
    let mut pieces = Vec::new();
    let mut plain = String::new();
    let mut at = 0;
    while let Some(found) = text[at..].find(['{', '}']) {
        plain.push_str(&text[at..at + found]);
        at += found;
        let rest = &text[at..];
        if rest.starts_with("{{") || rest.starts_with("}}") {
            plain.push_str(&rest[..1]);
            at += 2;
            continue;
        }
        if !plain.is_empty() {
            pieces.push(Piece::Text(std::mem::take(&mut plain)));
        }
        let name_length = rest[1..]
            .find(|c: char| !(c.is_ascii_alphanumeric() || c == '_'))
            .unwrap_or(rest.len() - 1);
        if rest.starts_with('{') && name_length > 0 && rest[1 + name_length..].starts_with('}') {
            pieces.push(Piece::Field(&rest[1..=name_length], at + 1));
            at += name_length + 2;
        } else {
            // `{a b}` is one mistake, not two.
            let close = rest[1..]
                .find(['{', '}'])
                .filter(|&end| rest.starts_with('{') && rest[1 + end..].starts_with('}'));
            let length = close.map_or(1, |end| end + 2);
            pieces.push(Piece::Stray(at, length));
            at += length;
        }
    }
    plain.push_str(&text[at..]);
    if !plain.is_empty() {
        pieces.push(Piece::Text(plain));
    }
    pieces
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_split() {
        let text = |text: &str| Piece::Text(text.to_owned());
        assert_eq!(split(""), []);
        assert_eq!(split("busy"), [text("busy")]);
        assert_eq!(
            split("no {id}!"),
            [text("no "), Piece::Field("id", 4), text("!")]
        );
        assert_eq!(
            split("{a}{b}"),
            [Piece::Field("a", 1), Piece::Field("b", 4)]
        );
        assert_eq!(split("{{id}} }}"), [text("{id} }")]);
        assert_eq!(split("é{{{id}"), [text("é{"), Piece::Field("id", 5)]);
    }

    #[test]
    fn stray_braces() {
        let text = |text: &str| Piece::Text(text.to_owned());
        assert_eq!(split("{"), [Piece::Stray(0, 1)]);
        assert_eq!(split("a}"), [text("a"), Piece::Stray(1, 1)]);
        assert_eq!(split("{a b}"), [Piece::Stray(0, 5)]);
        assert_eq!(
            split("{}x{ {a}"),
            [
                Piece::Stray(0, 2),
                text("x"),
                Piece::Stray(3, 1),
                text(" "),
                Piece::Field("a", 6)
            ]
        );
    }
}
