//! What a build script calls. The one place that knows cargo's environment and touches files.

use std::env;
use std::ffi::OsString;
use std::fmt;
use std::fs;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use kaa_idl::schema::Schema;
use kaa_idl::{Checked, Diagnostic, MAX_FILE_SIZE, Severity, SourceLoader, Style};

use crate::config::Config;
use crate::error::GenerateError;
use crate::generate::generate;

/// Generates the code of `.kidl` files, with default options: see [`Builder::compile`].
///
/// # Errors
///
/// See [`Builder::compile`].
pub fn compile(paths: &[impl AsRef<Path>]) -> Result<(), Error> {
    configure().compile(paths)
}

/// Begins with default options.
///
/// ```no_run
/// fn main() -> Result<(), kaa_rpc_build::Error> {
///     kaa_rpc_build::configure()
///         .include("../schemas")
///         .derive("Track", "PartialOrd")
///         .compile(&["../schemas/player.kidl"])
/// }
/// ```
pub fn configure() -> Builder {
    Builder {
        config: Config::new(),
        include: Vec::new(),
        out_dir: None,
        quiet: false,
    }
}

/// Options of a build script, made by [`configure`].
///
/// Relative paths begin at the folder of the package's Cargo.toml.
#[derive(Clone, Debug)]
#[must_use = "nothing is generated before `compile`"]
pub struct Builder {
    config: Config,
    include: Vec<PathBuf>,
    out_dir: Option<PathBuf>,
    quiet: bool,
}

impl Builder {
    /// Looks for imported files in `folder` too, after the importing file's own folder and after the
    /// folders that were given before.
    pub fn include(mut self, folder: impl Into<PathBuf>) -> Self {
        self.include.push(folder.into());
        self
    }

    /// Writes into `folder`, which is made if it is missing, instead of cargo's `OUT_DIR`.
    pub fn out_dir(mut self, folder: impl Into<PathBuf>) -> Self {
        self.out_dir = Some(folder.into());
        self
    }

    /// Derives one trait more for a type: see [`Config::derive`].
    pub fn derive(mut self, name: impl Into<String>, path: impl Into<String>) -> Self {
        self.config = self.config.derive(name, path);
        self
    }

    /// Sets the path of the runtime crate: see [`Config::runtime`].
    pub fn runtime(mut self, path: impl Into<String>) -> Self {
        self.config = self.config.runtime(path);
        self
    }

    /// Says where the code of an imported package is: see [`Config::module`].
    pub fn module(mut self, package: impl Into<String>, path: impl Into<String>) -> Self {
        self.config = self.config.module(package, path);
        self
    }

    /// Leaves out what only servers need: see [`Config::client_only`].
    pub fn client_only(mut self) -> Self {
        self.config = self.config.client_only();
        self
    }

    /// Leaves out what only clients need: see [`Config::server_only`].
    pub fn server_only(mut self) -> Self {
        self.config = self.config.server_only();
        self
    }

    /// Prints no warnings of the schema, such as those about missing documentation. Errors are told anyway.
    pub fn quiet(mut self) -> Self {
        self.quiet = true;
        self
    }

    /// Generates the code of the files `paths` and of all that they import: for each package a file
    /// `media.player.rs`.
    ///
    /// Tells cargo to run the build script again when one of the files that were read changes, and
    /// prints the schema's warnings. Files whose content would not change are not written.
    ///
    /// # Errors
    ///
    /// [`Error`] if a file cannot be read or written, or has mistakes.
    pub fn compile(self, paths: &[impl AsRef<Path>]) -> Result<(), Error> {
        let files = Files {
            folder: env::var_os("CARGO_MANIFEST_DIR")
                .map(PathBuf::from)
                .unwrap_or_default(),
        };
        let roots: Vec<PathBuf> = paths.iter().map(|path| path.as_ref().to_owned()).collect();
        let checked = kaa_idl::check(&roots, &self.include, &files);
        for source in checked.sources() {
            println!("cargo::rerun-if-changed={}", source.path.display());
        }
        if checked.schema().is_some() && !self.quiet {
            print_warnings(&checked);
        }
        let schema = checked.into_schema().map_err(|checked| {
            Error(Kind::Schema {
                errors: checked.error_count(),
                text: checked.render(Style::Plain),
            })
        })?;
        let folder = match &self.out_dir {
            Some(folder) => files.folder.join(folder),
            None => PathBuf::from(out_dir()?),
        };
        self.write(&schema, &folder)
    }

