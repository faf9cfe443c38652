//! Syntax errors in words.

use super::parse::Rule;
use super::scan::{Scan, Token, TokenKind};
use super::span::Span;
use crate::diagnostics::{Code, Diagnostic};
use pest::error::{Error, ErrorVariant, InputLocation};

/// Where parsing failed, relative to where it began.
pub(super) fn offset(error: &Error<Rule>) -> usize {
    match error.location {
        InputLocation::Pos(at) | InputLocation::Span((at, _)) => at,
    }
}

/// `error`, which is at `failed` in `text`.
pub(super) fn diagnostic(
    error: &Error<Rule>,
    failed: usize,
    text: &str,
    source: usize,
    scan: &Scan,
) -> Diagnostic {
    let expected = match &error.variant {
        ErrorVariant::ParsingError { positives, .. } => expected(positives),
        // Only the parser's own limits end up here.
        ErrorVariant::CustomError { message } => {
            let span = Span {
                source,
                start: failed,
                end: failed,
            };
            return Diagnostic::new(Code::Syntax, span, format!("the parser gave up: {message}"));
        }
    };
    let found = scan
        .token_at(failed)
        .filter(|token| token.start == failed && token.end <= text.len());
    if let Some(doc) = lost_doc(found, failed, text, scan) {
        return lost(doc, text, source);
    }

    let what = found.map_or_else(|| at_failure(text, failed), |token| in_words(token, text));
    if let Some(end) = missing_at_line_end(&expected, failed, text, scan) {
        let span = Span {
            source,
            start: end,
            end,
        };
        return Diagnostic::new(
            Code::Syntax,
            span,
            format!("expected {}, found {what}", one_of(&expected)),
        )
        .labelled(format!("expected {} here", one_of(&expected)))
        .and(
            Span {
                source,
                start: failed,
                end: found.map_or(failed, |token| token.end),
            },
            "unexpected",
        );
    }
    let length = text[failed..].chars().next().map_or(0, char::len_utf8);
    let span = Span {
        source,
        start: failed,
        end: found.map_or(failed + length, |token| token.end),
    };
    let diagnostic = Diagnostic::new(
        Code::Syntax,
        span,
        format!("expected {}, found {what}", one_of(&expected)),
    )
    .labelled(format!("expected {}", one_of(&expected)));
    match help(&what, &expected, found, text) {
        Some(help) => diagnostic.with_help(help),
        None => diagnostic,
    }
}

/// The documentation that is to blame: `found` at a place where nothing can be documented, or what
/// stands before something that cannot have any.
fn lost_doc<'s>(
    found: Option<&'s Token>,
    failed: usize,
    text: &str,
    scan: &'s Scan,
) -> Option<&'s Token> {
    let is_doc = |token: &&Token| token.kind == TokenKind::Doc;
    let before = scan.token_before(failed);
    if let Some(doc) = found.filter(is_doc) {
        // On a line of its own it may belong to a declaration, before which something is missing.
        let begins_line = before.is_some_and(|before| text[before.end..doc.start].contains('\n'));
        return (!begins_line || text[doc.start..].starts_with("//!")).then_some(doc);
    }
    let closes = found.is_none_or(|token| matches!(&text[token.start..token.end], "}" | ")" | ";"));
    before.filter(|before| is_doc(before) && closes)
}

fn lost(doc: &Token, text: &str, source: usize) -> Diagnostic {
    let span = Span {
        source,
        start: doc.start,
        end: doc.end,
    };
    if text[doc.start..].starts_with("//!") {
        return Diagnostic::new(
            Code::LostDoc,
            span,
            "documentation of the file in the wrong place",
        )
        .labelled("`//!` stands at the beginning of the file")
        .with_help("write `///` before what it documents, or `//` for a comment");
    }
    Diagnostic::new(Code::LostDoc, span, "documentation of nothing")
        .labelled("nothing behind this can be documented")
        .with_help("documentation stands before what it documents; write `//` for a comment")
}

/// The end of the token before, if what is missing would stand at the end of an earlier line.
fn missing_at_line_end(expected: &[&str], failed: usize, text: &str, scan: &Scan) -> Option<usize> {
    let ends = expected.iter().any(|it| matches!(*it, "`;`" | "`,`"));
    let before = scan.token_before(failed)?;
    (ends && before.kind != TokenKind::Doc && text[before.end..failed].contains('\n'))
        .then_some(before.end)
}

fn at_failure(text: &str, failed: usize) -> String {
    match text[failed..].chars().next() {
        Some(c) => format!("`{c}`"),
        None => "the end of the file".to_owned(),
    }
}

fn in_words(token: &Token, text: &str) -> String {
    let content = &text[token.start..token.end];
    match token.kind {
        TokenKind::String => "a string".to_owned(),
        TokenKind::Doc => "documentation".to_owned(),
        _ if content.chars().count() > 40 => "a long word".to_owned(),
        _ => format!("`{content}`"),
    }
}

