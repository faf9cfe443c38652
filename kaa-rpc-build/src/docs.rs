//! Documentation of a schema as rustdoc.
//!
//! Authors write Markdown with other readers in mind. So code becomes no doctest, brackets that are no
//! links and angle brackets that are no HTML are escaped, bare addresses become links.

use std::collections::BTreeSet;

use kaa_idl::schema::Lifetime;
use proc_macro2::{Literal, TokenStream};
use quote::quote;

/// Info strings that make rustdoc take a code block for Rust.
const RUST: &[&str] = &[
    "",
    "rust",
    "should_panic",
    "no_run",
    "ignore",
    "allow_fail",
    "compile_fail",
    "test_harness",
    "standalone_crate",
    "standalone",
];

/// Writes doc comments for one module.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Docs<'a> {
    /// Names that a link may have.
    items: &'a BTreeSet<String>,
}

impl<'a> Docs<'a> {
    pub(crate) fn new(items: &'a BTreeSet<String>) -> Self {
        Self { items }
    }

    /// The documentation of something the schema declares: what its author wrote, or else `fallback`,
    /// then `notes`.
    pub(crate) fn declared(
        self,
        doc: &str,
        fallback: &str,
        lifetime: &Lifetime,
        notes: &[String],
    ) -> TokenStream {
        self.function(doc, fallback, lifetime, notes, Vec::new())
    }

