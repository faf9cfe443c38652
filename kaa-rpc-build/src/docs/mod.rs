//! Documentation of a schema as rustdoc.
//!
//! Authors write Markdown with other readers in mind. So code becomes no doctest, brackets that are no
//! links and angle brackets that are no HTML are escaped, bare addresses become links.

mod blocks;
mod inline;

use std::collections::BTreeSet;

use kaa_idl::schema::Lifetime;
use proc_macro2::{Literal, TokenStream};
use quote::quote;

use blocks::Writer;
use inline::escape;

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
        let mut writer = Writer::new(self.items);
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

#[cfg(test)]
mod tests;
