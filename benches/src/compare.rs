//! Systems against each other, in rounds.

use std::env;
use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::process::ExitCode;

use crate::curves::{self, Curve};
use crate::process::{self, Server};
use crate::report::{Goal, Results};
use crate::sample::Sample;
use crate::systems::{Place, Runtime, System};
use crate::workload::{Workload, run};
use crate::{Error, machine, report, syscalls};

/// What a binary measures.
#[derive(Debug)]
pub struct Suite {
    /// That of the binary, and of its part of `docs/performance.md`.
    pub name: &'static str,
    /// If the command line does not say how many.
    pub rounds: usize,
    /// A table for each, unless they are points of curves.
    pub comparisons: &'static [Comparison],
    /// How figures grow along comparisons that have the same title.
    pub curves: &'static [Curve],
    /// What is to be reached on one CPU.
    pub goals: &'static [Goal],
    /// What is to be reached on all.
    pub unpinned_goals: &'static [Goal],
    /// Whether to count the system calls that write, too.
    pub syscalls: bool,
}

/// Systems that do the same.
#[derive(Debug)]
pub struct Comparison {
    /// Above its table.
    pub title: &'static str,
    /// What they do.
    pub workload: Workload,
    /// The first is the one that the others are compared with.
    pub systems: &'static [Entry],
}

type Task<T> = Pin<Box<dyn Future<Output = Result<T, Error>> + Send>>;

/// A [`System`] in a list of them.
#[derive(Clone, Copy, Debug)]
pub struct Entry {
    /// How it is called.
    pub name: &'static str,
    runtime: Runtime,
    serve: fn(PathBuf) -> Task<()>,
    run: fn(Place, Workload) -> Task<Sample>,
}

impl Entry {
    /// This one.
    pub const fn of<S: System>() -> Self {
        Self {
            name: S::NAME,
            runtime: S::RUNTIME,
            serve: |folder| Box::pin(S::serve(folder)),
            run: |place, workload| Box::pin(async move { run::<S>(&place, &workload).await }),
        }
    }
}

