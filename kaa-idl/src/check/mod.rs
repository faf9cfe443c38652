//! From syntax trees to a checked schema.
//!
//! Each pass reports what it finds and goes on; a [`Schema`] comes out only if none found an error.
//! Where a mistake leaves a hole (a type of an unknown name), the lowered tree has a placeholder that
//! nobody will ever see, and later passes keep silent about it.

mod attributes;
mod channels;
mod cycles;
mod functions;
mod graph;
mod imports;
mod lints;
mod messages;
mod names;
mod records;
mod types;
mod values;

use crate::diagnostics::{self, Diagnostic, Severity, Sink, Style};
use crate::schema::{
    Alias, Const, Declaration, DeclarationId, Interface, Package, Schema, Struct, Type, Value,
};
use crate::suggest::Suggestions;
use crate::syntax::ast::{Item, ItemKind};
use crate::syntax::span::{Source, Span};
use attributes::Target;
use imports::{Loaded, LoadedFile};
use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};

pub use imports::SourceLoader;

/// Checks the files `roots` and all that they import.
///
/// An import is looked for next to the importing file, then in each folder of `include`. Files are
/// read through `loader` only, each once.
#[must_use]
pub fn check(roots: &[PathBuf], include: &[PathBuf], loader: &dyn SourceLoader) -> Checked {
    let mut sink = Sink::default();
    let Loaded { sources, files } = imports::load(roots, include, loader, &mut sink);
    let schema = Checker::new(&files, &mut sink).run();
    let schema = if sink.has_errors() {
        None
    } else {
        lints::lint(&files, &schema, &mut sink);
        Some(schema.schema)
    };
    Checked {
        schema,
        diagnostics: sink.into_sorted(),
        sources,
    }
}

/// What a check gave.
#[derive(Clone, Debug)]
pub struct Checked {
    schema: Option<Schema>,
    diagnostics: Vec<Diagnostic>,
    sources: Vec<Source>,
}

impl Checked {
    /// The schema; `None` if there was any error.
    #[must_use]
    pub fn schema(&self) -> Option<&Schema> {
        self.schema.as_ref()
    }

    /// The schema, for good.
    ///
    /// # Errors
    ///
    /// Gives itself back if there was any error in the files.
    pub fn into_schema(mut self) -> Result<Schema, Self> {
        self.schema.take().ok_or(self)
    }

    /// Errors and warnings, file by file in the order of the text. Warnings come only if there are no
    /// errors, and only for the files that were named, not for imported ones.
    #[must_use]
    pub fn diagnostics(&self) -> &[Diagnostic] {
        &self.diagnostics
    }

    /// How many of the [`diagnostics`](Self::diagnostics) are errors.
    #[must_use]
    pub fn error_count(&self) -> usize {
        self.diagnostics
            .iter()
            .filter(|it| it.severity() == Severity::Error)
            .count()
    }

    /// The files that were read, in the order of reading. [`Span::source`] is an index into them.
    #[must_use]
    pub fn sources(&self) -> &[Source] {
        &self.sources
    }

    /// The path, line and column where `span` begins, both counted from one.
    #[must_use]
    pub fn location(&self, span: Span) -> Option<(&Path, usize, usize)> {
        let source = self.sources.get(span.source)?;
        let (line, column) = source.position(span.start);
        Some((&source.path, line, column))
    }

    /// All diagnostics as text, in the manner of rustc. Nothing in the files can smuggle control
    /// characters into it.
    #[must_use]
    pub fn render(&self, style: Style) -> String {
        diagnostics::render(&self.diagnostics, &self.sources, style)
    }
}

/// The lowered schema and what the lints want to know beside it.
struct Lowered {
    schema: Schema,
    /// For each file the packages that it refers to.
    used: Vec<HashSet<usize>>,
}

