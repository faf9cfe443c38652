//! Which name means what.

use super::Checker;
use crate::diagnostics::{Code, Diagnostic};
use crate::naming;
use crate::schema::DeclarationId;

use crate::syntax::ast::{ItemKind, Name, Path};
use std::collections::{HashMap, HashSet};

/// How many places one diagnostic lists beside its own.
pub(super) const LISTED: usize = 6;

/// The built-in types without arguments.
pub(super) const SCALARS: [&str; 15] = [
    "bool",
    "i8",
    "i16",
    "i32",
    "i64",
    "u8",
    "u16",
    "u32",
    "u64",
    "f32",
    "f64",
    "string",
    "bytes",
    "timestamp",
    "duration",
];

/// The other words that cannot be declared anew.
const RESERVED: [&str; 7] = ["any", "list", "map", "stream", "true", "false", "null"];

/// The declared names.
#[derive(Default)]
pub(super) struct Names<'a> {
    /// The index of each package; the first, where there are two.
    packages: HashMap<String, usize>,
    /// For each package the indexes of its declarations.
    declarations: Vec<HashMap<String, usize>>,
    /// For each package names that are declared but could not be read.
    unread: Vec<HashSet<String>>,
    /// The indexes of the variants of each enum.
    variants: HashMap<DeclarationId, HashMap<&'a str, usize>>,
}

impl Names<'_> {
    /// The index of the variant `name` of the enum `id`.
    pub(super) fn variant(&self, id: DeclarationId, name: &str) -> Option<usize> {
        self.variants.get(&id)?.get(name).copied()
    }
}

/// What a name is wanted for; suggestions are of that kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wanted {
    Type,
    Error,
    Interface,
    Value,
}

impl Wanted {
    fn accepts(self, kind: &ItemKind) -> bool {
        match self {
            Self::Type => matches!(
                kind,
                ItemKind::Alias(_)
                    | ItemKind::Struct(_)
                    | ItemKind::Enum { .. }
                    | ItemKind::Error(_)
            ),
            Self::Error => matches!(kind, ItemKind::Error(_)),
            Self::Interface => matches!(kind, ItemKind::Interface(_)),
            Self::Value => matches!(kind, ItemKind::Const { .. }),
        }
    }

    fn in_words(self) -> &'static str {
        match self {
            Self::Type => "a type",
            Self::Error => "an error",
            Self::Interface => "an interface",
            Self::Value => "a value",
        }
    }
}

/// A declaration as its keyword calls it.
pub(super) fn kind_in_words(kind: &ItemKind) -> &'static str {
    match kind {
        ItemKind::Const { .. } => "a constant",
        ItemKind::Alias(_) => "an alias",
        ItemKind::Struct(_) => "a struct",
        ItemKind::Enum { .. } => "an enum",
        ItemKind::Error(_) => "an error",
        ItemKind::Interface(_) => "an interface",
        ItemKind::Channel(_) => "a channel",
    }
}

impl<'a> Checker<'a> {
    /// Fills the tables of names and reports those that meet.
    pub(super) fn collect_names(&mut self) {
        for (index, file) in self.files.iter().enumerate() {
            if !file.package.is_empty() {
                self.names
                    .packages
                    .entry(file.package.clone())
                    .or_insert(index);
            }
            let mut table = HashMap::new();
            for (declaration, item) in file.ast.items.iter().enumerate() {
                table.entry(item.name.text.clone()).or_insert(declaration);
                self.check_reserved(&item.name);
                if let ItemKind::Enum { variants, .. } = &item.kind {
                    let names = variants
                        .iter()
                        .enumerate()
                        .map(|(index, variant)| (variant.name.text.as_str(), index));
                    self.names.variants.insert(
                        DeclarationId {
                            package: index,
                            index: declaration,
                        },
                        names.collect(),
                    );
                }
            }
            self.names.declarations.push(table);
            self.names
                .unread
                .push(file.ast.unread.iter().cloned().collect());
            let names = file.ast.items.iter().map(|item| match item.kind {
                ItemKind::Const { .. } => (
                    &item.name,
                    naming::legal(naming::screaming(&item.name.text)),
                ),
                _ => (
                    &item.name,
                    naming::legal(naming::upper_camel(&item.name.text)),
                ),
            });
            self.check_distinct("declaration", names);
        }
    }

