//! A first look at a file, in one pass without recursion.
//!
//! It finds what would be dangerous or misleading to parse (deep nesting, comments and strings that
//! do not end, control characters), and where declarations begin, so that the parser can go on
//! behind one that it does not understand.

use super::span::Span;
use crate::diagnostics::{Code, Diagnostic, Sink};
use crate::limits::MAX_NESTING;

/// What the first look gives.
#[derive(Debug, Default)]
pub(crate) struct Scan {
    pub(crate) tokens: Vec<Token>,
    /// Where declarations seem to begin, in order.
    pub(crate) starts: Vec<Start>,
    /// Where the readable text ends: before a comment that does not end, else the end of the file.
    pub(crate) end: usize,
    /// Whether it nests too deeply to be parsed.
    pub(crate) too_deep: bool,
}

/// A token, coarsely.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Token {
    pub(crate) start: usize,
    pub(crate) end: usize,
    pub(crate) kind: TokenKind,
    /// Whether it was reported already.
    pub(crate) bad: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TokenKind {
    Word,
    Number,
    String,
    Doc,
    Other,
}

/// The beginning of a declaration.
#[derive(Debug)]
pub(crate) struct Start {
    /// Of its documentation or attributes, else of its keyword.
    pub(crate) offset: usize,
    /// The declared name.
    pub(crate) name: String,
}

impl Scan {
    /// The first token that begins at `offset` or behind it.
    pub(crate) fn token_at(&self, offset: usize) -> Option<&Token> {
        self.tokens.get(self.index_at(offset))
    }

    /// The last token that begins before `offset`.
    pub(crate) fn token_before(&self, offset: usize) -> Option<&Token> {
        self.tokens.get(self.index_at(offset).checked_sub(1)?)
    }

    fn index_at(&self, offset: usize) -> usize {
        self.tokens.partition_point(|token| token.start < offset)
    }
}

/// Looks through `text`, the file with the index `source`.
pub(crate) fn scan(text: &str, source: usize, sink: &mut Sink) -> Scan {
    let mut scanner = Scanner {
        text,
        source,
        at: 0,
        depth: 0,
        sink,
        scan: Scan::default(),
    };
    scanner.scan.end = text.len();
    scanner.run();
    let mut scan = scanner.scan;
    control_characters(text, source, &mut scan, sink);
    scan.starts = find_starts(text, &scan.tokens);
    scan
}

struct Scanner<'a> {
    text: &'a str,
    source: usize,
    at: usize,
    depth: usize,
    sink: &'a mut Sink,
    scan: Scan,
}

impl Scanner<'_> {
    fn run(&mut self) {
        while let Some(c) = self.rest().chars().next() {
            match c {
                ' ' | '\t' | '\n' | '\r' | '\u{FEFF}' => self.at += c.len_utf8(),
                '/' if self.rest().starts_with("//") => self.line_comment(),
                '/' if self.rest().starts_with("/*") => self.block_comment(),
                '"' => self.string(),
                'a'..='z' | 'A'..='Z' | '_' => self.word(TokenKind::Word),
                '0'..='9' => self.word(TokenKind::Number),
                _ => self.punctuation(c),
            }
        }
    }

    fn rest(&self) -> &str {
        &self.text[self.at..]
    }

    fn token(&mut self, length: usize, kind: TokenKind, bad: bool) {
        let start = self.at;
        self.at += length;
        self.scan.tokens.push(Token {
            start,
            end: self.at,
            kind,
            bad,
        });
    }

    fn span(&self, start: usize, end: usize) -> Span {
        Span {
            source: self.source,
            start,
            end,
        }
    }

    fn line_comment(&mut self) {
        let rest = self.rest();
        let length = rest.find('\n').unwrap_or(rest.len());
        let doc = rest.starts_with("//!") || rest.starts_with("///") && !rest.starts_with("////");
        if doc {
            self.token(length, TokenKind::Doc, false);
        } else {
            self.at += length;
        }
    }

    fn block_comment(&mut self) {
        let start = self.at;
        let mut depth = 0;
        loop {
            let rest = self.rest();
            if rest.starts_with("/*") {
                depth += 1;
                self.at += 2;
                if self.depth + depth > MAX_NESTING {
                    self.too_deep(self.at - 2);
                }
            } else if rest.starts_with("*/") {
                depth -= 1;
                self.at += 2;
                if depth == 0 {
                    return;
                }
            } else if let Some(next) = rest
                .bytes()
                .skip(1)
                .position(|byte| byte == b'/' || byte == b'*')
            {
                self.at += next + 1;
            } else {
                break;
            }
        }
        self.at = self.text.len();
        self.scan.end = start;
        self.sink.push(
            Diagnostic::new(
                Code::OpenComment,
                self.span(start, start + 2),
                "this comment does not end",
            )
            .labelled("begins here")
            .with_help("end it with `*/`; comments nest"),
        );
    }

    fn string(&mut self) {
        let mut escaped = false;
        for (index, c) in self.rest().char_indices().skip(1) {
            match c {
                '\n' | '\r' => return self.open_string(index),
                _ if escaped => escaped = false,
                '\\' => escaped = true,
                '"' => return self.token(index + 1, TokenKind::String, false),
                _ => {}
            }
        }
        self.open_string(self.rest().len());
    }

    fn open_string(&mut self, length: usize) {
        let span = self.span(self.at, self.at + length);
        self.sink.push(
            Diagnostic::new(
                Code::OpenString,
                span,
                "this string does not end on its line",
            )
            .labelled("expected `\"`")
            .with_help("a line feed inside a string is written `\\n`"),
        );
        self.token(length, TokenKind::String, true);
    }

    fn word(&mut self, kind: TokenKind) {
        let rest = self.rest();
        let length = rest
            .find(|c: char| !(c.is_ascii_alphanumeric() || c == '_'))
            .unwrap_or(rest.len());
        self.token(length, kind, false);
    }

    fn punctuation(&mut self, c: char) {
        match c {
            '(' | '[' | '{' | '<' => {
                self.depth += 1;
                if self.depth > MAX_NESTING {
                    self.too_deep(self.at);
                }
            }
            ')' | ']' | '}' | '>' => self.depth = self.depth.saturating_sub(1),
            _ => {}
        }
        let length = if self.rest().starts_with("->") {
            2
        } else {
            c.len_utf8()
        };
        self.token(length, TokenKind::Other, false);
    }

    fn too_deep(&mut self, start: usize) {
        if !self.scan.too_deep {
            self.scan.too_deep = true;
            let span = self.span(start, start + 1);
            self.sink.push(
                Diagnostic::new(
                    Code::TooDeep,
                    span,
                    format!("nested more than {MAX_NESTING} deep"),
                )
                .labelled("this is one too many")
                .with_note("nothing else in this file was read"),
            );
        }
    }
}

