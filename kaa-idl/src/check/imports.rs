//! Finds and reads files, and puts imported ones first.

use super::graph;
use crate::diagnostics::{Code, Diagnostic, Sink};
use crate::syntax::ast::{self, Import};
use crate::syntax::parse;
use crate::syntax::span::{Source, Span};
use std::collections::{BTreeMap, HashMap};
use std::io::{self, ErrorKind};
use std::path::{Component, Path, PathBuf};

/// Reads files for the checker, which does no I/O itself.
///
/// A `BTreeMap<PathBuf, String>` is a loader of files in memory.
pub trait SourceLoader {
    /// The content of the file at `path`.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::NotFound`] makes the checker look in the next folder, [`ErrorKind::InvalidData`]
    /// says that the file is not UTF-8, and any other error is shown to the user. A loader may refuse
    /// a file above [`MAX_FILE_SIZE`](crate::MAX_FILE_SIZE) before reading it; the checker does after.
    fn load(&self, path: &Path) -> io::Result<String>;

    /// A form of `path` that all spellings of it share, so that a file is read once.
    ///
    /// By default `.` and `..` are resolved by name only; a loader of real files can do better with
    /// [`std::fs::canonicalize`].
    fn identity(&self, path: &Path) -> PathBuf {
        let mut out = PathBuf::new();
        for component in path.components() {
            match component {
                Component::CurDir => {}
                Component::ParentDir
                    if matches!(out.components().next_back(), Some(Component::Normal(_))) =>
                {
                    out.pop();
                }
                _ => out.push(component),
            }
        }
        out
    }
}

impl SourceLoader for BTreeMap<PathBuf, String> {
    fn load(&self, path: &Path) -> io::Result<String> {
        let key = self.identity(path);
        self.get(&key)
            .cloned()
            .ok_or_else(|| io::Error::from(ErrorKind::NotFound))
    }
}

/// All files, read and parsed.
pub(super) struct Loaded {
    /// In the order of reading.
    pub(super) sources: Vec<Source>,
    /// Imported ones first.
    pub(super) files: Vec<LoadedFile>,
}

/// A file, read and parsed.
pub(super) struct LoadedFile {
    pub(super) ast: ast::File,
    pub(super) path: PathBuf,
    pub(super) root: bool,
    /// Its package; empty if it does not say.
    pub(super) package: String,
    /// Where the text of the package stands.
    pub(super) package_span: Option<Span>,
    /// The imports that could be read: the index of the file, and where it is imported.
    pub(super) imports: Vec<(usize, Span)>,
    /// Whether all imports could be read.
    pub(super) complete: bool,
}

/// Reads `roots` and all that they import.
pub(super) fn load(
    roots: &[PathBuf],
    include: &[PathBuf],
    loader: &dyn SourceLoader,
    sink: &mut Sink,
) -> Loaded {
    let mut reader = Reader {
        include,
        loader,
        sink,
        known: HashMap::new(),
        sources: Vec::new(),
        files: Vec::new(),
    };
    for root in roots {
        match reader.file(root) {
            Ok(file) => reader.files[file].root = true,
            Err(error) => reader.sink.push(unreadable(root, &error)),
        }
    }
    // Files that are found on the way are appended, so this ends when all are known.
    let mut next = 0;
    while next < reader.files.len() {
        reader.imports(next);
        next += 1;
    }
    let Reader { sources, files, .. } = reader;
    let files = sort(files, sink);
    check_packages(&files, sink);
    Loaded { sources, files }
}

struct Reader<'a> {
    include: &'a [PathBuf],
    loader: &'a dyn SourceLoader,
    sink: &'a mut Sink,
    /// By identity; `None` for what was reported as unreadable.
    known: HashMap<PathBuf, usize>,
    sources: Vec<Source>,
    /// The index is the same as that of the source.
    files: Vec<LoadedFile>,
}

impl Reader<'_> {
    /// The index of the file at `path`, which is read unless it was before.
    fn file(&mut self, path: &Path) -> io::Result<usize> {
        let identity = self.loader.identity(path);
        if let Some(&known) = self.known.get(&identity) {
            return Ok(known);
        }
        let text = self.loader.load(path)?;
        let index = self.sources.len();
        let ast = parse(&text, index, self.sink);
        self.sources.push(Source {
            path: path.to_owned(),
            text,
        });
        self.files.push(LoadedFile {
            package: ast
                .package
                .as_ref()
                .map_or_else(String::new, ast::Path::text),
            package_span: ast.package.as_ref().map(|path| path.span),
            ast,
            path: path.to_owned(),
            root: false,
            imports: Vec::new(),
            complete: true,
        });
        self.known.insert(identity, index);
        Ok(index)
    }

    /// Reads what the file with the index `file` imports.
    fn imports(&mut self, file: usize) {
        let folder = self.files[file]
            .path
            .parent()
            .map(Path::to_owned)
            .unwrap_or_default();
        let imports = std::mem::take(&mut self.files[file].ast.imports);
        for import in &imports {
            match self.import(&folder, import) {
                Some(index) => self.files[file].imports.push((index, import.span)),
                None => self.files[file].complete = false,
            }
        }
        self.files[file].ast.imports = imports;
    }

    fn import(&mut self, folder: &Path, import: &Import) -> Option<usize> {
        let mut tried = Vec::new();
        for folder in std::iter::once(folder).chain(self.include.iter().map(PathBuf::as_path)) {
            let path = folder.join(&import.path);
            match self.file(&path) {
                Ok(file) => return Some(file),
                Err(error) if error.kind() == ErrorKind::NotFound => tried.push(path),
                Err(error) => {
                    self.sink.push(unreadable_import(import, &path, &error));
                    return None;
                }
            }
        }
        let mut diagnostic = Diagnostic::new(
            Code::Unreadable,
            import.span,
            "the imported file does not exist",
        )
        .labelled("not found");
        for path in tried {
            diagnostic = diagnostic.with_note(format!("looked for `{}`", path.display()));
        }
        if self.include.is_empty() {
            diagnostic = diagnostic.with_help(
                "the path is relative to this file; other folders can be named as include folders",
            );
        }
        self.sink.push(diagnostic);
        None
    }
}