    fn check_reserved(&mut self, name: &Name) {
        if SCALARS.contains(&name.text.as_str()) || RESERVED.contains(&name.text.as_str()) {
            self.sink.push(
                Diagnostic::new(
                    Code::BuiltIn,
                    name.span,
                    format!("`{}` is a word of the language", name.text),
                )
                .labelled("cannot be declared anew"),
            );
        }
    }

    /// Reports names that are equal, or that are equal in Rust, as the second of each pair says.
    pub(super) fn check_distinct<'n>(
        &mut self,
        what: &str,
        names: impl Iterator<Item = (&'n Name, String)>,
    ) {
        let mut written: HashMap<&str, &Name> = HashMap::new();
        let mut in_rust: HashMap<String, &Name> = HashMap::new();
        for (name, rust) in names {
            if let Some(first) = written.get(name.text.as_str()) {
                self.sink.push(
                    Diagnostic::new(
                        Code::Duplicate,
                        name.span,
                        format!("a second {what} of the name `{}`", name.text),
                    )
                    .labelled("used again here")
                    .and(first.span, "first used here"),
                );
            } else if let Some(first) = in_rust.get(&rust) {
                let message = format!(
                    "`{}` and `{}` are the same name in Rust",
                    first.text, name.text
                );
                self.sink.push(
                    Diagnostic::new(Code::RustDuplicate, name.span, message)
                        .labelled(format!("this {what} becomes `{rust}`"))
                        .and(first.span, format!("so does this {what}"))
                        .with_help("rename one of them"),
                );
            } else {
                in_rust.insert(rust, name);
            }
            written.entry(&name.text).or_insert(name);
        }
    }

    /// What `path` means in `file`, whatever its kind. Reports an unknown name; `None` also if
    /// another mistake is to blame.
    pub(super) fn lookup(
        &mut self,
        file: usize,
        path: &Path,
        wanted: Wanted,
    ) -> Option<DeclarationId> {
        let (name, qualifier) = path.segments.split_last()?;
        let package = if qualifier.is_empty() {
            file
        } else {
            self.lookup_package(file, path, qualifier)?
        };
        if let Some(&index) = self.names.declarations[package].get(&name.text) {
            return Some(DeclarationId { package, index });
        }
        if self.names.unread[package].contains(&name.text) || self.files[package].ast.refused {
            return None;
        }
        let diagnostic = self.unknown(file, package, path, name, wanted);
        self.sink.push(diagnostic);
        None
    }

    /// As [`lookup`](Self::lookup), and reports what is not of the wanted kind.
    pub(super) fn lookup_kind(
        &mut self,
        file: usize,
        path: &Path,
        wanted: Wanted,
    ) -> Option<DeclarationId> {
        let id = self.lookup(file, path, wanted)?;
        let item = self.item(id);
        if wanted.accepts(&item.kind) {
            return Some(id);
        }
        let (found, wanted) = (kind_in_words(&item.kind), wanted.in_words());
        self.sink.push(
            Diagnostic::new(
                Code::WrongKind,
                path.span,
                format!("expected {wanted}, found {found}"),
            )
            .labelled(format!("`{}` is {found}", path.text()))
            .and(item.name.span, "declared here"),
        );
        None
    }

    fn lookup_package(&mut self, file: usize, path: &Path, qualifier: &[Name]) -> Option<usize> {
        let names: Vec<&str> = qualifier.iter().map(|name| name.text.as_str()).collect();
        let name = names.join(".");
        let this = &self.files[file];
        if name == this.package {
            return Some(file);
        }
        if let Some((package, _)) = this
            .imports
            .iter()
            .find(|(package, _)| self.files[*package].package == name)
        {
            self.used[file].insert(*package);
            return Some(*package);
        }
        let diagnostic = if let Some(&package) = self.names.packages.get(&name) {
            let path_of = self.files[package]
                .path
                .file_name()
                .map_or_else(String::new, |it| it.to_string_lossy().into_owned());
            Diagnostic::new(
                Code::NotImported,
                path.span,
                format!("the package `{name}` is not imported"),
            )
            .labelled("of another package")
            .with_help(format!("add an import such as `import \"{path_of}\";`"))
        } else if this.complete
            && !this
                .imports
                .iter()
                .any(|(it, _)| self.files[*it].package.is_empty())
        {
            let imported = this
                .imports
                .iter()
                .map(|(it, _)| self.files[*it].package.as_str());
            Diagnostic::new(
                Code::UnknownName,
                path.span,
                format!("there is no package `{name}`"),
            )
            .labelled("unknown package")
            .did_you_mean(self.suggestions.closest(&name, imported))
        } else {
            // The missing import may be the one.
            return None;
        };
        self.sink.push(diagnostic);
        None
    }