/// The `main` of a suite, and of the servers and clients that it starts.
pub fn main(suite: &Suite) -> ExitCode {
    let arguments: Vec<_> = env::args().skip(1).collect();
    let arguments: Vec<_> = arguments.iter().map(String::as_str).collect();
    match command(suite, &arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn command(suite: &Suite, arguments: &[&str]) -> Result<(), Error> {
    match *arguments {
        ["serve", name, folder] => {
            let system = suite.system(name)?;
            runtime(system.runtime)?.block_on((system.serve)(folder.into()))
        }
        ["call", name, work, folder, address, server] => {
            let system = suite.system(name)?;
            let place = Place {
                folder: folder.into(),
                address: address.to_owned(),
                server: server.parse()?,
            };
            let run = (system.run)(place, suite.workload(work)?);
            let sample = match system.runtime {
                Runtime::ClientBlocks => kaa_rpc_runtime::blocking::wait(run)?,
                Runtime::MultiThread | Runtime::CurrentThread => {
                    let runtime = runtime(system.runtime)?;
                    // In a task, as users call: `block_on` would add a hop between two threads.
                    runtime.block_on(runtime.spawn(run))??
                }
            };
            println!("{sample}");
            Ok(())
        }
        _ => compare(suite, &Options::parse(suite.rounds, arguments)?),
    }
}

impl Suite {
    fn system(&self, name: &str) -> Result<Entry, Error> {
        let mut all = self.comparisons.iter().flat_map(|one| one.systems);
        let found = all.find(|system| system.name == name);
        Ok(*found.ok_or_else(|| format!("there is no system `{name}`"))?)
    }

    fn workload(&self, name: &str) -> Result<Workload, Error> {
        let mut all = self.comparisons.iter().map(|one| one.workload);
        let found = all.find(|workload| workload.name == name);
        Ok(found.ok_or_else(|| format!("there is no workload `{name}`"))?)
    }
}

/// What the command line says.
#[derive(Debug, PartialEq)]
struct Options {
    rounds: usize,
    pinned: bool,
    write: bool,
}

impl Options {
    fn parse(rounds: usize, arguments: &[&str]) -> Result<Self, Error> {
        let mut options = Self {
            rounds,
            pinned: true,
            write: false,
        };
        let mut arguments = arguments.iter();
        while let Some(argument) = arguments.next() {
            match *argument {
                "--rounds" => {
                    let rounds = arguments.next().ok_or("--rounds: expected a number")?;
                    options.rounds = rounds.parse()?;
                }
                "--unpinned" => options.pinned = false,
                "--write" => options.write = true,
                other => {
                    let expected = "expected [--rounds N] [--unpinned] [--write]";
                    return Err(format!("{expected}, got `{other}`").into());
                }
            }
        }
        match options.rounds {
            0 => Err("there must be at least one round".into()),
            _ => Ok(options),
        }
    }
}

fn compare(suite: &Suite, options: &Options) -> Result<(), Error> {
    process::allow_many_files()?;
    let part = match options.pinned {
        true => suite.name.to_owned(),
        false => format!("{}-unpinned", suite.name),
    };
    if options.write {
        // Rather now than when all is measured.
        report::read(&part)?;
    }
    let place = match options.pinned {
        true => format!("All processes on CPU {}.", process::stay_on_one_cpu()?),
        false => "Not pinned.".to_owned(),
    };
    let before = machine::load();
    let results = measure(suite, options.rounds)?;
    let mut text = format!(
        "{}. {place} {} rounds. Load: {before} before, {} after.\n\n{}",
        machine::describe(),
        options.rounds,
        machine::load(),
        report::tables(suite, options.pinned, &results)?,
    );
    if suite.syscalls {
        text += &syscalls::table(suite)?;
    }
    print!("{text}");
    if options.write {
        report::write(&part, &text)?;
        curves::draw(suite, &results)?;
    }
    Ok(())
}

/// Made after the process was pinned, so that its threads are too.
fn runtime(kind: Runtime) -> Result<tokio::runtime::Runtime, Error> {
    let mut builder = match kind {
        Runtime::MultiThread | Runtime::ClientBlocks => tokio::runtime::Builder::new_multi_thread(),
        Runtime::CurrentThread => tokio::runtime::Builder::new_current_thread(),
    };
    Ok(builder.enable_all().build()?)
}

fn measure(suite: &Suite, rounds: usize) -> Result<Results, Error> {
    let mut results = Results::new(suite);
    for round in 0..rounds {
        eprint!("\rround {} of {rounds}", round + 1);
        for (number, comparison) in suite.comparisons.iter().enumerate() {
            let systems = comparison.systems;
            // Not always in the same order: what one leaves behind must not always burden the same one.
            for turn in 0..systems.len() {
                let system = (round + turn) % systems.len();
                let sample = turn_of(systems[system].name, &comparison.workload)?;
                results.add(number, system, sample);
            }
        }
    }
    eprintln!();
    Ok(results)
}

/// Both processes are new each time: how memory lies in one can decide whether large buffers cost page
/// faults, and stays as it is as long as it lives.
fn turn_of(system: &str, workload: &Workload) -> Result<Sample, Error> {
    let folder = folder()?;
    let server = Server::start(system, folder.path(), None)?;
    process::call(system, workload.name, folder.path(), &server, None)?.parse()
}

/// A folder for a server, which others cannot look into.
pub(crate) fn folder() -> Result<tempfile::TempDir, Error> {
    let own = Permissions::from_mode(0o700);
    Ok(tempfile::Builder::new().permissions(own).tempdir()?)
}

/// Where the documents are.
pub(crate) fn document() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/performance.md")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_says_how_to_measure() {
        let default = Options {
            rounds: 15,
            pinned: true,
            write: false,
        };
        assert_eq!(Options::parse(15, &[]).unwrap(), default);
        let other = Options {
            rounds: 3,
            pinned: false,
            write: true,
        };
        let arguments = ["--unpinned", "--rounds", "3", "--write"];
        assert_eq!(Options::parse(15, &arguments).unwrap(), other);
        for wrong in [
            &["--rounds"][..],
            &["--rounds", "x"],
            &["--rounds", "0"],
            &["5"],
        ] {
            assert!(Options::parse(15, wrong).is_err(), "{wrong:?}");
        }
    }
}