    /// The same, with a list of parameters behind it.
    pub(crate) fn function(
        self,
        doc: &str,
        fallback: &str,
        lifetime: &Lifetime,
        notes: &[String],
        parameters: Vec<String>,
    ) -> TokenStream {
        let mut lines = self.lines(doc);
        let mut notes = notes.to_vec();
        if let Some(since) = &lifetime.since {
            notes.push(format!("Since {}.", escape(since, self.items)));
        }
        if lines.is_empty() {
            let fallback = if notes.is_empty() || fallback.ends_with('.') {
                fallback.to_owned()
            } else {
                format!("{fallback}.")
            };
            notes.insert(0, fallback);
        } else if !notes.is_empty() {
            lines.push(String::new());
        }
        if !notes.is_empty() {
            lines.push(notes.join(" "));
        }
        if !parameters.is_empty() {
            lines.push(String::new());
            lines.extend(parameters);
        }
        let lines = attributes(&lines);
        let deprecated = self.deprecated(lifetime);
        quote!(#lines #deprecated)
    }

    /// `#[deprecated]`, if it is.
    pub(crate) fn deprecated(self, lifetime: &Lifetime) -> TokenStream {
        // The note is Markdown too.
        let note = lifetime
            .deprecated
            .as_ref()
            .map(|note| escape(&clean(note), self.items));
        note.map(|note| quote!(#[deprecated(note = #note)]))
            .unwrap_or_default()
    }

    /// `doc` as lines of rustdoc.
    pub(crate) fn lines(self, doc: &str) -> Vec<String> {
        let mut writer = Writer {
            items: self.items,
            out: Vec::new(),
            fence: None,
            list: None,
            blank_before: true,
        };
        for line in doc.lines() {
            writer.line(&clean(line));
        }
        writer.finish()
    }

    /// A list entry for each documented thing.
    pub(crate) fn list(self, entries: &[(String, &str)]) -> Vec<String> {
        let mut lines = Vec::new();
        for (name, doc) in entries {
            for (index, line) in self.lines(doc).into_iter().enumerate() {
                let lead = if index == 0 {
                    format!("- `{name}`: ")
                } else {
                    "  ".to_owned()
                };
                lines.push(format!("{lead}{line}").trim_end().to_owned());
            }
        }
        lines
    }
}

/// Documentation in the generator's own words, which need no care.
pub(crate) fn own(text: &str) -> TokenStream {
    let lines: Vec<String> = text.lines().map(str::to_owned).collect();
    attributes(&lines)
}

/// One attribute a line: that is what becomes `///`.
pub(crate) fn attributes(lines: &[String]) -> TokenStream {
    let lines = lines.iter().map(|line| {
        let text = if line.is_empty() {
            String::new()
        } else {
            format!(" {line}")
        };
        Literal::string(&text)
    });
    quote!(#(#[doc = #lines])*)
}

/// Without tabs, and without the control characters that the compiler refuses in comments, such as those
/// that change the direction of text.
pub(crate) fn clean(line: &str) -> String {
    let mut out = String::with_capacity(line.len());
    for c in line.trim_end().chars() {
        match c {
            '\t' => out.push_str("    "),
            '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => {}
            c if c.is_control() => {}
            c => out.push(c),
        }
    }
    out
}

/// A code block that is open.
struct Fence {
    marker: String,
    /// Made of indented code, which ends where the indentation does.
    indented: bool,
}

struct Writer<'a> {
    items: &'a BTreeSet<String>,
    out: Vec<String>,
    fence: Option<Fence>,
    /// Where the text of the list entry begins in which we are.
    list: Option<usize>,
    blank_before: bool,
}

impl Writer<'_> {
    fn line(&mut self, line: &str) {
        if self.fence.as_ref().is_some_and(|fence| fence.indented) {
            if let Some(code) = line.strip_prefix("    ") {
                self.out.push(code.to_owned());
                return;
            }
            if line.is_empty() {
                self.out.push(String::new());
                return;
            }
            self.close();
        }
        if let Some(fence) = &self.fence {
            let (_, text) = split_prefix(line);
            let closes = text.starts_with(&fence.marker)
                && text.trim_start_matches(&fence.marker[..1]).is_empty();
            self.out.push(line.to_owned());
            if closes {
                self.fence = None;
            }
            return;
        }
        self.text(line);
        self.blank_before = line.is_empty();
    }

    /// A line outside of code.
    fn text(&mut self, line: &str) {
        let (prefix, text) = split_prefix(line);
        if text.is_empty() {
            self.out.push(prefix.trim_end().to_owned());
            return;
        }
        let indent = prefix.len();
        let has_marker = !prefix.trim().is_empty();
        match self.list {
            Some(start) if !has_marker && indent >= start => {
                // More would be code within the entry.
                let prefix = " ".repeat(indent.min(start + 3));
                self.opening_or_prose(&prefix, text);
                return;
            }
            Some(_) if self.blank_before || has_marker => self.list = None,
            _ => {}
        }
        if !has_marker && indent >= 4 && self.blank_before && self.list.is_none() {
            self.out.push("```text".to_owned());
            self.out.push(line[4..].to_owned());
            self.fence = Some(Fence {
                marker: "```".to_owned(),
                indented: true,
            });
            return;
        }
        let prefix = if has_marker {
            single_spaces(prefix)
        } else {
            " ".repeat(indent.min(3))
        };
        if has_marker && !prefix.trim_start().starts_with('>') {
            self.list = Some(prefix.len());
        }
        self.opening_or_prose(&prefix, text);
    }

    fn opening_or_prose(&mut self, prefix: &str, text: &str) {
        let Some(marker) = fence_marker(text) else {
            self.out
                .push(format!("{prefix}{}", escape(text, self.items)));
            return;
        };
        let info = text[marker.len()..].trim();
        let word = info
            .split(|c: char| c == ',' || c.is_whitespace() || c == '{')
            .next()
            .unwrap_or_default();
        let is_rust = RUST.contains(&word)
            || word.starts_with("edition")
            || word.starts_with("ignore-")
            || !word.chars().all(|c| c.is_ascii_alphanumeric() || c == '-')
            || (word.len() == 5 && word.starts_with('E'));
        let language = if is_rust { "text" } else { word };
        self.out.push(format!("{prefix}{marker}{language}"));
        self.fence = Some(Fence {
            marker: marker.to_owned(),
            indented: false,
        });
    }

    fn close(&mut self) {
        let Some(fence) = self.fence.take() else {
            return;
        };
        let mut blank = 0;
        while fence.indented && self.out.last().is_some_and(String::is_empty) {
            self.out.pop();
            blank += 1;
        }
        self.out.push(fence.marker);
        self.out.extend(std::iter::repeat_n(String::new(), blank));
    }

    fn finish(mut self) -> Vec<String> {
        self.close();
        while self.out.last().is_some_and(String::is_empty) {
            self.out.pop();
        }
        let start = self
            .out
            .iter()
            .position(|line| !line.is_empty())
            .unwrap_or(self.out.len());
        self.out.split_off(start)
    }
}

/// Splits white space, quote and list markers from the text behind them.
fn split_prefix(line: &str) -> (&str, &str) {
    let mut rest = line.trim_start();
    loop {
        let after_number = rest.trim_start_matches(|c: char| c.is_ascii_digit());
        let numbered = after_number.len() < rest.len() && after_number.starts_with(['.', ')']);
        let marker = if [">", "- ", "* ", "+ "]
            .iter()
            .any(|marker| rest.starts_with(marker))
        {
            1
        } else if numbered && after_number[1..].starts_with(' ') {
            rest.len() - after_number.len() + 1
        } else {
            break;
        };
        rest = rest[marker..].trim_start();
    }
    line.split_at(line.len() - rest.len())
}

/// One space behind each marker: five would begin code.
fn single_spaces(prefix: &str) -> String {
    let indent = prefix.len() - prefix.trim_start().len();
    let markers: Vec<&str> = prefix.split_whitespace().collect();
    format!("{}{} ", " ".repeat(indent.min(3)), markers.join(" "))
}

/// The backticks or tildes that open a code block.
fn fence_marker(text: &str) -> Option<&str> {
    let marker = ['`', '~']
        .into_iter()
        .find(|marker| text.chars().take(3).filter(|c| c == marker).count() == 3)?;
    let length = text.len() - text.trim_start_matches(marker).len();
    // An info string has no backticks; that would be code in a line.
    (marker == '~' || !text[length..].contains('`')).then_some(&text[..length])
}

/// Escapes what rustdoc would take for a link or for HTML, outside of code.
fn escape(text: &str, items: &BTreeSet<String>) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    let mut before = ' ';
    while let Some(c) = rest.chars().next() {
        let length = match c {
            '`' => code_span(rest),
            '\\' => rest.chars().take(2).map(char::len_utf8).sum(),
            '<' => autolink(rest).unwrap_or_default(),
            '[' => link(rest, items).unwrap_or_default(),
            'h' if !before.is_alphanumeric() => {
                let length = address(rest);
                if length > 0 {
                    out.push_str(&format!("<{}>", &rest[..length]));
                    rest = &rest[length..];
                    before = '>';
                    continue;
                }
                1
            }
            c => c.len_utf8(),
        };
        if length == 0 {
            out.push('\\');
            out.push(c);
            rest = &rest[c.len_utf8()..];
        } else {
            out.push_str(&rest[..length]);
            rest = &rest[length..];
        }
        before = out.chars().next_back().unwrap_or(' ');
    }
    out
}

/// The length of the code in backticks at the start of `text`; 0 if nothing ends it.
fn code_span(text: &str) -> usize {
    let ticks = text.len() - text.trim_start_matches('`').len();
    let mut at = ticks;
    while let Some(next) = text[at..].find('`') {
        let run = text[at + next..].len() - text[at + next..].trim_start_matches('`').len();
        at += next + run;
        if run == ticks {
            return at;
        }
    }
    0
}

/// `<https://…>`
fn autolink(text: &str) -> Option<usize> {
    let end = text.find('>')?;
    (address(&text[1..]) + 1 == end).then_some(end + 1)
}

/// The length of the address at the start of `text`.
fn address(text: &str) -> usize {
    if !text.starts_with("https://") && !text.starts_with("http://") {
        return 0;
    }
    let end = text
        .find(|c: char| c.is_whitespace() || "<>\"`|\\^{}".contains(c))
        .unwrap_or(text.len());
    text[..end]
        .trim_end_matches(['.', ',', ';', ':', '!', '?', ')', ']', '\''])
        .len()
}

/// `[text](address)`, and `[Name]` or ``[`Name`]`` of an item of this module.
fn link(text: &str, items: &BTreeSet<String>) -> Option<usize> {
    let end = text.find(']')?;
    let name = text[1..end].trim_matches('`');
    let rest = &text[end + 1..];
    if let Some(target) = rest.strip_prefix('(') {
        let close = target.find(')')?;
        return (address(&target[..close]) == close).then_some(end + 1 + 1 + close + 1);
    }
    (items.contains(name) && !rest.starts_with(['[', ':'])).then_some(end + 1)
}

#[cfg(test)]
mod tests;
