//! `kaa check`: what is wrong in `.kidl` files.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use anstream::{AutoStream, ColorChoice};
use clap::{Args, ValueEnum};
use kaa_idl::{Checked, Diagnostic, MAX_FILE_SIZE, Severity, SourceLoader, Style};

use crate::report::{Failure, Status, say};

/// Check .kidl files
///
/// What is wrong goes to standard error. The exit status is 1 if there is any error, and 0 if there are
/// only warnings or nothing.
#[derive(Debug, Args)]
pub(crate) struct Check {
    /// The files to check, together with all that they import
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Look for imported files in DIR too, after the importing file's own folder
    #[arg(short = 'I', long = "include", value_name = "DIR")]
    include: Vec<PathBuf>,
    /// How diagnostics look
    #[arg(long, value_enum, default_value_t = Format::Full)]
    format: Format,
    /// Fail on warnings as on errors
    #[arg(short = 'D', long)]
    deny_warnings: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    /// With the lines of the file, marked
    Full,
    /// One line each, for editors: `file:line:column: error[K0010]: message`
    Short,
}

impl Check {
    pub(crate) fn run(&self) -> Result<(), Failure> {
        let checked = kaa_idl::check(&self.files, &self.include, &Files);
        match self.format {
            Format::Full => {
                let text = checked.render(style());
                if let Some(text) = text.strip_suffix('\n') {
                    say(format_args!("{text}"));
                }
            }
            Format::Short => {
                for diagnostic in checked.diagnostics() {
                    say(format_args!("{}", self.short(&checked, diagnostic)));
                }
            }
        }
        let errors = checked.error_count();
        let warnings = checked.diagnostics().len() - errors;
        if errors == 0 && !(self.deny_warnings && warnings > 0) {
            return Ok(());
        }
        Err(match self.format {
            Format::Full => Failure::new(Status::Failed, summary(errors, warnings)),
            // Whoever reads these lines counts them, too.
            Format::Short => Failure::silent(Status::Failed),
        })
    }

    fn short(&self, checked: &Checked, diagnostic: &Diagnostic) -> String {
        let place = diagnostic
            .span()
            .and_then(|span| checked.location(span))
            .map(|(path, line, column)| {
                let path = path.to_string_lossy();
                // A line stays a line, whatever the name of the file is.
                format!("{}:{line}:{column}: ", path.replace(char::is_control, "?"))
            })
            .unwrap_or_default();
        let severity = match diagnostic.severity() {
            Severity::Warning if !self.deny_warnings => "warning",
            Severity::Warning | Severity::Error => "error",
        };
        let (code, message) = (diagnostic.code(), diagnostic.message());
        format!("{place}{severity}[{code}]: {message}")
    }
}

fn style() -> Style {
    match AutoStream::choice(&io::stderr()) {
        ColorChoice::Never => Style::Plain,
        _ => Style::Colored,
    }
}

fn summary(errors: usize, warnings: usize) -> String {
    let count = |count: usize, what: &str| match count {
        1 => format!("1 {what}"),
        _ => format!("{count} {what}s"),
    };
    if errors == 0 {
        format!("{}, and warnings are denied", count(warnings, "warning"))
    } else {
        format!("{} in the schema", count(errors, "error"))
    }
}

/// Reads files from the disk.
struct Files;

impl SourceLoader for Files {
    fn load(&self, path: &Path) -> io::Result<String> {
        let mut text = String::new();
        // One byte more than is allowed, for the checker to see that it is too long.
        let limit = u64::try_from(MAX_FILE_SIZE)
            .unwrap_or(u64::MAX)
            .saturating_add(1);
        File::open(path)?.take(limit).read_to_string(&mut text)?;
        Ok(text)
    }

    fn identity(&self, path: &Path) -> PathBuf {
        path.canonicalize().unwrap_or_else(|_| path.to_owned())
    }
}