    fn unknown(
        &self,
        file: usize,
        package: usize,
        path: &Path,
        name: &Name,
        wanted: Wanted,
    ) -> Diagnostic {
        let what = match wanted {
            Wanted::Type => "type",
            Wanted::Error => "error",
            Wanted::Interface => "interface",
            Wanted::Value => "value",
        };
        let mut diagnostic = Diagnostic::new(
            Code::UnknownName,
            path.span,
            format!("there is no {what} `{}`", path.text()),
        )
        .labelled("not found");
        if package != file {
            let package = &self.files[package].package;
            diagnostic =
                diagnostic.with_note(format!("the package `{package}` declares no such name"));
        }
        if let Some(elsewhere) = self.elsewhere(file, package, name, wanted) {
            return diagnostic.with_help(format!("did you mean `{elsewhere}`?"));
        }
        let builtin = (wanted == Wanted::Type && package == file)
            .then_some(SCALARS)
            .into_iter()
            .flatten();
        let declared = self.files[package].ast.items.iter();
        let declared = declared
            .filter(|item| wanted.accepts(&item.kind))
            .map(|item| item.name.text.as_str());
        if let Some(known) = foreign(&name.text).filter(|_| wanted == Wanted::Type) {
            return diagnostic.with_help(known);
        }
        let suggestion = self
            .suggestions
            .closest(&name.text, declared.chain(builtin));
        let full = suggestion.map(|name| match package == file {
            true => name.to_owned(),
            false => format!("{}.{name}", self.files[package].package),
        });
        diagnostic.did_you_mean(full.as_deref())
    }

    /// The full name of the declaration `name` of a package that `file` imports.
    fn elsewhere(
        &self,
        file: usize,
        package: usize,
        name: &Name,
        wanted: Wanted,
    ) -> Option<String> {
        let imports = self.files[file].imports.iter().map(|(import, _)| *import);
        imports
            .filter(|import| *import != package)
            .find_map(|import| {
                let index = *self.names.declarations[import].get(&name.text)?;
                let item = &self.files[import].ast.items[index];
                wanted
                    .accepts(&item.kind)
                    .then(|| format!("{}.{}", self.files[import].package, name.text))
            })
    }
}

/// What a type of another language is called here.
fn foreign(name: &str) -> Option<&'static str> {
    let help = match name {
        "int" | "integer" | "long" | "isize" => "integers say their size: `i64`",
        "uint" | "unsigned" | "usize" => "integers say their size: `u64`",
        "i128" | "u128" => "the largest integers are `i64` and `u64`",
        "byte" | "char" => "did you mean `u8` or `string`?",
        "float" => "did you mean `f32`?",
        "double" | "number" => "did you mean `f64`?",
        "boolean" => "did you mean `bool`?",
        "String" | "str" | "text" => "did you mean `string`?",
        "binary" | "blob" | "Bytes" => "did you mean `bytes`?",
        "Vec" | "array" | "vector" | "List" | "repeated" => "a list is written `list<T>`",
        "Map" | "HashMap" | "BTreeMap" | "dict" | "object" => "a map is written `map<K, V>`",
        "Option" | "Optional" | "optional" | "nullable" => "an optional type is written `T?`",
        "time" | "date" | "datetime" | "instant" => "did you mean `timestamp`?",
        "void" | "unit" | "nothing" | "None" => "a function without result has no `->`",
        _ => return None,
    };
    Some(help)
}
