//! Text within a line: links, HTML, addresses.

use std::collections::BTreeSet;

/// Escapes what rustdoc would take for a link or for HTML, outside of code.
pub(super) fn escape(text: &str, items: &BTreeSet<String>) -> String {
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
