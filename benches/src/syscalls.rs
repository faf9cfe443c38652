//! How many system calls write: one that many calls share is what gathering them is for.

use std::fs;
use std::process::Command;

use crate::Error;
use crate::compare::{Suite, folder};
use crate::process::{self, Server};
use crate::report::row;
use crate::workload::{Work, Workload};

/// A table of system calls that write, at both ends, for each call by one task and by many. Without
/// `strace` it says that there is none.
pub fn table(suite: &Suite) -> Result<String, Error> {
    let mut text = "### System calls that write, for each call\n\n".to_owned();
    if Command::new("strace").arg("--version").output().is_err() {
        return Ok(text + "Not counted: `strace` is not installed.\n");
    }
    row(
        &mut text,
        "system",
        ["workload", "client and server"].map(str::to_owned),
    );
    row(&mut text, "---", ["---", "---:"].map(str::to_owned));
    let mut done = Vec::new();
    for comparison in suite.comparisons {
        let workload = &comparison.workload;
        if !matches!(workload.work, Work::OneByOne(_) | Work::Tasks(_)) {
            continue;
        }
        for system in comparison.systems {
            if !done.contains(&(system.name, workload.name)) {
                done.push((system.name, workload.name));
                let count = format!("{:.2}", count(system.name, workload)?);
                row(&mut text, system.name, [workload.name.to_owned(), count]);
            }
        }
    }
    text.push('\n');
    Ok(text)
}

/// Those of opening the connection count too: they are few.
fn count(system: &str, workload: &Workload) -> Result<f64, Error> {
    let folder = folder()?;
    let (at_server, at_client) = (
        folder.path().join("serve.txt"),
        folder.path().join("call.txt"),
    );
    let server = Server::start(system, folder.path(), Some(&at_server))?;
    process::call(
        system,
        workload.name,
        folder.path(),
        &server,
        Some(&at_client),
    )?;
    server.end()?;
    let writes = total(&fs::read_to_string(at_server)?)? + total(&fs::read_to_string(at_client)?)?;
    Ok(writes as f64 / (workload.count + workload.warm_up()) as f64)
}

/// The number of calls in the last line of what `strace -c` says.
fn total(summary: &str) -> Result<u64, Error> {
    let total = summary.lines().rev().find(|line| line.ends_with(" total"));
    let calls = total.and_then(|line| line.split_whitespace().nth(3)?.parse().ok());
    Ok(calls.ok_or_else(|| format!("expected what `strace -c` prints, got {summary:?}"))?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_calls_of_a_summary_are_found() {
        let summary = "\
            % time     seconds  usecs/call     calls    errors syscall\n\
            ------ ----------- ----------- --------- --------- ----------------\n\
            \x20 90.00    0.000090           1        41         3 sendto\n\
            \x20 10.00    0.000010           1         1           write\n\
            ------ ----------- ----------- --------- --------- ----------------\n\
            100.00    0.000100           1        42         3 total\n";
        assert_eq!(total(summary).unwrap(), 42);
        assert!(total("").is_err());
    }
}
