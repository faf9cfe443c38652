//! Servers and clients as processes of their own, and the CPU that all share.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::time::Duration;
use std::{env, fs};

use rustix::process::{Resource, getrlimit, setrlimit};
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};
use tokio::io::AsyncReadExt;

use crate::Error;

/// A server in a process of its own. It ends when this is dropped.
#[derive(Debug)]
pub struct Server {
    process: Child,
    /// Open as long as the server is needed.
    until: Option<ChildStdin>,
    /// Where it can be reached.
    pub address: String,
}

impl Server {
    /// Starts this program again with the arguments `serve NAME FOLDER`, and waits for the line with
    /// which [`ready`] tells its address. `trace` as for [`call`].
    pub fn start(name: &str, folder: &Path, trace: Option<&Path>) -> Result<Self, Error> {
        let mut process = this_program(trace)?
            .args(["serve", name])
            .arg(folder)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let until = process.stdin.take().ok_or("the server has no input")?;
        let output = process.stdout.take().ok_or("the server has no output")?;
        let mut address = String::new();
        BufReader::new(output).read_line(&mut address)?;
        let address = address.trim_end().to_owned();
        if address.is_empty() {
            return Err(format!("the server of {name} ended: {}", process.wait()?).into());
        }
        Ok(Self {
            process,
            until: Some(until),
            address,
        })
    }

    /// Lets it end by itself.
    pub fn end(mut self) -> io::Result<()> {
        self.until = None;
        self.process.wait().map(drop)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Starts this program again with the arguments `call NAME WORK FOLDER ADDRESS SERVER`, and gives what it
/// printed. What system calls it did to write goes into the file `trace`.
pub fn call(
    name: &str,
    work: &str,
    folder: &Path,
    server: &Server,
    trace: Option<&Path>,
) -> Result<String, Error> {
    let output = this_program(trace)?
        .args(["call", name, work])
        .arg(folder)
        .args([&server.address, &server.process.id().to_string()])
        .stderr(Stdio::inherit())
        .output()?;
    if !output.status.success() {
        return Err(format!("the client of {name} ended: {}", output.status).into());
    }
    Ok(String::from_utf8(output.stdout)?)
}

fn this_program(trace: Option<&Path>) -> io::Result<Command> {
    let program = env::current_exe()?;
    let Some(trace) = trace else {
        return Ok(Command::new(program));
    };
    let mut command = Command::new("strace");
    command
        .args(["-f", "--seccomp-bpf", "-c", "-o"])
        .arg(trace)
        .args(["-e", "trace=write,writev,sendto,sendmsg,sendmmsg"])
        .arg(program);
    Ok(command)
}

/// In a server's process: tells where it can be reached, and waits until it is not needed any more.
pub async fn ready(address: &str) -> io::Result<()> {
    let mut output = io::stdout();
    writeln!(output, "{address}")?;
    output.flush()?;
    // Nothing comes; it ends with the process that measures, however that ends.
    tokio::io::stdin().read_to_end(&mut Vec::new()).await?;
    Ok(())
}

/// The time that a process has had of a CPU: all its threads that live. Those of a runtime do until it
/// ends.
pub fn cpu_time(process: u32) -> io::Result<Duration> {
    let mut nanos = 0;
    for thread in fs::read_dir(format!("/proc/{process}/task"))? {
        let mut times = String::new();
        fs::File::open(thread?.path().join("schedstat"))?.read_to_string(&mut times)?;
        let running = times.split(' ').next().unwrap_or_default();
        nanos += running.parse::<u64>().map_err(io::Error::other)?;
    }
    Ok(Duration::from_nanos(nanos))
}

/// The bytes of memory that a process has now.
pub fn memory(process: u32) -> io::Result<u64> {
    let status = fs::read_to_string(format!("/proc/{process}/status"))?;
    let mut lines = status.lines();
    let resident = lines.find_map(|line| line.strip_prefix("VmRSS:")?.strip_suffix("kB"));
    let kilobytes: u64 = resident
        .unwrap_or_default()
        .trim()
        .parse()
        .map_err(io::Error::other)?;
    Ok(kilobytes << 10)
}

/// Lets this process, and those that it starts, have as many connections as the system allows.
pub fn allow_many_files() -> io::Result<()> {
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    Ok(setrlimit(Resource::Nofile, limit)?)
}

/// Keeps this process, and those that it starts, on one CPU: the last that it may use. What wake-ups
/// across CPUs take depends on the machine, differs from run to run, and hides everything else.
pub fn stay_on_one_cpu() -> io::Result<usize> {
    let allowed = sched_getaffinity(None)?;
    let last = (0..CpuSet::MAX_CPU).rev().find(|cpu| allowed.is_set(*cpu));
    let last = last.ok_or_else(|| io::Error::other("there is no CPU to use"))?;
    let mut one = CpuSet::new();
    one.set(last);
    sched_setaffinity(None, &one)?;
    Ok(last)
}
