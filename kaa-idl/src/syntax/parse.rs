//! Reads a file declaration by declaration. The only module that, with its children `lower` and
//! `expect`, knows pest.

use super::ast::{File, Import, Item, Path};
use super::scan::{Scan, scan};
use super::span::Span;
use super::{expect, lower};
use crate::diagnostics::{Code, Diagnostic, Sink};
use crate::limits::{MAX_FILE_SIZE, MAX_SYNTAX_ERRORS};
use pest::Parser;

pub(super) use super::grammar::{Grammar, Rule};

/// What an item turns out to be.
pub(super) enum Parsed {
    Package(Path),
    Import(Import),
    Declaration(Box<Item>),
}

/// Parses `text`, the file with the index `source`. What cannot be read is reported and left out.
pub(crate) fn parse(text: &str, source: usize, sink: &mut Sink) -> File {
    if text.len() > MAX_FILE_SIZE {
        sink.push(too_large(text.len(), source));
        return File {
            refused: true,
            ..File::default()
        };
    }
    let scan = scan(text, source, sink);
    if scan.too_deep {
        return File {
            refused: true,
            ..File::default()
        };
    }
    let mut reader = Reader {
        text: &text[..scan.end],
        source,
        scan,
        sink,
        file: File::default(),
        errors: 0,
    };
    reader.read();
    reader.file
}

fn too_large(size: usize, source: usize) -> Diagnostic {
    let span = Span {
        source,
        start: 0,
        end: 0,
    };
    Diagnostic::new(Code::TooLarge, span, "this file is too large")
        .labelled(format!("{size} bytes; at most {MAX_FILE_SIZE} are read"))
        .with_help("split it into several packages and import them")
}

struct Reader<'a> {
    text: &'a str,
    source: usize,
    scan: Scan,
    sink: &'a mut Sink,
    file: File,
    errors: usize,
}

impl Reader<'_> {
    fn read(&mut self) {
        let mut at = self.inner_docs();
        let first = self.scan.token_at(at).map_or(at, |token| token.start);
        while let Some(token) = self.scan.token_at(at) {
            let start = token.start;
            if start >= self.text.len() || self.errors >= MAX_SYNTAX_ERRORS {
                break;
            }
            at = match Grammar::parse(Rule::item, &self.text[start..]) {
                Ok(pairs) => {
                    let end = start + pairs.as_str().len();
                    let mut lower = lower::Lower {
                        source: self.source,
                        base: start,
                        sink: self.sink,
                    };
                    let parsed = lower.item(pairs);
                    self.add(parsed);
                    end
                }
                Err(error) => {
                    let failed = start + expect::offset(&error);
                    self.report(&error, failed);
                    self.resume(start, failed)
                }
            };
        }
        if self.file.package.is_none() && self.errors == 0 {
            let span = Span {
                source: self.source,
                start: first,
                end: first,
            };
            self.sink.push(
                Diagnostic::new(Code::NoPackage, span, "the file does not say its package")
                    .labelled("expected `package NAME;`")
                    .with_help("begin the file with a line such as `package media.player;`"),
            );
        }
    }

    /// Reads the documentation of the file; gives where it ends.
    fn inner_docs(&mut self) -> usize {
        let start = self
            .scan
            .token_at(0)
            .map_or(0, |token| token.start)
            .min(self.text.len());
        match Grammar::parse(Rule::inner_docs, &self.text[start..]) {
            Ok(pairs) => {
                let length = pairs.as_str().len();
                self.file.doc = lower::inner_docs(pairs);
                start + length
            }
            // It may be empty, so it always matches.
            Err(_) => start,
        }
    }

    fn report(&mut self, error: &pest::error::Error<Rule>, failed: usize) {
        self.errors += 1;
        let reported = self
            .scan
            .token_at(failed)
            .filter(|token| token.start == failed);
        if reported.is_none_or(|token| !token.bad) {
            self.sink.push(expect::diagnostic(
                error,
                failed,
                self.text,
                self.source,
                &self.scan,
            ));
        }
        if self.errors == MAX_SYNTAX_ERRORS {
            let span = Span {
                source: self.source,
                start: failed,
                end: failed,
            };
            self.sink.push(
                Diagnostic::new(Code::Syntax, span, "too many syntax errors")
                    .labelled("nothing behind this was read"),
            );
        }
    }

    /// Where the next declaration begins after one that began at `start` could not be read at
    /// `failed`. Remembers the names of what is left out.
    fn resume(&mut self, start: usize, failed: usize) -> usize {
        let next = self
            .scan
            .starts
            .iter()
            .find(|it| it.offset > start && it.offset >= failed);
        let next = next.map_or(self.text.len(), |it| it.offset);
        let skipped = self
            .scan
            .starts
            .iter()
            .filter(|it| (start..next).contains(&it.offset));
        self.file.unread.extend(skipped.map(|it| it.name.clone()));
        next
    }

    fn add(&mut self, parsed: Parsed) {
        match parsed {
            Parsed::Package(path) => self.package(path),
            Parsed::Import(import) => {
                if let Some(item) = self.file.items.first() {
                    self.sink.push(
                        Diagnostic::new(
                            Code::Misplaced,
                            import.span,
                            "an import behind a declaration",
                        )
                        .labelled("move this up")
                        .and(item.name.span, "the first declaration is here"),
                    );
                }
                self.file.imports.push(import);
            }
            Parsed::Declaration(item) => self.file.items.push(*item),
        }
    }

    fn package(&mut self, path: Path) {
        if let Some(first) = &self.file.package {
            self.sink.push(
                Diagnostic::new(Code::Misplaced, path.span, "a second package")
                    .labelled("a file has one package")
                    .and(first.span, "the first is here"),
            );
            return;
        }
        if !self.file.imports.is_empty() || !self.file.items.is_empty() {
            self.sink.push(
                Diagnostic::new(
                    Code::Misplaced,
                    path.span,
                    "the package does not stand first",
                )
                .labelled("move this to the top of the file"),
            );
        }
        self.file.package = Some(path);
    }
}
