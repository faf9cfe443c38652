//! What is legal, but makes readers stumble. Only sound files are linted, and only those that the
//! caller named.

use super::Lowered;
use super::imports::LoadedFile;
use crate::diagnostics::{Code, Diagnostic, Sink};
use crate::naming;
use crate::syntax::ast::{Field, Function, Item, ItemKind, Name};
use std::collections::HashSet;

/// Adds warnings.
pub(super) fn lint(files: &[LoadedFile], lowered: &Lowered, sink: &mut Sink) {
    for (index, file) in files.iter().enumerate().filter(|(_, file)| file.root) {
        unused_imports(file, &lowered.used[index], sink);
        let mut lints = Lints { sink };
        for name in file.ast.package.iter().flat_map(|path| &path.segments) {
            lints.casing(name, "a package", naming::snake);
        }
        for item in &file.ast.items {
            lints.item(item);
        }
    }
}

fn unused_imports(file: &LoadedFile, used: &HashSet<usize>, sink: &mut Sink) {
    for (index, (import, span)) in file.imports.iter().enumerate() {
        if let Some((_, first)) = file.imports[..index]
            .iter()
            .find(|(other, _)| other == import)
        {
            sink.push(
                Diagnostic::new(Code::UnusedImport, *span, "imported twice")
                    .labelled("again here")
                    .and(*first, "first here"),
            );
        } else if !used.contains(import) {
            sink.push(
                Diagnostic::new(Code::UnusedImport, *span, "an import without use")
                    .labelled("nothing in this file refers to it"),
            );
        }
    }
}

struct Lints<'a> {
    sink: &'a mut Sink,
}

impl Lints<'_> {
    fn item(&mut self, item: &Item) {
        self.documented(&item.prelude.doc, &item.name);
        match &item.kind {
            ItemKind::Const { .. } => self.casing(&item.name, "a constant", naming::screaming),
            ItemKind::Channel(_) => self.casing(&item.name, "a channel", naming::upper_camel),
            ItemKind::Interface(_) => self.casing(&item.name, "an interface", naming::upper_camel),
            _ => self.casing(&item.name, "a type", naming::upper_camel),
        }
        match &item.kind {
            ItemKind::Struct(fields) => self.fields(fields),
            ItemKind::Enum { variants, .. } | ItemKind::Error(variants) => {
                for variant in variants {
                    self.casing(&variant.name, "a variant", naming::snake);
                    self.fields(&variant.fields);
                }
            }
            ItemKind::Interface(functions) => functions
                .iter()
                .for_each(|function| self.function(function)),
            ItemKind::Const { .. } | ItemKind::Alias(_) | ItemKind::Channel(_) => {}
        }
    }

    fn fields(&mut self, fields: &[Field]) {
        for field in fields {
            self.casing(&field.name, "a field", naming::snake);
        }
    }

    fn function(&mut self, function: &Function) {
        self.documented(&function.prelude.doc, &function.name);
        self.casing(&function.name, "a function", naming::snake);
        for parameter in &function.parameters {
            self.casing(&parameter.name, "a parameter", naming::snake);
        }
    }

    fn documented(&mut self, doc: &str, name: &Name) {
        if doc.trim().is_empty() {
            self.sink.push(
                Diagnostic::new(
                    Code::Undocumented,
                    name.span,
                    format!("`{}` has no documentation", name.text),
                )
                .labelled("expected a `///` comment before it"),
            );
        }
    }

    fn casing(&mut self, name: &Name, what: &str, case: fn(&str) -> String) {
        let usual = case(&name.text);
        if usual != name.text {
            self.sink.push(
                Diagnostic::new(
                    Code::Casing,
                    name.span,
                    format!("unusual casing of {what}: `{}`", name.text),
                )
                .labelled(format!("usually `{usual}`")),
            );
        }
    }
}
