//! Mistakes in the user's code that do not compile, each a file in `refused/`.
//!
//! A file's first line says the error that is expected. `accepted.rs` is the same program without
//! mistakes: it shows that the others fail for what they say, and finds the compiled library.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use crate::objects::TestResult;

/// The folder with what cargo compiled for this test.
fn compiled() -> std::io::Result<PathBuf> {
    let mut folder = std::env::current_exe()?;
    folder.pop();
    Ok(folder)
}

/// The libraries of the tests, newest first: cargo keeps those of other settings too.
fn libraries() -> Result<Vec<PathBuf>, Box<dyn std::error::Error>> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(compiled()?)? {
        let entry = entry?;
        let name = entry.file_name();
        let name = name.to_string_lossy();
        if name.starts_with("libkaa_tests-") && name.ends_with(".rlib") {
            found.push((entry.metadata()?.modified()?, entry.path()));
        }
    }
    found.sort();
    Ok(found.into_iter().rev().map(|(_, path)| path).collect())
}

/// Checks a program against one of the libraries.
fn check(program: &Path, library: &Path) -> std::io::Result<Output> {
    let mut tests = OsString::from("kaa_tests=");
    tests.push(library);
    let mut dependencies = OsString::from("dependency=");
    dependencies.push(compiled()?);
    let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let out = tempfile::tempdir()?;
    Command::new(rustc)
        .args(["--edition=2024", "--crate-type=lib", "--emit=metadata"])
        .args(["-Dwarnings", "-Adead_code", "--error-format=short"])
        .arg("--out-dir")
        .arg(out.path())
        .arg("--extern")
        .arg(tests)
        .arg("-L")
        .arg(dependencies)
        .arg(program)
        .output()
}

#[test]
fn mistakes_do_not_compile() -> TestResult {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("typed/refused");
    let accepted = folder.join("accepted.rs");
    let mut told = String::new();
    let mut fitting = None;
    for library in libraries()? {
        let output = check(&accepted, &library)?;
        if output.status.success() {
            fitting = Some(library);
            break;
        }
        told.push_str(&String::from_utf8_lossy(&output.stderr));
    }
    let Some(library) = fitting else {
        panic!("the program without mistakes does not compile: {told}");
    };

    let mut refused = 0;
    for entry in std::fs::read_dir(&folder)? {
        let program = entry?.path();
        if program == accepted {
            continue;
        }
        let text = std::fs::read_to_string(&program)?;
        let first = text.lines().next().unwrap_or_default();
        let expected = first
            .strip_prefix("// ")
            .ok_or("a file does not say what is expected")?;
        let output = check(&program, &library)?;
        let told = String::from_utf8_lossy(&output.stderr);
        assert!(!output.status.success(), "{} compiles", program.display());
        let errors: Vec<&str> = told.lines().filter(|line| line.contains("error")).collect();
        assert!(
            errors.iter().any(|error| error.contains(expected)),
            "{}: expected {expected}, got {told}",
            program.display()
        );
        // That one and `aborting due to 1 previous error`.
        assert_eq!(errors.len(), 2, "{}: {told}", program.display());
        refused += 1;
    }
    assert_eq!(refused, 22);
    Ok(())
}