    fn write(&self, schema: &Schema, folder: &Path) -> Result<(), Error> {
        let generated =
            generate(schema, &self.config).map_err(|error| Error(Kind::Generate(error)))?;
        fs::create_dir_all(folder).map_err(|error| unwritable(folder, error))?;
        for file in generated {
            write_changed(&folder.join(format!("{}.rs", file.package)), &file.source)?;
            write_changed(&folder.join(format!("{}.md", file.package)), &file.doc)?;
        }
        Ok(())
    }
}

/// An unchanged file keeps its time, so that what includes it is not compiled again.
fn write_changed(path: &Path, content: &str) -> Result<(), Error> {
    if fs::read(path).is_ok_and(|old| old == content.as_bytes()) {
        return Ok(());
    }
    fs::write(path, content).map_err(|error| unwritable(path, error))
}

fn out_dir() -> Result<OsString, Error> {
    env::var_os("OUT_DIR").ok_or(Error(Kind::NoOutDir))
}

fn unwritable(path: &Path, error: io::Error) -> Error {
    Error(Kind::Write {
        path: path.to_owned(),
        error,
    })
}

/// How many warnings are printed one by one: more would hide those of the compiler.
const MAX_WARNINGS: usize = 20;

/// Cargo shows each on a line of its own, after the name of the package.
fn print_warnings(checked: &Checked) {
    let warnings: Vec<&Diagnostic> = checked
        .diagnostics()
        .iter()
        .filter(|it| it.severity() == Severity::Warning)
        .collect();
    for warning in warnings.iter().take(MAX_WARNINGS) {
        let place = warning
            .span()
            .and_then(|span| checked.location(span))
            .map(|(path, line, column)| format!("{}:{line}:{column}: ", path.display()))
            .unwrap_or_default();
        let help = warning
            .help()
            .first()
            .map(|help| format!(" ({help})"))
            .unwrap_or_default();
        println!(
            "cargo::warning={place}{}{help} [{}]",
            warning.message(),
            warning.code()
        );
    }
    if let Some(more @ 1..) = warnings.len().checked_sub(MAX_WARNINGS) {
        println!("cargo::warning=and {more} more; `kaa check` shows all");
    }
}

/// Reads files, relative ones from a folder.
struct Files {
    folder: PathBuf,
}

impl SourceLoader for Files {
    fn load(&self, path: &Path) -> io::Result<String> {
        let mut text = String::new();
        let limit = u64::try_from(MAX_FILE_SIZE).unwrap_or(u64::MAX);
        // One byte more than is allowed, for the checker to see that it is too long.
        fs::File::open(self.folder.join(path))?
            .take(limit.saturating_add(1))
            .read_to_string(&mut text)?;
        Ok(text)
    }

    fn identity(&self, path: &Path) -> PathBuf {
        let path = self.folder.join(path);
        path.canonicalize().unwrap_or(path)
    }
}

/// Why no code was generated.
///
/// Its `Debug` is as legible as its `Display`, so that a build script can return it from `main` or
/// unwrap it.
pub struct Error(Kind);

enum Kind {
    /// The files have mistakes.
    Schema {
        errors: usize,
        text: String,
    },
    Generate(GenerateError),
    Write {
        path: PathBuf,
        error: io::Error,
    },
    NoOutDir,
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Kind::Schema { errors, text } => {
                let plural = if *errors == 1 { "error" } else { "errors" };
                write!(f, "{errors} {plural} in .kidl files\n\n{}", text.trim_end())
            }
            Kind::Generate(error) => {
                write!(f, "no Rust can be generated from .kidl files\n\n{error}")
            }
            Kind::Write { path, error } => write!(f, "cannot write {}: {error}", path.display()),
            Kind::NoOutDir => {
                f.write_str("OUT_DIR is not set: call this from build.rs, or say `.out_dir(…)`")
            }
        }
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match &self.0 {
            Kind::Write { error, .. } => Some(error),
            Kind::Schema { .. } | Kind::Generate(_) | Kind::NoOutDir => None,
        }
    }
}
