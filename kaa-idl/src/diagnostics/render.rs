//! Diagnostics as rustc would show them.

use super::{Diagnostic, Severity};
use crate::syntax::span::{Source, Span};
use annotate_snippets::{AnnotationKind, Group, Level, Renderer, Snippet};
use std::borrow::Cow;
use std::ops::Range;

/// How diagnostics look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Style {
    /// Text only.
    Plain,
    /// With ANSI escapes for a terminal.
    Colored,
}

/// How many errors, and how many warnings, are shown. A file can be made to hold a million.
const SHOWN: usize = 100;

/// All of `diagnostics` as text, with an empty line after each.
pub(crate) fn render(diagnostics: &[Diagnostic], sources: &[Source], style: Style) -> String {
    let renderer = match style {
        Style::Plain => Renderer::plain(),
        Style::Colored => Renderer::styled(),
    };
    let mut out = String::new();
    let mut shown = [0usize; 2];
    for diagnostic in diagnostics {
        let count = &mut shown[usize::from(diagnostic.severity == Severity::Warning)];
        *count += 1;
        if *count <= SHOWN {
            out.push_str(&renderer.render(&[group(diagnostic, sources)]));
            out.push_str("\n\n");
        }
    }
    for (count, what) in shown.into_iter().zip(["error", "warning"]) {
        if count > SHOWN {
            out.push_str(&format!(
                "{what}: {} more {what}s are not shown\n\n",
                count - SHOWN
            ));
        }
    }
    out
}

fn group<'a>(diagnostic: &'a Diagnostic, sources: &'a [Source]) -> Group<'a> {
    let level = match diagnostic.severity {
        Severity::Error => Level::ERROR,
        Severity::Warning => Level::WARNING,
    };
    let title = level
        .primary_title(diagnostic.message.as_str())
        .id(diagnostic.code);
    let mut group = Group::with_title(title).elements(snippets(diagnostic, sources));
    for note in &diagnostic.notes {
        group = group.element(Level::NOTE.message(note.as_str()));
    }
    for help in &diagnostic.help {
        group = group.element(Level::HELP.message(help.as_str()));
    }
    group
}

/// One snippet for each file, the one with the mistake first.
fn snippets<'a>(
    diagnostic: &'a Diagnostic,
    sources: &'a [Source],
) -> Vec<Snippet<'a, annotate_snippets::Annotation<'a>>> {
    let Some(primary) = diagnostic.span else {
        return Vec::new();
    };
    let mut files = vec![primary.source];
    for label in &diagnostic.labels {
        if !files.contains(&label.span.source) {
            files.push(label.span.source);
        }
    }
    files
        .into_iter()
        .filter_map(|file| {
            let source = sources.get(file)?;
            let mut marks: Vec<(AnnotationKind, Span, &str)> = diagnostic
                .labels
                .iter()
                .filter(|label| label.span.source == file)
                .map(|label| (AnnotationKind::Context, label.span, label.text.as_str()))
                .collect();
            if primary.source == file {
                marks.insert(
                    0,
                    (AnnotationKind::Primary, primary, diagnostic.label.as_str()),
                );
            }
            Some(snippet(source, &marks))
        })
        .collect()
}

/// The lines from the first to the last mark, so that the cost does not grow with the file.
fn snippet<'a>(
    source: &'a Source,
    marks: &[(AnnotationKind, Span, &'a str)],
) -> Snippet<'a, annotate_snippets::Annotation<'a>> {
    let first = marks
        .iter()
        .map(|(_, span, _)| span.start)
        .min()
        .unwrap_or(0);
    let last = marks.iter().map(|(_, span, _)| span.end).max().unwrap_or(0);
    let lines = whole_lines(&source.text, first..last);
    let (line, _) = source.position(lines.start);
    let text = &source.text[lines.clone()];
    let annotations = marks.iter().map(|(kind, span, label)| {
        let range = span.start - lines.start..span.end - lines.start;
        kind.span(range)
            .label((!label.is_empty()).then_some(*label))
    });
    Snippet::source(shield(text))
        .line_start(line)
        .path(escape(&source.path.to_string_lossy()))
        .annotations(annotations)
}

/// `range` widened to begin and end with lines.
fn whole_lines(text: &str, range: Range<usize>) -> Range<usize> {
    let start = text[..range.start]
        .rfind('\n')
        .map_or(0, |newline| newline + 1);
    let end = text[range.end..]
        .find('\n')
        .map_or(text.len(), |newline| range.end + newline);
    start..end
}

/// Whether a terminal might act on `c`, or show text in another order for it.
pub(crate) fn is_hostile(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{061C}' | '\u{200E}' | '\u{200F}' | '\u{202A}'..='\u{202E}' | '\u{2066}'..='\u{2069}')
}

/// `text` with hostile characters as escapes.
pub(crate) fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if is_hostile(c) {
            out.extend(c.escape_unicode());
        } else {
            out.push(c);
        }
    }
    out
}

/// `text` with hostile characters replaced by as many bytes, so that offsets stay true. The renderer
/// itself shows those of one byte as symbols.
fn shield(text: &str) -> Cow<'_, str> {
    if !text.chars().any(|c| is_hostile(c) && c.len_utf8() > 1) {
        return Cow::Borrowed(text);
    }
    let replace = |c: char| match (is_hostile(c), c.len_utf8()) {
        (true, 2) => '¿',
        (true, 3) => '\u{FFFD}',
        _ => c,
    };
    Cow::Owned(text.chars().map(replace).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hostile_characters_become_harmless() {
        assert_eq!(
            escape("a\u{1b}[31m\u{9b}\u{202e}b"),
            "a\\u{1b}[31m\\u{9b}\\u{202e}b"
        );
        let text = "a\u{9b}\u{202e}ü";
        assert_eq!(shield(text), "a¿\u{FFFD}ü");
        assert_eq!(shield(text).len(), text.len());
    }

    #[test]
    fn lines_around_a_range() {
        assert_eq!(whole_lines("ab\ncd\nef", 4..4), 3..5);
        assert_eq!(whole_lines("ab\ncd\nef", 0..4), 0..5);
        assert_eq!(whole_lines("ab\ncd\nef", 8..8), 6..8);
    }
}