fn unreadable(path: &Path, error: &io::Error) -> Diagnostic {
    let path = path.display();
    if error.kind() == ErrorKind::InvalidData {
        return Diagnostic::new(Code::NotUtf8, None, format!("`{path}` is not UTF-8"))
            .with_help("save the file in that encoding");
    }
    Diagnostic::new(
        Code::Unreadable,
        None,
        format!("`{path}` cannot be read: {error}"),
    )
}

fn unreadable_import(import: &Import, path: &Path, error: &io::Error) -> Diagnostic {
    let path = path.display();
    if error.kind() == ErrorKind::InvalidData {
        return Diagnostic::new(Code::NotUtf8, import.span, "the imported file is not UTF-8")
            .labelled(format!("this is `{path}`"))
            .with_help("save that file in UTF-8");
    }
    Diagnostic::new(
        Code::Unreadable,
        import.span,
        format!("the imported file cannot be read: {error}"),
    )
    .labelled(format!("this is `{path}`"))
}

/// Puts imported files before those that import them, and reports cycles.
fn sort(files: Vec<LoadedFile>, sink: &mut Sink) -> Vec<LoadedFile> {
    let edges = |file: usize| {
        files[file]
            .imports
            .iter()
            .map(|(import, _)| *import)
            .collect()
    };
    let walk = graph::walk(0..files.len(), edges);
    for cycle in &walk.cycles {
        report_cycle(&files, cycle, sink);
    }
    let mut place = vec![0; files.len()];
    for (index, file) in walk.order.iter().enumerate() {
        place[*file] = index;
    }
    let mut sorted: Vec<(usize, LoadedFile)> = place.iter().copied().zip(files).collect();
    sorted.sort_by_key(|(place, _)| *place);
    let mut files: Vec<LoadedFile> = sorted.into_iter().map(|(_, file)| file).collect();
    for import in files.iter_mut().flat_map(|file| &mut file.imports) {
        import.0 = place[import.0];
    }
    files
}

fn report_cycle(files: &[LoadedFile], cycle: &[usize], sink: &mut Sink) {
    let next = cycle.iter().cycle().skip(1);
    let mut spans = cycle
        .iter()
        .zip(next)
        .filter_map(|(file, next)| {
            files[*file]
                .imports
                .iter()
                .find(|(import, _)| import == next)
        })
        .map(|(_, span)| *span);
    let Some(first) = spans.next() else { return };
    let mut diagnostic = match cycle {
        [_] => Diagnostic::new(Code::ImportCycle, first, "a file imports itself"),
        _ => Diagnostic::new(
            Code::ImportCycle,
            first,
            "files import each other in a circle",
        ),
    };
    diagnostic = diagnostic.labelled("leads back to this file");
    for span in spans.take(super::names::LISTED) {
        diagnostic = diagnostic.and(span, "which imports");
    }
    sink.push(diagnostic.with_help("move what both need to a file that both import"));
}

fn check_packages(files: &[LoadedFile], sink: &mut Sink) {
    let mut first: HashMap<&str, Span> = HashMap::new();
    for file in files {
        let Some(span) = file.package_span else {
            continue;
        };
        if let Some(first) = first.get(file.package.as_str()) {
            sink.push(
                Diagnostic::new(
                    Code::PackageTwice,
                    span,
                    format!("two files of the package `{}`", file.package),
                )
                .labelled("this package is another file's")
                .and(*first, "first here")
                .with_help("a package is one file: rename one, or join them"),
            );
        } else {
            first.insert(&file.package, span);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spellings_of_a_path() {
        let loader: BTreeMap<PathBuf, String> = BTreeMap::new();
        let identity = |path: &str| {
            loader
                .identity(Path::new(path))
                .to_string_lossy()
                .into_owned()
        };
        assert_eq!(identity("./a/../b/./c.kidl"), "b/c.kidl");
        assert_eq!(identity("../a.kidl"), "../a.kidl");
        assert_eq!(identity("a/../../b"), "../b");
        assert_eq!(identity("/a//b"), "/a/b");
    }
}