fn help(what: &str, expected: &[&str], found: Option<&Token>, text: &str) -> Option<String> {
    let found = found.map(|token| &text[token.start..token.end])?;
    let first = found.chars().next()?;
    let help = match what {
        "`;`" if expected.contains(&"a declaration") => {
            "no `;` stands behind a closing brace; remove it"
        }
        "`;`" if expected.contains(&"`,`") => {
            "fields, variants and parameters are separated by `,`"
        }
        "`,`" if expected.contains(&"`;`") => "functions and other lines end with `;`",
        "`}`" if expected.contains(&"a declaration") => "there is one `}` too many",
        "`=`" if expected.contains(&"`:`") => {
            "a field or parameter is written `name: type = default`"
        }
        "`[`" if expected.contains(&"a type") => "a list is written `list<T>`",
        "`[`" if expected.contains(&"a value") => {
            "the only list that can be written is the empty one, `[]`"
        }
        "`{`" if expected.contains(&"a value") => {
            "the only map that can be written is the empty one, `{}`"
        }
        "`->`" => "the result stands before `yields` and `throws`",
        "`error`" if expected.contains(&"`enum`") => "an error is never strict; leave out `strict`",
        _ if expected.contains(&"a function") && first.is_ascii_alphabetic() => {
            "a function begins with `fn`"
        }

        "`&`" | "`'`" => "there are no references in this language",
        "`public`" | "`pub`" => "everything in a file is public; leave it out",
        "`service`" | "`trait`" => "functions stand in an `interface`",
        "`message`" | "`record`" => "fields stand in a `struct`",
        "`import`" | "`package`" => return None,
        _ if first.is_alphabetic() && !first.is_ascii() => {
            "names are made of ASCII letters, digits and `_`"
        }
        _ if first.is_ascii_digit() && expected.contains(&"a name") => {
            "a name does not begin with a digit"
        }
        _ => return None,
    };
    Some(help.to_owned())
}

/// What would have been right, the most telling first and each once.
fn expected(rules: &[Rule]) -> Vec<&'static str> {
    let mut ranked: Vec<(u8, &'static str)> =
        rules.iter().filter_map(|&rule| in_plain(rule)).collect();
    ranked.sort_unstable();
    ranked.dedup();
    let best = ranked.first().map_or(0, |(rank, _)| *rank);
    // What could also go on here (a `?`, a `<`) matters only if nothing else would do.
    ranked
        .into_iter()
        .filter(|(rank, _)| *rank == best)
        .map(|(_, words)| words)
        .collect()
}

/// `a`, `a or b`, `one of a, b, c`
fn one_of(expected: &[&str]) -> String {
    match expected {
        [] => "something else".to_owned(),
        [one] => (*one).to_owned(),
        [one, two] => format!("{one} or {two}"),
        many => format!("one of {}", many.join(", ")),
    }
}

/// A rule as the user would call it, and how much it tells: less is more.
fn in_plain(rule: Rule) -> Option<(u8, &'static str)> {
    let words = match rule {
        Rule::item | Rule::declaration => "a declaration",
        Rule::package | Rule::kw_package => "`package`",
        Rule::import | Rule::kw_import => "`import`",
        Rule::constant | Rule::kw_const => "`const`",
        Rule::alias | Rule::kw_type => "`type`",
        Rule::structure | Rule::kw_struct => "`struct`",
        Rule::enumeration | Rule::kw_enum => "`enum`",
        Rule::error | Rule::kw_error => "`error`",
        Rule::interface | Rule::kw_interface => "`interface`",
        Rule::channel | Rule::kw_channel => "`channel`",
        Rule::kw_strict => "`strict`",
        Rule::kw_oneway => return Some((1, "`oneway`")),
        Rule::kw_fn => "`fn`",
        Rule::result | Rule::arrow => return Some((1, "`->`")),
        Rule::yields | Rule::kw_yields => return Some((1, "`yields`")),
        Rule::throws | Rule::kw_throws => return Some((1, "`throws`")),
        Rule::fields | Rule::variants | Rule::open_brace => "`{`",
        Rule::field => "a field",
        Rule::variant => "a variant",
        Rule::function => "a function",
        Rule::parameter => "a parameter",
        Rule::end => "`server:` or `client:`",
        Rule::parameters | Rule::arguments | Rule::open_paren => "`(`",
        Rule::type_ | Rule::tuple | Rule::named => "a type",
        Rule::value => "a value",
        Rule::number => "a number",
        Rule::string => "a string",
        Rule::empty_list => "`[]`",
        Rule::empty_map => "`{}`",
        Rule::path | Rule::name => "a name",
        Rule::close_brace => "`}`",
        Rule::close_paren => "`)`",
        Rule::close_angle => "`>`",
        Rule::semicolon => "`;`",
        Rule::colon => "`:`",
        Rule::comma => "`,`",
        Rule::equals | Rule::default => return Some((1, "`=`")),
        Rule::star => return Some((1, "`*`")),
        Rule::two_stars => return Some((1, "`**`")),
        Rule::dot => return Some((2, "`.`")),
        Rule::type_arguments | Rule::open_angle => return Some((2, "`<`")),
        Rule::question => return Some((2, "`?`")),
        Rule::attribute | Rule::at => return Some((2, "an attribute")),
        Rule::docs | Rule::outer_doc | Rule::inner_docs | Rule::inner_doc => {
            return Some((3, "documentation"));
        }
        Rule::WHITESPACE | Rule::COMMENT | Rule::block_comment | Rule::word => return None,
    };
    Some((0, words))
}
