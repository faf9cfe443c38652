//! How long a small program takes to build, what it is made of, and how large it becomes: client and server
//! in one, with one function. What they are is in the folder `builds`.

use std::collections::HashSet;
use std::ffi::OsStr;
use std::path::Path;
use std::process::Command;
use std::time::Instant;
use std::{env, fs};

use crate::report::row;
use crate::{Error, machine, report};

/// The programs, and how they are called in the table.
const PROGRAMS: &[(&str, &str)] = &[
    ("kaa", "Kaa RPC, Unix sockets only"),
    ("tarpc", "tarpc, bincode"),
    ("tonic", "tonic"),
];

/// That of its part of the document.
const PART: &str = "builds";

/// Builds all programs. With `write`, the table goes into the document.
pub fn measure(write: bool) -> Result<(), Error> {
    if write {
        report::read(PART)?;
    }
    let mut text = format!(
        "{}. Load: {} before.\n\n",
        machine::describe(),
        machine::load()
    );
    let headings = ["crates", "debug s", "release s", "stripped MB"];
    row(&mut text, "program", headings.map(str::to_owned));
    row(&mut text, "---", headings.map(|_| "---:".to_owned()));
    for (folder, name) in PROGRAMS {
        eprintln!("{name}");
        row(&mut text, name, build(folder)?);
    }
    let many = many_functions()?;
    text += &format!(
        "\n`cargo build` of {FUNCTIONS} described functions after the rest was built: {many:.1} s.\n"
    );
    print!("{text}");
    match write {
        true => report::write(PART, &text),
        false => Ok(()),
    }
}

/// The cells of its row.
fn build(program: &str) -> Result<[String; 4], Error> {
    let folder = copy_of(program)?;
    let folder = folder.path();
    let crates = count_crates(folder)?;
    let debug = time_of_build(folder, &[])?;
    let release = time_of_build(folder, &["--release"])?;
    let binary = folder.join("target/release/hello");
    run(folder, &binary, &[])?;
    let size = fs::metadata(&binary)?.len() as f64 / 1e6;
    Ok([
        crates.to_string(),
        format!("{debug:.1}"),
        format!("{release:.1}"),
        format!("{size:.1}"),
    ])
}

/// With the versions that these benchmarks have, and all that it needs at hand.
fn copy_of(program: &str) -> Result<tempfile::TempDir, Error> {
    let benches = Path::new(env!("CARGO_MANIFEST_DIR"));
    let folder = tempfile::tempdir()?;
    copy(&benches.join("builds").join(program), folder.path())?;
    let manifest = folder.path().join("Cargo.toml");
    let repository = benches.join("..").canonicalize()?;
    let text = fs::read_to_string(&manifest)?;
    let text = text.replace("REPOSITORY", &repository.to_string_lossy());
    fs::write(&manifest, text + "\n[profile.release]\nstrip = true\n")?;
    fs::copy(benches.join("Cargo.lock"), folder.path().join("Cargo.lock"))?;
    cargo(folder.path(), &["fetch", "--quiet"])?;
    Ok(folder)
}

fn copy(from: &Path, to: &Path) -> Result<(), Error> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        match entry.file_type()?.is_dir() {
            true => copy(&entry.path(), &target)?,
            false => drop(fs::copy(entry.path(), target)?),
        }
    }
    Ok(())
}

/// All that are built for it, those of its build script too, and without itself.
fn count_crates(folder: &Path) -> Result<usize, Error> {
    let arguments = [
        "tree",
        "--prefix=none",
        "--edges=normal,build",
        "--format={p}",
    ];
    let tree = cargo(folder, &arguments)?;
    let crates = tree.lines().map(|line| line.trim_end_matches(" (*)"));
    let crates: HashSet<_> = crates.filter(|line| !line.is_empty()).collect();
    Ok(crates.len() - 1)
}

/// Seconds that it takes to build it into a folder in which there is nothing of it.
fn time_of_build(folder: &Path, arguments: &[&str]) -> Result<f64, Error> {
    let start = Instant::now();
    cargo(folder, &[&["build", "--quiet"], arguments].concat())?;
    Ok(start.elapsed().as_secs_f64())
}

const FUNCTIONS: usize = 500;

/// Seconds that the program takes whose schema has many functions, when all it needs is built.
fn many_functions() -> Result<f64, Error> {
    let folder = copy_of("kaa")?;
    let folder = folder.path();
    time_of_build(folder, &[])?;
    let functions = (0..FUNCTIONS).map(|number| {
        format!("    /// Gives back what it got, as number {number}.\n    fn echo_{number}(text: string, count: u32?) -> string;\n")
    });
    let functions: String = functions.collect();
    let schema = format!("package hello;\n\n/// Many.\ninterface Many {{\n{functions}}}\n");
    fs::write(folder.join("hello.kidl"), schema)?;
    let main = "kaa_rpc_runtime::include_schema!(mod hello = \"hello\");\n\nfn main() {}\n";
    fs::write(folder.join("src/main.rs"), main)?;
    time_of_build(folder, &[])
}

fn cargo(folder: &Path, arguments: &[&str]) -> Result<String, Error> {
    run(
        folder,
        env::var_os("CARGO").unwrap_or("cargo".into()),
        arguments,
    )
}

fn run(folder: &Path, program: impl AsRef<OsStr>, arguments: &[&str]) -> Result<String, Error> {
    let program = program.as_ref();
    let output = Command::new(program)
        .args(arguments)
        .current_dir(folder)
        .env("CARGO_TARGET_DIR", folder.join("target"))
        .stderr(std::process::Stdio::inherit())
        .output()?;
    match output.status.success() {
        true => Ok(String::from_utf8(output.stdout)?),
        false => {
            let program = program.to_string_lossy();
            Err(format!(
                "{program} {arguments:?} in {}: {}",
                folder.display(),
                output.status
            )
            .into())
        }
    }
}
