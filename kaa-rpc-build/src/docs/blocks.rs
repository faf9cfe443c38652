//! Lines: paragraphs, lists, quotes and code.

use std::collections::BTreeSet;

use super::inline::escape;

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

/// A code block that is open.
struct Fence {
    marker: String,
    /// Made of indented code, which ends where the indentation does.
    indented: bool,
}

/// Makes rustdoc of Markdown, line by line.
pub(super) struct Writer<'a> {
    items: &'a BTreeSet<String>,
    out: Vec<String>,
    fence: Option<Fence>,
    /// Where the text of the list entry begins in which we are.
    list: Option<usize>,
    blank_before: bool,
}

impl<'a> Writer<'a> {
    /// `items` are the names that a link may have.
    pub(super) fn new(items: &'a BTreeSet<String>) -> Self {
        Self {
            items,
            out: Vec::new(),
            fence: None,
            list: None,
            blank_before: true,
        }
    }

    pub(super) fn line(&mut self, line: &str) {
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

    pub(super) fn finish(mut self) -> Vec<String> {
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
