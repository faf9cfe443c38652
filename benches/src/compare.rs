//! Systems against each other, in rounds.

use std::env;
use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::pin::Pin;
use std::process::ExitCode;

use crate::process::{self, Server};
use crate::stats::Spread;
use crate::systems::System;
use crate::workload::{Sample, Workload, run};
use crate::{Error, machine};

/// If the command line does not say how many.
const ROUNDS: usize = 25;

type Task<'a, T> = Pin<Box<dyn Future<Output = Result<T, Error>> + Send + 'a>>;

/// A [`System`] in a list of them.
#[derive(Clone, Copy, Debug)]
pub struct Entry {
    name: &'static str,
    serve: for<'a> fn(&'a Path) -> Task<'a, ()>,
    call: fn(Client) -> Task<'static, Sample>,
}

impl Entry {
    /// This one.
    pub const fn of<S: System + 'static>() -> Self {
        Self {
            name: S::NAME,
            serve: |folder| Box::pin(S::serve(folder)),
            call: |client| Box::pin(call::<S>(client)),
        }
    }
}

/// What the process of a client has to do.
#[derive(Debug)]
struct Client {
    work: Workload,
    folder: String,
    address: String,
    server: u32,
}

async fn call<S: System>(to: Client) -> Result<Sample, Error> {
    let client = S::connect(&to.address, Path::new(&to.folder)).await?;
    run(&client, to.server, to.work).await
}

/// The `main` of a comparison, and of the servers and clients that it starts. The first system is the
/// one that the others are compared with.
pub fn main(systems: &[Entry], workloads: &[Workload]) -> ExitCode {
    let arguments: Vec<_> = env::args().skip(1).collect();
    let arguments: Vec<_> = arguments.iter().map(String::as_str).collect();
    match command(systems, workloads, &arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn command(systems: &[Entry], workloads: &[Workload], arguments: &[&str]) -> Result<(), Error> {
    let system = |name| {
        let mut all = systems.iter();
        all.find(|system| system.name == name)
            .ok_or("there is no such system")
    };
    let (rounds, pinned) = match *arguments {
        ["serve", name, folder] => {
            return runtime()?.block_on((system(name)?.serve)(Path::new(folder)));
        }
        ["call", name, work, folder, address, server] => {
            let work = workloads.iter().find(|listed| listed.name == work);
            let client = Client {
                work: *work.ok_or("there is no such workload")?,
                folder: folder.to_owned(),
                address: address.to_owned(),
                server: server.parse()?,
            };
            let runtime = runtime()?;
            // In a task, as users call: `block_on` would add a hop between two threads.
            let calling = runtime.spawn((system(name)?.call)(client));
            println!("{}", runtime.block_on(calling)??);
            return Ok(());
        }
        [] => (ROUNDS, true),
        ["--unpinned"] => (ROUNDS, false),
        [rounds] => (rounds.parse()?, true),
        [rounds, "--unpinned"] => (rounds.parse()?, false),
        _ => return Err("expected [ROUNDS] [--unpinned]".into()),
    };
    if rounds == 0 {
        return Err("there must be at least one round".into());
    }
    println!("{}.", machine::describe());
    match pinned {
        true => println!("All processes on CPU {}.", process::stay_on_one_cpu()?),
        false => println!("Not pinned."),
    }
    let before = machine::load();
    let samples = measure(systems, workloads, rounds)?;
    println!(
        "{rounds} rounds. Load: {before} before, {} after.\n",
        machine::load()
    );
    print!("{}", table(systems, workloads, &samples));
    Ok(())
}

/// Made after the process was pinned, so that its threads are too.
fn runtime() -> Result<tokio::runtime::Runtime, Error> {
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    Ok(builder.enable_all().build()?)
}

/// For each workload and system, what each round took.
fn measure(
    systems: &[Entry],
    workloads: &[Workload],
    rounds: usize,
) -> Result<Vec<Vec<Vec<Sample>>>, Error> {
    let mut samples = vec![vec![Vec::new(); systems.len()]; workloads.len()];
    for round in 0..rounds {
        for (work, samples) in workloads.iter().zip(&mut samples) {
            // Not always in the same order: what one leaves behind must not always burden the same one.
            for turn in 0..systems.len() {
                let system = (round + turn) % systems.len();
                samples[system].push(sample(systems[system].name, work.name)?);
            }
        }
    }
    Ok(samples)
}

/// Both processes are new each time: how memory lies in one can decide whether large buffers cost page
/// faults, and stays as it is as long as it lives.
fn sample(system: &str, work: &str) -> Result<Sample, Error> {
    let own = Permissions::from_mode(0o700);
    let folder = tempfile::Builder::new().permissions(own).tempdir()?;
    let server = Server::start(system, folder.path())?;
    process::call(system, work, folder.path(), &server)?.parse()
}

/// Medians of all rounds; behind ratios their quartiles.
fn table(systems: &[Entry], workloads: &[Workload], samples: &[Vec<Vec<Sample>>]) -> String {
    let first = systems[0].name;
    let mut table = format!(
        "| workload | system | p50 µs | p99 µs | MB/s | CPU µs/call | p50 × {first} | CPU × {first} |\n\
         | --- | --- | ---: | ---: | ---: | ---: | ---: | ---: |\n"
    );
    for (work, samples) in workloads.iter().zip(samples) {
        for (system, rounds) in systems.iter().zip(samples) {
            let all = |pick: fn(&Sample) -> f64| -> Vec<f64> { rounds.iter().map(pick).collect() };
            let median = |pick| Spread::of(all(pick)).median;
            let ratios = |pick: fn(&Sample) -> f64| {
                let baseline: Vec<_> = samples[0].iter().map(pick).collect();
                Spread::of_ratios(&all(pick), &baseline)
            };
            let row = format!(
                "| {} | {} | {:.1} | {:.1} | {:.0} | {:.1} | {} | {} |\n",
                work.name,
                system.name,
                median(|sample| sample.p50),
                median(|sample| sample.p99),
                median(|sample| sample.throughput),
                median(|sample| sample.cpu),
                ratios(|sample| sample.p50),
                ratios(|sample| sample.cpu),
            );
            table.push_str(&row);
        }
    }
    table
}