/// Reports the first control character of each kind and marks the tokens that hold one.
fn control_characters(text: &str, source: usize, scan: &mut Scan, sink: &mut Sink) {
    let mut seen = Vec::new();
    for (start, c) in text.char_indices() {
        let line_end = c == '\r' && text[start + 1..].starts_with('\n');
        if !crate::diagnostics::is_hostile(c) || matches!(c, '\t' | '\n') || line_end {
            continue;
        }
        let index = scan.tokens.partition_point(|token| token.end <= start);
        if let Some(token) = scan
            .tokens
            .get_mut(index)
            .filter(|token| token.start <= start)
        {
            token.bad = true;
        }
        if !seen.contains(&c) {
            seen.push(c);
            let span = Span {
                source,
                start,
                end: start + c.len_utf8(),
            };
            sink.push(
                Diagnostic::new(
                    Code::ControlCharacter,
                    span,
                    format!("the control character U+{:04X}", u32::from(c)),
                )
                .labelled("not allowed in a file")
                .with_help(format!(
                    "remove it, or write `{}` in a string",
                    c.escape_unicode()
                )),
            );
        }
    }
}

const KEYWORDS: [&str; 10] = [
    "package",
    "import",
    "const",
    "type",
    "struct",
    "strict",
    "enum",
    "error",
    "interface",
    "channel",
];

/// Finds declarations. As keywords may be names too, a keyword counts only with a name behind it, and
/// first on its line or behind what can end a declaration.
fn find_starts(text: &str, tokens: &[Token]) -> Vec<Start> {
    let word = |index: usize| {
        tokens
            .get(index)
            .map_or("", |token| &text[token.start..token.end])
    };
    let mut starts = Vec::new();
    let mut index = 0;
    while index < tokens.len() {
        let first = index;
        index = skip_prelude(text, tokens, index);
        let name = match word(index) {
            "strict" if word(index + 1) == "enum" => index + 2,
            "strict" => index,
            keyword if KEYWORDS.contains(&keyword) => index + 1,
            _ => index,
        };
        let declares = name > index
            && tokens.get(name).is_some_and(|token| match word(index) {
                "import" => token.kind == TokenKind::String,
                _ => token.kind == TokenKind::Word,
            });
        let previous = first.checked_sub(1).and_then(|before| tokens.get(before));
        let fresh = previous.is_none_or(|before| {
            matches!(&text[before.start..before.end], ";" | "}")
                || tokens
                    .get(first)
                    .is_some_and(|token| text[before.end..token.start].contains('\n'))
        });
        if declares && fresh {
            starts.push(Start {
                offset: tokens[first].start,
                name: word(name).to_owned(),
            });
            index = name;
        }
        index = index.max(first + 1);
    }
    starts
}

/// The index behind documentation and attributes that begin at `index`.
fn skip_prelude(text: &str, tokens: &[Token], mut index: usize) -> usize {
    let is = |index: usize, what: &str| {
        tokens
            .get(index)
            .is_some_and(|token| &text[token.start..token.end] == what)
    };
    loop {
        if tokens
            .get(index)
            .is_some_and(|token| token.kind == TokenKind::Doc)
        {
            index += 1;
        } else if is(index, "@")
            && tokens
                .get(index + 1)
                .is_some_and(|token| token.kind == TokenKind::Word)
        {
            index += 2;
            if is(index, "(") {
                // An attribute's arguments are few; what is longer is a missing parenthesis.
                let close = (index..index + 8).find(|&at| is(at, ")"));
                index = close.map_or(index, |close| close + 1);
            }
        } else {
            return index;
        }
    }
}
