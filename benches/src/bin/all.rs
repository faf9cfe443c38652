//! Runs all that goes into the document, one after the other. What it is given (`--rounds N`, `--write`) goes
//! to each that compares. Takes half an hour or more.

use std::env;
use std::process::{Command, ExitCode};

use kaa_benches::Error;

fn main() -> ExitCode {
    let arguments: Vec<_> = env::args().skip(1).collect();
    let arguments: Vec<_> = arguments.iter().map(String::as_str).collect();
    match run_all(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run_all(arguments: &[&str]) -> Result<(), Error> {
    run("floors", arguments)?;
    run("suite", arguments)?;
    run("suite", &[arguments, &["--unpinned"]].concat())?;
    run("curves", arguments)?;
    run("encryption", arguments)?;
    let write = arguments.contains(&"--write");
    run("builds", if write { &["--write"] } else { &[] })
}

/// With the other systems that this one was built with.
fn run(binary: &str, arguments: &[&str]) -> Result<(), Error> {
    eprintln!("== {binary} {}", arguments.join(" "));
    let mut command = Command::new(env::var_os("CARGO").unwrap_or("cargo".into()));
    command.current_dir(env!("CARGO_MANIFEST_DIR")).args([
        "run",
        "--quiet",
        "--release",
        "--bin",
        binary,
    ]);
    if cfg!(feature = "peers") {
        command.args(["--features", "peers"]);
    }
    let status = command.arg("--").args(arguments).status()?;
    match status.success() {
        true => Ok(()),
        false => Err(format!("{binary}: {status}").into()),
    }
}