/// What the passes share.
struct Checker<'a> {
    /// Imported ones first. The indexes are those of packages and of their declarations.
    files: &'a [LoadedFile],
    names: names::Names<'a>,
    suggestions: Suggestions,
    /// What each sound alias stands for.
    aliases: HashMap<DeclarationId, Type>,
    /// The types of the constants.
    consts: HashMap<DeclarationId, Type>,
    used: Vec<HashSet<usize>>,
    sink: &'a mut Sink,
}

impl<'a> Checker<'a> {
    fn new(files: &'a [LoadedFile], sink: &'a mut Sink) -> Self {
        Self {
            files,
            names: names::Names::default(),
            suggestions: Suggestions::default(),
            aliases: HashMap::new(),
            consts: HashMap::new(),
            used: vec![HashSet::new(); files.len()],
            sink,
        }
    }

    fn run(mut self) -> Lowered {
        self.collect_names();
        self.resolve_aliases();
        self.resolve_constants();
        let mut packages: Vec<Package> = (0..self.files.len())
            .map(|file| self.package(file))
            .collect();
        self.check_containment(&packages);
        self.check_constant_cycles(&packages);
        self.lower_channels(&mut packages);
        Lowered {
            schema: Schema { packages },
            used: self.used,
        }
    }

    fn package(&mut self, file: usize) -> Package {
        let loaded = &self.files[file];
        let items = loaded.ast.items.iter().enumerate();
        Package {
            name: loaded.package.clone(),
            doc: loaded.ast.doc.clone(),
            path: loaded.path.to_string_lossy().into_owned(),
            root: loaded.root,
            imports: loaded.imports.iter().map(|(package, _)| *package).collect(),
            declarations: items
                .map(|(index, item)| {
                    self.declaration(
                        DeclarationId {
                            package: file,
                            index,
                        },
                        item,
                    )
                })
                .collect(),
        }
    }

    fn declaration(&mut self, id: DeclarationId, item: &'a Item) -> Declaration {
        let target = match item.kind {
            ItemKind::Interface(_) => Target::Interface,
            _ => Target::Declaration,
        };
        let marks = self.attributes(&item.prelude, target);
        let doc = item.prelude.doc.clone();
        let name = item.name.text.clone();
        let lifetime = marks.lifetime.clone();
        match &item.kind {
            ItemKind::Const { value, .. } => {
                let ty = self.consts.get(&id).cloned();
                let value = ty.as_ref().and_then(|ty| self.value(id.package, value, ty));
                let (ty, value) = (ty.unwrap_or(Type::Any), value.unwrap_or(Value::Null));
                Declaration::Const(Const {
                    doc,
                    name,
                    lifetime,
                    ty,
                    value,
                })
            }
            ItemKind::Alias(_) => {
                let ty = self.aliases.get(&id).cloned().unwrap_or(Type::Any);
                Declaration::Alias(Alias {
                    doc,
                    name,
                    lifetime,
                    ty,
                })
            }
            ItemKind::Struct(fields) => {
                let fields = self.fields(id.package, fields);
                Declaration::Struct(Struct {
                    doc,
                    name,
                    lifetime,
                    fields,
                })
            }
            ItemKind::Enum { strict, variants } => Declaration::Enum(self.enumeration(
                id.package,
                item,
                lifetime,
                Some(*strict),
                variants,
            )),
            ItemKind::Error(variants) => {
                Declaration::Error(self.enumeration(id.package, item, lifetime, None, variants))
            }
            ItemKind::Interface(functions) => {
                let functions = self.functions(id.package, functions, marks.prefix.as_ref());
                Declaration::Interface(Interface {
                    doc,
                    name,
                    lifetime,
                    functions,
                })
            }
            ItemKind::Channel(_) => Declaration::Channel(crate::schema::Channel {
                doc,
                name,
                lifetime,
                server: Vec::new(),
                client: Vec::new(),
            }),
        }
    }

    /// The syntax tree of a declaration.
    fn item(&self, id: DeclarationId) -> &'a Item {
        &self.files[id.package].ast.items[id.index]
    }
}
