//! Mistakes in `.kidl` files, collected and shown.

pub(crate) mod codes;
mod render;

pub use codes::{CODES, CodeInfo, explain};
pub use render::Style;

pub(crate) use codes::Code;
pub(crate) use render::{escape, is_hostile, render};

use crate::syntax::span::Span;

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Severity {
    /// There is no schema.
    Error,
    /// There is one, but a reader would stumble.
    Warning,
}

/// Something that is wrong in a file.
#[derive(Clone, Debug)]
pub struct Diagnostic {
    severity: Severity,
    code: &'static str,
    message: String,
    span: Option<Span>,
    label: String,
    labels: Vec<Label>,
    help: Vec<String>,
    notes: Vec<String>,
}

/// A second place that has to do with a [`Diagnostic`].
#[derive(Clone, Debug)]
pub struct Label {
    /// Where.
    pub span: Span,
    /// What is there.
    pub text: String,
}

impl Diagnostic {
    /// Whether it makes the check fail.
    #[must_use]
    pub fn severity(&self) -> Severity {
        self.severity
    }

    /// The stable code, such as `K0012`. [`explain`] tells more of it.
    #[must_use]
    pub fn code(&self) -> &'static str {
        self.code
    }

    /// One sentence. Text from the file in it is free of control characters.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.message
    }

    /// Where it is; `None` for a file that could not be read.
    #[must_use]
    pub fn span(&self) -> Option<Span> {
        self.span
    }

    /// What stands at [`span`](Self::span), in a few words; may be empty.
    #[must_use]
    pub fn label(&self) -> &str {
        &self.label
    }

    /// Other places that matter.
    #[must_use]
    pub fn labels(&self) -> &[Label] {
        &self.labels
    }

    /// What to do, one sentence each.
    #[must_use]
    pub fn help(&self) -> &[String] {
        &self.help
    }

    /// What else to know, one sentence each.
    #[must_use]
    pub fn notes(&self) -> &[String] {
        &self.notes
    }

    pub(crate) fn new(code: Code, span: impl Into<Option<Span>>, message: impl AsRef<str>) -> Self {
        let info = code.info();
        Self {
            severity: info.severity,
            code: info.code,
            message: escape(message.as_ref()),
            span: span.into(),
            label: String::new(),
            labels: Vec::new(),
            help: Vec::new(),
            notes: Vec::new(),
        }
    }

    pub(crate) fn labelled(mut self, label: impl AsRef<str>) -> Self {
        self.label = escape(label.as_ref());
        self
    }

    pub(crate) fn and(mut self, span: Span, text: impl AsRef<str>) -> Self {
        self.labels.push(Label {
            span,
            text: escape(text.as_ref()),
        });
        self
    }

    pub(crate) fn with_help(mut self, help: impl AsRef<str>) -> Self {
        self.help.push(escape(help.as_ref()));
        self
    }

    /// Adds "did you mean `…`?" if there is a suggestion.
    pub(crate) fn did_you_mean(self, suggestion: Option<&str>) -> Self {
        match suggestion {
            Some(name) => self.with_help(format!("did you mean `{name}`?")),
            None => self,
        }
    }

    pub(crate) fn with_note(mut self, note: impl AsRef<str>) -> Self {
        self.notes.push(escape(note.as_ref()));
        self
    }
}

/// Gathers diagnostics.
#[derive(Debug, Default)]
pub(crate) struct Sink {
    found: Vec<Diagnostic>,
}

impl Sink {
    pub(crate) fn push(&mut self, diagnostic: Diagnostic) {
        self.found.push(diagnostic);
    }

    pub(crate) fn has_errors(&self) -> bool {
        self.found.iter().any(|it| it.severity == Severity::Error)
    }

    /// File by file, in the order of the text.
    pub(crate) fn into_sorted(mut self) -> Vec<Diagnostic> {
        self.found
            .sort_by_key(|it| it.span.map(|span| (span.source, span.start)));
        self.found
    }
}
